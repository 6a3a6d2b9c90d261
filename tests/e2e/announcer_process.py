"""An announcer with readiness, told what to do line by line; the process runs in its namespace."""

from __future__ import annotations

import dataclasses
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from egressway.node.announce import AnnounceWhileReady, BgpSettings, ExaBgp, Peer, Route
from tests.support.processes import answer_lines


def settings(
    asn: int, router_id: str, peers: list[dict[str, Any]], next_hop6: str | None = None
) -> BgpSettings:
    """From plain values."""
    made = tuple(_peer(**peer) for peer in peers)
    hop = IPv6Address(next_hop6) if next_hop6 else None
    return BgpSettings(asn, IPv4Address(router_id), made, next_hop6=hop)


def _peer(address: str, families: list[Any] = (), **more: Any) -> Peer:  # type: ignore[assignment]
    return Peer(ip_address(address), families=tuple(families), **more)


def route(prefix: str, **attributes: Any) -> Route:
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in attributes.items()}
    return Route(ip_network(prefix), **tuples)


def main() -> None:
    ready = threading.Event()
    hang = threading.Event()
    announcer: ExaBgp | None = None
    tied: AnnounceWhileReady | None = None

    def is_ready() -> bool:
        while hang.is_set():
            threading.Event().wait(0.05)
        return ready.is_set()

    def answer(command: str, details: dict[str, Any]) -> Any:
        nonlocal announcer, tied
        match command:
            case "start":
                announcer = ExaBgp(settings(**details))
                tied = AnnounceWhileReady(announcer, is_ready)
                tied.start()
            case "set":
                assert tied is not None
                tied.set(route(**each) for each in details["routes"])
            case "ready":
                (ready.set if details["is_ready"] else ready.clear)()
            case "hang":
                hang.set()
            case "status":
                assert tied is not None
                status = dataclasses.asdict(tied.status)
                return {**status, "peers": {str(k): v for k, v in status["peers"].items()}}
            case "pid":
                assert announcer is not None
                return announcer.pid
            case "stop":
                assert tied is not None
                tied.stop()
        return "done"

    answer_lines(answer)


if __name__ == "__main__":
    main()
