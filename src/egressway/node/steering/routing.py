"""The kernel's routing policy: where marks lead, and which addresses are local (beside CONFIG 4).

Rules, in the order in which the kernel asks them: what has no mark of ours goes straight to the local
table; each mark to its own table; a mark without a way ends; then the local table, which a normal host
asks first. Only differences are written, and only what bears our protocol number is ever removed.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, TypeAlias, TypeVar

from egressway.node.steering.names import (
    LOCAL_PREFERENCE,
    LOST_PREFERENCE,
    MARK_PREFERENCE,
    MARKS,
    MARKS_MASK,
    OTHERS_PREFERENCE,
    PROTOCOL,
    is_our_table,
)
from egressway.node.steering.netlink import IPRoute, NetlinkError

__all__ = ["Remembered", "Route", "Routing", "Rule"]

_LOCAL_TABLE: Final = 255
_KERNEL: Final = 2
_BY_TABLE, _GOTO, _BLACKHOLE = 1, 2, 6
_INVERT: Final = 2
_LOCAL: Final = 2
_UNICAST: Final = 1
_SCOPE_HOST: Final = 254
_ON_LINK: Final = 4
_ALL_BITS: Final = 0xFFFF_FFFF


T = TypeVar("T")
IPAddress: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule of ours, or somebody's."""

    preference: int
    action: int
    mark: int = 0
    mask: int = 0
    table: int = 0
    goto: int = 0
    is_inverted: bool = False
    protocol: int = PROTOCOL

    @property
    def is_plain_local(self) -> bool:
        """The local table, for every packet."""
        return (self.action, self.table, self.mask) == (_BY_TABLE, _LOCAL_TABLE, 0)


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A route of ours: the default of one mark's table."""

    table: int
    device: int
    gateway: str


_FIXED_RULES: Final = (
    Rule(
        OTHERS_PREFERENCE,
        _GOTO,
        mark=MARKS,
        mask=MARKS_MASK,
        goto=LOCAL_PREFERENCE,
        is_inverted=True,
    ),
    Rule(LOST_PREFERENCE, _BLACKHOLE, mark=MARKS, mask=MARKS_MASK),
)
_LOCAL_BEHIND: Final = Rule(LOCAL_PREFERENCE, _BY_TABLE, table=_LOCAL_TABLE)
_LOCAL_FIRST: Final = Rule(0, _BY_TABLE, table=_LOCAL_TABLE, protocol=_KERNEL)


@dataclass(slots=True)
class Remembered:
    """What the kernel was seen to hold. Steps rely on it; forgotten, it is looked up again."""

    rules: list[Rule] | None = None
    marks: set[Route] | None = None
    local: set[IPAddress] | None = None
    configured: set[IPAddress] | None = None
    devices: dict[IPv4Address, int | None] = field(default_factory=dict)

    def forget(self) -> None:
        """Somebody may have changed something."""
        self.rules = self.marks = self.local = self.configured = None
        self.devices.clear()


