"""The kernel's packet filter, through `nft` (beside CONFIG 4).

Text goes in as one transaction. The ruleset's generation number tells whether anybody has changed
anything since: a firewall that reloads usually empties everything, ours too.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
from typing import Final

from egressway.node.steering.errors import SteeringFailed, SteeringUnavailable
from egressway.node.steering.names import MARKS, NFT_TABLE
from egressway.node.steering.nft import COUNTERS, MARKER

__all__ = ["PacketFilter"]

_NFT_SECONDS: Final = 60.0
_NETFILTER: Final = 12
"""Netlink protocol number; Python names only some."""
_GET_GENERATION: Final = (10 << 8) | 16
"""The subsystem for tables and its message `NFT_MSG_GETGEN`."""
_REQUEST: Final = 1
_HEADER: Final = struct.Struct("=IHHII")
_PROBE: Final = f"""table ip {NFT_TABLE}_probe {{
  map ports {{ typeof ip daddr . @th,224,16 . @th,192,32 . @th,240,16 : meta mark; }}
  chain probe {{
    type filter hook prerouting priority mangle;
    ip daddr 0.0.0.0 meta l4proto udp tproxy to :1
    ip daddr 0.0.0.0 notrack
  }}
}}
"""
_FOREIGN_MARK: Final = re.compile(rf"\b0x{MARKS >> 16:04x}[0-9a-f]{{4}}\b")


class PacketFilter:
    """Stateless; every call asks or tells the kernel."""

    def generation(self) -> int:
        """Changes with every change of the ruleset, whoever makes it."""
        message = _HEADER.pack(_HEADER.size + 4, _GET_GENERATION, _REQUEST, 1, 0) + bytes(4)
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
                kernel.settimeout(5)
                kernel.sendto(message, (0, 0))
                answer = kernel.recv(4096)
        except OSError as failure:
            raise _no_nftables() from failure
        if _HEADER.unpack_from(answer)[1] != (10 << 8) | 15:
            raise _no_nftables()
        number: int = struct.unpack_from("!I", answer, _HEADER.size + 8)[0]
        return number

    def apply(self, transaction: str) -> None:
        """All of it or nothing."""
        if transaction:
            self._nft("-f", "-", text=transaction)

    def require(self) -> None:
        """Make sure that this kernel has what the table is made of; changes nothing."""
        self.generation()
        try:
            self._nft("-c", "-f", "-", text=_PROBE)
        except SteeringFailed as failure:
            raise SteeringUnavailable(
                "`tproxy` or `notrack` of nftables in the kernel",
                "Use a kernel with CONFIG_NFT_TPROXY and CONFIG_NFT_CT, or load the modules "
                f"`nft_tproxy` and `nft_ct`. ({failure})",
            ) from failure

    def fingerprint(self) -> str:
        """Our table without its elements and counts; empty when it is not there."""
        try:
            return self._nft("-s", "-t", "list", "table", "ip", NFT_TABLE)
        except SteeringFailed:
            return ""

    def objection(self) -> str | None:
        """What of other people's rules stands in the way."""
        listed = json.loads(self._nft("-j", "list", "tables"))["nftables"]
        for each in listed:
            if (table := each.get("table")) is None:
                continue
            family, name = table["family"], table["name"]
            if (family, name) == ("ip", NFT_TABLE):
                if not self._is_ours():
                    return (
                        f"there is a table `ip {NFT_TABLE}` that is not Egressway's. Rename it, or "
                        f"take it away with `nft delete table ip {NFT_TABLE}`."
                    )
            elif found := _FOREIGN_MARK.search(self._nft("list", "table", family, name)):
                return (
                    f"the nftables table `{family} {name}` uses the mark {found.group()}, and marks "
                    f"{MARKS:#x}-{MARKS | 0xFFFF:#x} are Egressway's. Use another mark there."
                )
        return None

    def counters(self) -> dict[str, int]:
        """Packets by counter; empty while the table is not there."""
        try:
            listed = json.loads(self._nft("-j", "list", "counters", "table", "ip", NFT_TABLE))
        except SteeringFailed:
            return {}
        found = [each["counter"] for each in listed["nftables"] if "counter" in each]
        return {each["name"]: each["packets"] for each in found if each["name"] in COUNTERS}

    def _is_ours(self) -> bool:
        return MARKER in self._nft("-t", "list", "table", "ip", NFT_TABLE)

    def _nft(self, *arguments: str, text: str | None = None) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - written by us alone
                ["nft", *arguments],  # noqa: S607 - where it is differs
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=_NFT_SECONDS,
            )
        except FileNotFoundError as missing:
            raise SteeringUnavailable(
                "the program `nft`", "Install the package nftables and restart the node."
            ) from missing
        except subprocess.TimeoutExpired as late:
            raise SteeringFailed(f"`nft` has not answered within {_NFT_SECONDS:.0f} s.") from late
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise SteeringFailed(
                f"nftables refused a change, nothing of it is in force: {said[0] if said else '?'}"
            )
        return done.stdout


def _no_nftables() -> SteeringUnavailable:
    return SteeringUnavailable(
        "nftables in the kernel",
        "Use a kernel with CONFIG_NF_TABLES, or place every address on one server only.",
    )
