"""What ExaBGP tells, line by line, read into values. Pure; what is of no interest is None."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Literal, TypeAlias

import msgspec

from egressway.node.announce.desired import Prefix

__all__ = ["Answer", "Event", "Sent", "SessionChange", "read"]


@dataclass(frozen=True, slots=True)
class Answer:
    """To the command that has waited longest."""

    is_done: bool


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session came up or went down."""

    peer: IPv4Address | IPv6Address
    state: Literal["up", "down"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """An update has been written to a peer's connection."""

    peer: IPv4Address | IPv6Address
    announced: frozenset[Prefix]
    withdrawn: frozenset[Prefix]


Event: TypeAlias = Answer | SessionChange | Sent


def read(line: str) -> Event | None:
    """One line."""
    if line in ("done", "error"):
        return Answer(line == "done")
    if not line.startswith("{"):
        return None
    try:
        told = msgspec.json.decode(line)
        peer = ip_address(told["neighbor"]["address"]["peer"])
    except (msgspec.DecodeError, KeyError, ValueError, TypeError):
        return None
    if told["type"] == "state":
        return _state(peer, told["neighbor"])
    if told["type"] == "update" and told["neighbor"].get("direction") == "send":
        return _sent(peer, told["neighbor"].get("message", {}).get("update", {}))
    return None


def _state(peer: IPv4Address | IPv6Address, told: dict[str, Any]) -> SessionChange | None:
    match told.get("state"):
        case "up":
            return SessionChange(peer, "up")
        case "down":
            return SessionChange(peer, "down", told.get("reason") or "unknown")
    return None


def _sent(peer: IPv4Address | IPv6Address, update: dict[str, Any]) -> Sent:
    announced = {
        ip_network(each["nlri"])
        for hops in update.get("announce", {}).values()
        for routes in hops.values()
        for each in routes
        if "nlri" in each
    }
    withdrawn = {
        ip_network(each["nlri"])
        for routes in update.get("withdraw", {}).values()
        for each in routes
        if "nlri" in each
    }
    return Sent(peer, frozenset(announced), frozenset(withdrawn))