class Routing:
    """Over one netlink connection; for one thread at a time."""

    def __init__(self, netlink: IPRoute, remembered: Remembered) -> None:
        self._netlink = netlink
        self._remembered = remembered
        self.changes = 0
        """How many entries had to be written or taken away."""

    # Is anybody in the way?

    def objection(self) -> str | None:
        """What of other people's rules would not survive ours, and what to do."""
        rules = self._rules()
        for rule in rules:
            if reason := _objection_to(rule):
                return reason
        is_first = any(rule.is_plain_local and rule.preference == 0 for rule in rules)
        if not is_first and _LOCAL_BEHIND not in rules:
            return (
                "the local table is not asked at preference 0 (`ip rule`), so it has been moved "
                "already. Bring it back with `ip rule add pref 0 lookup local`."
            )
        return None

    def objection_to_tables(self, tables: Iterable[int]) -> str | None:
        """As `objection`, of the routing tables that are about to be used."""
        for table in tables:
            if any(
                route["proto"] != PROTOCOL
                for route in self._netlink.get_routes(family=socket.AF_INET, table=table)
            ):
                return (
                    f"the routing table {table} is Egressway's and has routes of somebody else "
                    f"in it. See `ip route show table {table}`."
                )
        return None

    # Marks.

    def apply_rules(self, marks: Iterable[int]) -> None:
        """Rules for exactly these marks. The local table moves behind them, and is never missing."""
        wanted = {
            *_FIXED_RULES,
            _LOCAL_BEHIND,
            *(
                Rule(MARK_PREFERENCE, _BY_TABLE, mark=mark, mask=_ALL_BITS, table=mark)
                for mark in marks
            ),
        }
        rules = self._rules()
        present = {rule for rule in rules if rule.protocol == PROTOCOL}
        # The new place of the local table first, then what jumps there.
        for rule in sorted(wanted - present, key=lambda rule: -rule.preference):
            self._rule("add", rule)
        for rule in rules:
            if rule.is_plain_local and rule.preference == 0:
                self._rule("del", rule)
        for rule in present - wanted:
            self._rule("del", rule)

    def remove_rules(self) -> None:
        """The local table comes back first, then ours go."""
        rules = self._rules()
        ours = [rule for rule in rules if rule.protocol == PROTOCOL]
        if ours and not any(rule.is_plain_local and rule.preference == 0 for rule in rules):
            self._rule("add", _LOCAL_FIRST)
        for rule in sorted(ours, key=lambda rule: rule.preference):
            self._rule("del", rule)

    def apply_routes(self, wanted: Iterable[Route]) -> None:
        """Exactly these routes behind the marks."""
        wanted = set(wanted)
        present = self.mark_routes()
        for route in sorted(present - wanted):
            self._route("del", route)
        for route in sorted(wanted - present):
            self._route("add", route)

    # Local addresses.

    def apply_local(self, wanted: Iterable[IPAddress], *, only_remove: bool = False) -> None:
        """Local routes for exactly these, but not for what an interface has anyway."""
        present = self._local_routes()
        wanted = set(wanted) - self._configured()
        for ip in sorted(present - wanted, key=str):
            self._local("del", ip)
        for ip in () if only_remove else sorted(wanted - present, key=str):
            self._local("add", ip)

    # Where others are.

    def device_towards(self, underlay: IPv4Address) -> int | None:
        """The interface to whose link `underlay` belongs; None behind a router, or nowhere."""
        devices = self._remembered.devices
        if underlay not in devices:
            devices[underlay] = self._look_up(underlay)
        return devices[underlay]

    def is_configured(self, ip: IPv4Address) -> bool:
        """Whether an interface of this host has the address."""
        return ip in self._configured()

    # Reading.

    def mark_routes(self) -> set[Route]:
        """Ours behind the marks, as they are."""
        if self._remembered.marks is None:
            self._read_routes()
        return set(self._remembered.marks or ())

    def _local_routes(self) -> set[IPAddress]:
        if self._remembered.local is None:
            self._read_routes()
        return set(self._remembered.local or ())

    def _read_routes(self) -> None:
        marks, local = set(), set()
        for family in (socket.AF_INET, socket.AF_INET6):
            # The kernel itself selects: a router may have a million others.
            for route in self._netlink.get_routes(family=family, proto=PROTOCOL):
                attributes = dict(route["attrs"])
                table = attributes["RTA_TABLE"]
                if is_our_table(table):
                    device, gateway = (
                        attributes.get("RTA_OIF", 0),
                        attributes.get("RTA_GATEWAY", ""),
                    )
                    marks.add(Route(table, device, gateway))
                elif table == _LOCAL_TABLE:
                    local.add(ip_address(attributes["RTA_DST"]))
        self._remembered.marks, self._remembered.local = marks, local

    def _rules(self) -> list[Rule]:
        if self._remembered.rules is None:
            found = self._netlink.get_rules(family=socket.AF_INET)
            self._remembered.rules = [_read_rule(rule) for rule in found]
        return list(self._remembered.rules)

    def _configured(self) -> set[IPAddress]:
        if self._remembered.configured is None:
            self._remembered.configured = {
                ip_address(address.get_attr("IFA_LOCAL") or address.get_attr("IFA_ADDRESS"))
                for address in self._netlink.get_addr()
            }
        return self._remembered.configured

    def _look_up(self, underlay: IPv4Address) -> int | None:
        try:
            (route,) = self._netlink.route("get", dst=str(underlay))
        except (NetlinkError, ValueError):
            return None
        attributes = dict(route["attrs"])
        is_neighbour = route["type"] == _UNICAST and "RTA_GATEWAY" not in attributes
        return attributes.get("RTA_OIF") if is_neighbour else None

    # Writing.

    def _rule(self, verb: str, rule: Rule) -> None:
        settings: dict[str, Any] = {
            "priority": rule.preference,
            "action": rule.action,
            "protocol": rule.protocol,
        }
        if rule.mask:
            settings |= {"fwmark": rule.mark, "fwmask": rule.mask}
        if rule.table:
            settings["table"] = rule.table
        if rule.goto:
            settings["goto"] = rule.goto
        if rule.is_inverted:
            settings["flags"] = _INVERT
        self._write(self._netlink.rule, verb, settings)
        self._remembered.rules = None

    def _route(self, verb: str, route: Route) -> None:
        self._write(
            self._netlink.route,
            verb,
            {
                "dst": "0.0.0.0/0",
                "table": route.table,
                "oif": route.device,
                "gateway": route.gateway,
                "flags": _ON_LINK,
                "proto": PROTOCOL,
            },
        )
        _note(self._remembered.marks, verb, route)

    def _local(self, verb: str, ip: IPAddress) -> None:
        loopback = self._netlink.link_lookup(ifname="lo")[0]
        settings: dict[str, Any] = {
            "dst": f"{ip}/{ip.max_prefixlen}",
            "type": _LOCAL,
            "table": _LOCAL_TABLE,
            "oif": loopback,
            "proto": PROTOCOL,
        }
        if ip.version == 4:
            settings["scope"] = _SCOPE_HOST
        else:
            settings["family"] = socket.AF_INET6
        self._write(self._netlink.route, verb, settings)
        _note(self._remembered.local, verb, ip)

    def _write(self, change: Any, verb: str, settings: Mapping[str, Any]) -> None:  # noqa: ANN401
        """Somebody may have been quicker: what is there already, or gone already, is no failure."""
        self.changes += 1
        try:
            change(verb, **settings)
        except NetlinkError as failure:
            fine = {"add": {errno.EEXIST}, "del": {errno.ENOENT, errno.ESRCH}}[verb]
            if failure.code not in fine:
                raise


