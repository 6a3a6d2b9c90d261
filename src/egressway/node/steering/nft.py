"""The packet filter's part as text: one transaction, all of it or nothing (beside CONFIG 4).

`render_whole` replaces the table, `render_change` leads from one state to the next at the price of
what changed. Both are pure; `packet_filter` gives them to the kernel.

Why every address has a chain of its own instead of all of them one map of intervals: the kernel takes
20 ms for each interval that leaves a concatenated map of 10,000, and the packets of one address need
to look at that address's slices only (docs/decisions/0021-steering-by-marks.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from egressway.node.steering.desired import Interval, SteeringState, Tuple4
from egressway.node.steering.names import (
    MARKS,
    MARKS_MASK,
    NFT_TABLE,
    OWN_MARK,
    TUNNEL_DEVICE,
)

__all__ = ["COUNTERS", "MARKER", "Surroundings", "render_change", "render_gone", "render_whole"]

MARKER: Final = "Egressway: return packets to their owners"
"""Comment of the table: another one of this name is not ours."""

COUNTERS: Final = ("steered", "dropped", "refused")
_TABLE: Final = f"ip {NFT_TABLE}"
_MOST_HOPS: Final = 4
"""TTL of what is sent on: servers that disagree for a moment hand a packet round three times, not 60."""
_HEADERS: Final = 40
"""Bytes of the IPv4 and TCP headers in front of a segment."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the host shows in the table."""

    tunnel_port: int
    tunnel_mtu: int
    forwards_for_others: bool
    """The host was a router before us and stays one; otherwise nothing passes it but what is steered."""


def render_whole(state: SteeringState, surroundings: Surroundings) -> str:
    """Replace the table, whatever is in it."""
    addresses = state.intervals
    return "".join(
        (
            f"table {_TABLE} {{}}\ndelete table {_TABLE}\n",
            _frame(surroundings),
            *(f"add chain {_TABLE} {_chain(ip)}\n" for ip in addresses),
            *(_rules(ip, intervals) for ip, intervals in addresses.items()),
            *_changed_addresses((), addresses),
            *_changed_set("far", (), state.far),
            *_changed_set("peers", (), state.peers),
            *_changed_pins({}, state.pinned),
        )
    )


def render_change(before: SteeringState, after: SteeringState) -> str:
    """Lead from `before`, which is in the kernel, to `after`; empty when nothing differs."""
    old, new = before.intervals, after.intervals
    gone = [ip for ip in old if ip not in new]
    return "".join(
        (
            *(f"add chain {_TABLE} {_chain(ip)}\n" for ip in new if ip not in old),
            *(
                f"flush chain {_TABLE} {_chain(ip)}\n{_rules(ip, intervals)}"
                for ip, intervals in new.items()
                if old.get(ip) != intervals
            ),
            *_changed_addresses(old, new),
            *(f"flush chain {_TABLE} {_chain(ip)}\n" for ip in gone),
            *(f"delete chain {_TABLE} {_chain(ip)}\n" for ip in gone),
            *_changed_set("far", before.far, after.far),
            *_changed_set("peers", before.peers, after.peers),
            *_changed_pins(before.pinned, after.pinned),
        )
    )


def render_gone() -> str:
    """Take the table away; it need not be there."""
    return f"table {_TABLE} {{}}\ndelete table {_TABLE}\n"


