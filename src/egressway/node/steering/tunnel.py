"""The way to servers that are not on a common link: one vxlan device (beside CONFIG 4).

One device serves any number of peers. Nothing is learned from packets: each peer has an address made
from its number, a fixed neighbour entry, and a fixed forwarding entry with its underlay address, so the
two ends need nothing from each other.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from egressway.node.steering.desired import NextHop
from egressway.node.steering.errors import SteeringUnavailable
from egressway.node.steering.names import HARDWARE_PREFIX, TUNNEL_DEVICE
from egressway.node.steering.netlink import IPRoute, NetlinkError

__all__ = ["Tunnel", "TunnelSettings", "gateway_of"]

OVERHEAD: Final = 50
"""Bytes of the headers around a packet."""
_PERMANENT: Final = 0x80
_NO_IPV6: Final = Path(f"/proc/sys/net/ipv6/conf/{TUNNEL_DEVICE}/disable_ipv6")
_NO_SUCH_KIND: Final = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENODEV, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """The same on every server of a fleet."""

    port: int = 8645
    network: int = 4547
    """The vxlan network identifier."""
    mtu: int = 1500 - OVERHEAD
    """Of packets inside; the underlay must carry 50 bytes more."""


@dataclass(frozen=True, slots=True)
class _Peer:
    """Entries of one peer."""

    gateway: str
    hardware: str
    underlay: str


def gateway_of(number: int) -> str:
    """Next hop inside the tunnel; exists on this device only."""
    return f"169.254.{number >> 8}.{number & 0xFF}"


class Tunnel:
    """Over one netlink connection; for one thread at a time."""

    def __init__(self, netlink: IPRoute, settings: TunnelSettings) -> None:
        self._netlink = netlink
        self._settings = settings

    def objection(self) -> str | None:
        """Whether somebody else has a device of this name."""
        link = self._link()
        if link is None or _is_ours(link):
            return None
        return (
            f"there is a network interface `{TUNNEL_DEVICE}` that is not Egressway's. Rename it with "
            f"`ip link set {TUNNEL_DEVICE} name NAME`."
        )

    def apply(self, number: int, underlay: IPv4Address | None, peers: Iterable[NextHop]) -> int:
        """Have the device with exactly these peers; its index.

        Raises:
            SteeringUnavailable: this kernel has no vxlan.
        """
        index = self._device(number, underlay)
        wanted = {
            _Peer(gateway_of(each.number), _hardware(each.number), str(each.underlay))
            for each in peers
        }
        present = self._peers(index)
        for peer in present - wanted:
            self._forget(index, peer)
        for peer in wanted - present:
            self._remember(index, peer)
        return index

    def remove(self) -> None:
        """Take the device away, if it is ours; its entries go with it."""
        link = self._link()
        if link is not None and _is_ours(link):
            self._netlink.link("del", index=link["index"])

    def _device(self, number: int, underlay: IPv4Address | None) -> int:
        wanted = self._wanted(number, underlay)
        link = self._link()
        if link is not None and not _is_as_wanted(link, wanted):
            self.remove()
            link = None
        if link is None:
            self._create(wanted)
            link = self._link()
            assert link is not None
        if link["state"] != "up" or link.get_attr("IFLA_MTU") != self._settings.mtu:
            self._netlink.link("set", index=link["index"], mtu=self._settings.mtu, state="up")
        index: int = link["index"]
        return index

    def _wanted(self, number: int, underlay: IPv4Address | None) -> dict[str, Any]:
        settings = {
            "vxlan_id": self._settings.network,
            "vxlan_port": self._settings.port,
            "vxlan_learning": False,
            "address": _hardware(number),
        }
        return settings | ({"vxlan_local": str(underlay)} if underlay else {})

    def _create(self, wanted: dict[str, Any]) -> None:
        try:
            self._netlink.link(
                "add",
                ifname=TUNNEL_DEVICE,
                kind="vxlan",
                mtu=self._settings.mtu,
                **wanted,
            )
        except NetlinkError as failure:
            if failure.code not in _NO_SUCH_KIND:
                raise
            raise SteeringUnavailable(
                "vxlan in the kernel",
                "Load the module `vxlan`; until then, packets for servers of other data centers "
                "are dropped.",
            ) from failure
        # What goes through is IPv4; without an address of its own the device says nothing by itself.
        with suppress(FileNotFoundError):
            _NO_IPV6.write_text("1\n", "ascii")

    def _link(self) -> Any:  # noqa: ANN401
        if not (found := self._netlink.link_lookup(ifname=TUNNEL_DEVICE)):
            return None
        return next(iter(self._netlink.link("get", index=found[0])))

    def _peers(self, index: int) -> set[_Peer]:
        underlays = {
            entry.get_attr("NDA_LLADDR"): entry.get_attr("NDA_DST")
            for entry in self._netlink.fdb("dump", ifindex=index)
        }
        neighbours = self._netlink.get_neighbours(family=socket.AF_INET, ifindex=index)
        return {
            _Peer(
                each.get_attr("NDA_DST"),
                hardware := each.get_attr("NDA_LLADDR"),
                underlays.get(hardware) or "",
            )
            for each in neighbours
            if each["state"] & _PERMANENT
        }

    def _remember(self, index: int, peer: _Peer) -> None:
        self._netlink.fdb("add", ifindex=index, lladdr=peer.hardware, dst=peer.underlay)
        self._netlink.neigh(
            "replace", ifindex=index, dst=peer.gateway, lladdr=peer.hardware, state=_PERMANENT
        )

    def _forget(self, index: int, peer: _Peer) -> None:
        self._netlink.neigh("del", ifindex=index, dst=peer.gateway, lladdr=peer.hardware)
        if peer.underlay:
            self._netlink.fdb("del", ifindex=index, lladdr=peer.hardware, dst=peer.underlay)


def _hardware(number: int) -> str:
    """A locally administered address that anybody can tell from the number."""
    return f"{HARDWARE_PREFIX}{number >> 8:02x}:{number & 0xFF:02x}"


def _is_ours(link: Any) -> bool:  # noqa: ANN401
    return bool(link.get_attr("IFLA_ADDRESS", "").startswith(HARDWARE_PREFIX))


def _is_as_wanted(link: Any, wanted: dict[str, Any]) -> bool:  # noqa: ANN401
    data = link.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")
    return data is not None and (
        link.get_attr("IFLA_ADDRESS") == wanted["address"]
        and data.get_attr("IFLA_VXLAN_ID") == wanted["vxlan_id"]
        and data.get_attr("IFLA_VXLAN_PORT") == wanted["vxlan_port"]
        and data.get_attr("IFLA_VXLAN_LOCAL") == wanted.get("vxlan_local")
    )
