"""The steering of one server, told what to do line by line; the process runs in its namespace."""

from __future__ import annotations

import dataclasses
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from egressway.node.steering import (
    Owner,
    Pinned,
    Server,
    Situation,
    SlicesOverlap,
    Steering,
    SteeringError,
    SteeringSettings,
    TunnelSettings,
)
from tests.support.processes import answer_lines


def situation(
    own: str,
    servers: list[list[Any]],
    owners: list[list[Any]],
    pinned: list[list[Any]] = (),  # type: ignore[assignment]
    ipv6: list[str] = (),  # type: ignore[assignment]
) -> Situation:
    """From plain lists, in the order of the fields."""
    ip = IPv4Address
    return Situation(
        own,
        tuple(Server(name, n, dc, ip(underlay)) for name, n, dc, underlay in servers),
        tuple(Owner(ip(each), low, high, server) for each, low, high, server in owners),
        tuple(Pinned(ip(a), b, ip(c), d, server) for a, b, c, d, server in pinned),
        tuple(map(IPv6Address, ipv6)),
    )


def main() -> None:
    record, mtu = sys.argv[1:3]
    steering = Steering(SteeringSettings(Path(record), TunnelSettings(mtu=int(mtu))))

    def answer(command: str, details: dict[str, Any]) -> Any:
        match command:
            case "status":
                return dataclasses.asdict(steering.status)
            case "counters":
                return dict(steering.counters())
            case "check":
                return steering.check()
        try:
            match command:
                case "start":
                    steering.start()
                case "apply":
                    steering.apply(situation(**details))
                case "stop":
                    steering.stop(**details)
        except (SteeringError, SlicesOverlap) as refusal:
            return f"{type(refusal).__name__}: {refusal}"
        return "done"

    answer_lines(answer)


if __name__ == "__main__":
    main()