def _note(known: set[T] | None, verb: str, entry: T) -> None:
    if known is not None:
        (known.add if verb == "add" else known.discard)(entry)


def _read_rule(message: Any) -> Rule:  # noqa: ANN401
    attributes = dict(message["attrs"])
    return Rule(
        preference=attributes.get("FRA_PRIORITY", 0),
        action=message["action"],
        mark=attributes.get("FRA_FWMARK", 0),
        mask=attributes.get("FRA_FWMASK", 0),
        table=attributes.get("FRA_TABLE", 0),
        goto=attributes.get("FRA_GOTO", 0),
        is_inverted=bool(message["flags"] & _INVERT),
        protocol=attributes.get("FRA_PROTOCOL", 0),
    )


def _objection_to(rule: Rule) -> str | None:
    if rule.protocol == PROTOCOL or (rule.is_plain_local and rule.preference == 0):
        return None
    if rule.preference <= LOCAL_PREFERENCE:
        return (
            f"the routing rule at preference {rule.preference} (`ip rule`) stands where Egressway's "
            f"must be, and would come before the local table. Give it one above {LOCAL_PREFERENCE}."
        )
    if is_our_table(rule.table) or _could_match(rule):
        return (
            f"the routing rule at preference {rule.preference} (`ip rule`) uses a mark or table of "
            f"Egressway's ({MARKS:#x}-{MARKS | 0xFFFF:#x}). Use another one there."
        )
    return None


def _could_match(rule: Rule) -> bool:
    """Whether the rule asks for the upper half that only our marks have."""
    looks_at = rule.mask & MARKS_MASK
    return looks_at == MARKS_MASK and rule.mark & MARKS_MASK == MARKS