def _frame(surroundings: Surroundings) -> str:
    segment = surroundings.tunnel_mtu - _HEADERS
    return f"""table {_TABLE} {{
  comment "{MARKER}"
  counter steered {{ comment "sent on to the server that owns the port"; }}
  counter dropped {{ comment "to an egress address, and nobody's or not this server's"; }}
  counter refused {{ comment "through the tunnel, from a stranger or to no egress address"; }}
  set addresses {{ type ipv4_addr; }}
  set far {{ type ipv4_addr; }}
  set peers {{ type ipv4_addr; }}
  map by_address {{ type ipv4_addr : verdict; }}
  map pinned {{ typeof ip daddr . th dport . ip saddr . th sport : meta mark; }}
  map pinned_errors {{ typeof ip daddr . @th,224,16 . @th,192,32 . @th,240,16 : meta mark; }}

  chain untracked_in {{
    type filter hook prerouting priority raw; policy accept;
    ip daddr @addresses notrack
  }}
  chain untracked_out {{
    type filter hook output priority raw; policy accept;
    ip saddr @addresses notrack
  }}
  # Of an ICMP error, what counts is the packet of ours that it brings back.
  chain errors {{
    icmp type != {{ destination-unreachable, time-exceeded, parameter-problem }} counter name dropped drop
    @th,64,8 != 0x45 counter name dropped drop
    @th,136,8 != {{ 6, 17 }} counter name dropped drop
    meta mark set ip daddr . @th,224,16 . @th,192,32 . @th,240,16 map @pinned_errors
  }}
  chain arriving {{
    type filter hook prerouting priority mangle; policy accept;
    # Never matches. Its presence has the kernel put fragments together first: only one has the ports.
    ip daddr 0.0.0.0 meta l4proto udp tproxy to :1
    iifname "{TUNNEL_DEVICE}" ip daddr != @addresses counter name refused drop
    ip daddr != @addresses accept
    meta mark set 0
    meta l4proto {{ tcp, udp }} meta mark set ip daddr . th dport . ip saddr . th sport map @pinned
    meta l4proto icmp jump errors
    meta mark 0 ip daddr vmap @by_address
    meta mark {OWN_MARK:#x} accept
    meta mark 0 counter name dropped drop
    ip ttl > {_MOST_HOPS} ip ttl set {_MOST_HOPS}
    counter name steered
  }}
  chain kept {{
    type filter hook input priority filter; policy accept;
    # Silence: an answer from the wrong server would reset a connection that another one has.
    ip daddr @addresses meta mark != {OWN_MARK:#x} counter name dropped drop
    udp dport {surroundings.tunnel_port} ip saddr != @peers counter name refused drop
  }}
  chain leaving {{
    type filter hook postrouting priority mangle; policy accept;
    # The tunnel looks up its own way by the mark of what it carries, and would find itself.
    oifname "{TUNNEL_DEVICE}" meta mark set 0
    ip saddr @far tcp flags & (syn | rst) == syn tcp option maxseg size set {segment}
  }}
{"" if surroundings.forwards_for_others else _closed_router()}}}
"""


def _closed_router() -> str:
    """Forwarding is on for what is steered; the host does not become a router for anybody else."""
    return f"""  chain passing {{
    type filter hook forward priority filter; policy accept;
    meta mark & {MARKS_MASK:#x} != {MARKS:#x} counter name refused drop
  }}
"""


def _chain(ip: IPv4Address) -> str:
    return "a_" + str(ip).replace(".", "_")


def _rules(ip: IPv4Address, intervals: tuple[Interval, ...]) -> str:
    if not intervals:
        return ""
    ports = ", ".join(f"{each.low}-{each.high} : {each.mark:#x}" for each in intervals)
    add = f"add rule {_TABLE} {_chain(ip)}"
    return (
        f"{add} meta l4proto {{ tcp, udp }} meta mark set th dport map {{ {ports} }}\n"
        f"{add} meta l4proto icmp meta mark set @th,224,16 map {{ {ports} }}\n"
    )


def _changed_addresses(old: Iterable[IPv4Address], new: Iterable[IPv4Address]) -> Iterator[str]:
    known, wanted = set(old), set(new)
    yield from _elements("delete", "by_address", map(str, sorted(known - wanted)))
    jumps = (f"{ip} : jump {_chain(ip)}" for ip in sorted(wanted - known))
    yield from _elements("add", "by_address", jumps)
    yield from _changed_set("addresses", known, wanted)


def _changed_set(
    name: str, old: Iterable[IPv4Address], new: Iterable[IPv4Address]
) -> Iterator[str]:
    known, wanted = set(old), set(new)
    yield from _elements("delete", name, map(str, sorted(known - wanted)))
    yield from _elements("add", name, map(str, sorted(wanted - known)))


def _changed_pins(old: Mapping[Tuple4, int], new: Mapping[Tuple4, int]) -> Iterator[str]:
    gone = sorted(key for key in old if new.get(key) != old[key])
    come = sorted(key for key in new if new[key] != old.get(key))
    for name, write in (("pinned", _connection), ("pinned_errors", _connection_in_error)):
        yield from _elements("delete", name, map(write, gone))
        yield from _elements("add", name, (f"{write(key)} : {new[key]:#x}" for key in come))


def _connection(key: Tuple4) -> str:
    ip, port, origin_ip, origin_port = key
    return f"{ip} . {port} . {origin_ip} . {origin_port}"


def _connection_in_error(key: Tuple4) -> str:
    """The same, as it stands in the packet that comes back; a raw field knows only numbers."""
    ip, port, origin_ip, origin_port = key
    return f"{ip} . {port} . {int(origin_ip):#x} . {origin_port}"


def _elements(verb: str, name: str, elements: Iterable[str]) -> Iterator[str]:
    if listed := ", ".join(elements):
        yield f"{verb} element {_TABLE} {name} {{ {listed} }}\n"
