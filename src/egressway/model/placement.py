"""Of all paths: placement, the rules by which servers share the ports of an IPv4 address.

    shares of servers and data centers --expand--> ports per server --split--> slices
    slices before, slices after --handovers--> who keeps established connections, and for whom

Pure and deterministic: the same question has the same answer, whoever asks. Invariants of every
answer: slices of an address never overlap, lie within the configured ports, add up to no more than
the cap, and lie in at most four locations. A server keeps whatever its new share leaves it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Final

from egressway.model.data_center import DataCenterName
from egressway.model.errors import Conflict, Invalid
from egressway.model.ids import AccountId
from egressway.model.lease import LeasedIP
from egressway.model.location import LocationName
from egressway.model.port_slice import PortRange, PortSlice, common, merged, without
from egressway.model.server import ServerName

__all__ = [
    "MOST_LOCATIONS",
    "Handover",
    "Placement",
    "PlacementRules",
    "Share",
    "check_locations",
    "effective",
    "expand",
    "fitted",
    "handovers",
    "moved",
    "split",
    "trimmed",
]

MOST_LOCATIONS: Final = 4


@dataclass(frozen=True, slots=True)
class PlacementRules:
    """What the configuration says about every egress address of the fleet."""

    ports: PortRange = field(default=PortRange(20_000, 59_999))
    connection_cap: int = 40_000

    @property
    def most_ports(self) -> int:
        """What the slices of one address may add up to."""
        return min(self.connection_cap, len(self.ports))


@dataclass(frozen=True, slots=True)
class Placement:
    """Who may open connections from one address. IPv4 without slices fails closed; IPv6 never has any,
    every server takes its own address.

    A default placement is one slice, all configured ports on one server, whatever the configuration
    says they are.
    """

    ip: LeasedIP
    account_id: AccountId
    slices: tuple[PortSlice, ...]
    is_default: bool
    is_draining: bool


@dataclass(frozen=True, slots=True)
class Share:
    """So many ports for a server, or for a data center, whose servers divide them evenly."""

    place: ServerName | DataCenterName
    is_data_center: bool
    ports: int


@dataclass(frozen=True, slots=True)
class Handover:
    """Ports that `source` may open no more. `target` may now; None: nobody may."""

    ports: PortRange
    source: ServerName
    target: ServerName | None


def expand(
    shares: Iterable[Share], servers_in: Mapping[DataCenterName, Sequence[ServerName]]
) -> dict[ServerName, int]:
    """Ports per server. `servers_in` names the servers that may get ports, by number."""
    ports: dict[ServerName, int] = {}
    for i, share in enumerate(shares):
        if not share.is_data_center:
            dividing: Sequence[ServerName] = [ServerName(share.place)]
        else:
            dividing = servers_in.get(DataCenterName(share.place), ())
        if not dividing:
            raise Invalid(
                f"No server of the data center `{share.place}` takes connections; "
                "add or activate one first.",
                pointer=f"/shares/{i}/data_center",
            )
        each, rest = divmod(share.ports, len(dividing))
        for position, server in enumerate(dividing):
            ports[server] = ports.get(server, 0) + each + (position < rest)
    return {server: number for server, number in ports.items() if number}


def split(
    ip: IPv4Address,
    current: Collection[PortSlice],
    shares: Mapping[ServerName, int],
    rules: PlacementRules,
) -> tuple[PortSlice, ...]:
    """Slices with `shares` ports per server, nearest to `current`.

    A server keeps the lowest of its ports, as many as its share has. New ports come first from those
    that nobody has, then from those that others give up.
    """
    total = sum(shares.values())
    if total > rules.most_ports:
        raise Invalid(
            f"The shares add up to {total} ports; an address has at most {rules.most_ports}.",
            pointer="/shares",
        )
    kept = {
        server: _first(_owned(current, server, rules), number) for server, number in shares.items()
    }
    taken = [ports for ranges in kept.values() for ports in ranges]
    held = [common(each.ports, rules.ports) for each in current]
    unowned = without([rules.ports], [ports for ports in held if ports is not None])
    given_up = without([rules.ports], [*taken, *unowned])
    free = [*unowned, *given_up]
    for server in sorted(shares):
        missing = shares[server] - sum(map(len, kept[server]))
        more = _first(free, missing)
        free = _rest(free, missing)
        kept[server] = merged([*kept[server], *more])
    return _slices(ip, kept)


def fitted(slices: Iterable[PortSlice], rules: PlacementRules) -> tuple[PortSlice, ...]:
    """Slices that were written out by an operator, ascending, or why they cannot be."""
    ordered = sorted(slices, key=lambda each: each.ports)
    total = sum(len(each.ports) for each in ordered)
    if total > rules.most_ports:
        raise Invalid(
            f"The slices add up to {total} ports; an address has at most {rules.most_ports}.",
            pointer="/slices",
        )
    for each in ordered:
        if common(each.ports, rules.ports) != each.ports:
            raise Invalid(
                f"{each.ports} is not within the configured ports {rules.ports}.",
                pointer="/slices",
            )
    return _joined(ordered)


def moved(
    slices: Collection[PortSlice],
    ports: PortRange | None,
    source: ServerName,
    target: ServerName,
    rules: PlacementRules,
) -> tuple[PortSlice, ...]:
    """The slices once `ports` of `source`, or all it has, are those of `target`."""
    own = merged(each.ports for each in slices if each.server == source)
    moving = own if ports is None else [ports]
    missing = without(moving, own)
    if missing or not moving:
        what = f"the ports {missing[0]}" if missing else "any port"
        raise Conflict(f"The server `{source}` does not hold {what} of this address.")
    ip = next(each.ip for each in slices)
    others = [each for each in slices if each.server != source]
    staying = [PortSlice(ip, each, source) for each in without(own, moving)]
    arriving = [PortSlice(ip, each, target) for each in moving]
    room = rules.most_ports - sum(len(each.ports) for each in (*others, *arriving))
    return _joined([*trimmed(staying, room), *trimmed([*others, *arriving], rules.most_ports)])


def effective(
    slices: Iterable[PortSlice], rules: PlacementRules, *, is_default: bool
) -> tuple[PortSlice, ...]:
    """Stored slices as the present configuration lets them be; they may be older than it.

    A default slice is all configured ports. Others lose what lies outside, and what is above the cap.
    """
    if is_default:
        return tuple(replace(each, ports=rules.ports) for each in slices)
    inside = ((each, common(each.ports, rules.ports)) for each in slices)
    return _joined(
        trimmed([replace(each, ports=ports) for each, ports in inside if ports], rules.most_ports)
    )


def trimmed(slices: Iterable[PortSlice], room: int) -> list[PortSlice]:
    """The first `room` ports of `slices`, in the order of ports."""
    left: list[PortSlice] = []
    for each in sorted(slices, key=lambda each: each.ports):
        if room <= 0:
            break
        low = each.ports.low
        high = min(each.ports.high, low + room - 1)
        left.append(replace(each, ports=PortRange(low, high)))
        room -= high - low + 1
    return left


def handovers(before: Iterable[PortSlice], after: Collection[PortSlice]) -> list[Handover]:
    """Every range that changes its owner or loses it, in the order of ports."""
    found: list[Handover] = []
    for old in before:
        found += [
            Handover(ports, old.server, new.server)
            for new in after
            if new.server != old.server and (ports := common(old.ports, new.ports))
        ]
        lost = without([old.ports], [new.ports for new in after])
        found += [Handover(ports, old.server, None) for ports in lost]
    return sorted(found, key=lambda each: each.ports)


def check_locations(locations: Iterable[tuple[LocationName, str]], ip: IPv4Address) -> None:
    """Refuses a fifth location. Each comes with the pointer to what asks for it."""
    found: list[LocationName] = []
    for location, pointer in locations:
        if location in found:
            continue
        if len(found) == MOST_LOCATIONS:
            names = ", ".join(f"`{each}`" for each in found)
            raise Invalid(
                f"{ip} would be in a fifth location, `{location}`; it is in {names}, and an address "
                "is in at most four. Take it out of one of them first.",
                pointer=pointer,
            )
        found.append(location)


def _owned(
    slices: Iterable[PortSlice], server: ServerName, rules: PlacementRules
) -> list[PortRange]:
    inside = (common(each.ports, rules.ports) for each in slices if each.server == server)
    return merged(ports for ports in inside if ports is not None)


def _first(ranges: Iterable[PortRange], number: int) -> list[PortRange]:
    """The first `number` ports of `ranges`, in their order."""
    found: list[PortRange] = []
    for ports in ranges:
        if number <= 0:
            break
        taken = PortRange(ports.low, min(ports.high, ports.low + number - 1))
        found.append(taken)
        number -= len(taken)
    return found


def _rest(ranges: Iterable[PortRange], number: int) -> list[PortRange]:
    """What `_first` leaves."""
    found: list[PortRange] = []
    for ports in ranges:
        low = ports.low + number
        if low <= ports.high:
            found.append(PortRange(max(low, ports.low), ports.high))
        number = max(0, number - len(ports))
    return found


def _slices(ip: IPv4Address, ranges: Mapping[ServerName, list[PortRange]]) -> tuple[PortSlice, ...]:
    return _joined(
        PortSlice(ip, ports, server) for server, owned in ranges.items() for ports in owned
    )


def _joined(slices: Iterable[PortSlice]) -> tuple[PortSlice, ...]:
    """Ascending; neighbours of one server are one slice."""
    found: list[PortSlice] = []
    for each in sorted(slices, key=lambda each: each.ports):
        last = found[-1] if found else None
        if last and last.server == each.server and last.ports.high + 1 == each.ports.low:
            found[-1] = replace(last, ports=PortRange(last.ports.low, each.ports.high))
        else:
            found.append(each)
    return tuple(found)
