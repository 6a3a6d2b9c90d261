"""The proxies whose slice is filled: Egressway picks ports, HAProxy leaves it to the kernel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import origin, snapshot
from bench.cases import ZONE
from bench.targets.target import THREADS

PORT = 18800
HELD_PORT = 9001
SOURCE = "127.0.0.20"
STREAMS = 128
"""Requests in flight per client connection; proxies allow so many streams."""

ACCESS_LOG = "fill.access"
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class FillTarget:
    """`configure` gets the scratch directory, the slice and the limit of open descriptors."""

    name: str
    title: str
    configure: Callable[[Path, snapshot.Slice, int], list[str]]


def _egressway(work: Path, ports: snapshot.Slice, _descriptors: int) -> list[str]:
    settings = {
        "h2_max_streams": STREAMS,
        "first_byte_ms": _HOUR_MS,
        "body_ms": _HOUR_MS,
        "queue_ms": 60_000,
        "queue_length": ports.ports,
    }
    path = work / "fill.snapshot"
    path.write_bytes(
        snapshot.snapshot(
            [snapshot.zone(ZONE, "slice", origin_port=HELD_PORT)],
            [
                snapshot.pool(snapshot.SHARED_POOL, "127.0.0.99", snapshot.Slice()),
                snapshot.pool("slice", SOURCE, ports),
            ],
            [snapshot.Listener(PORT)],
            settings,
        )
    )
    return [
        *(sys.executable, "-m", "bench.serve_egressway", "--snapshot", str(path)),
        *("--access-log", str(work / ACCESS_LOG), "--health", str(work / "fill.health.json")),
        *("--workers", str(THREADS)),
    ]


def _haproxy(work: Path, _ports: snapshot.Slice, descriptors: int) -> list[str]:
    config = work / "fill.cfg"
    config.write_text(
        f"global\n    nbthread {THREADS}\n    ulimit-n {descriptors}\n"
        f"    maxconn {(descriptors - 200) // 2}\n    tune.h2.max-concurrent-streams {STREAMS}\n"
        "defaults\n    mode http\n    timeout client 1h\n    timeout server 1h\n"
        "    timeout connect 60s\n    retries 0\n    http-reuse always\n"
        f"frontend ingress\n    bind 127.0.0.1:{PORT} proto h2 backlog 4096\n"
        "    default_backend held\nbackend held\n"
        f"    server origin {origin.ADDRESS}:{HELD_PORT} source {SOURCE}\n"
    )
    return ["haproxy", "-q", "-db", "-f", str(config)]


FILL_TARGETS = (
    FillTarget("egressway", "Egressway, port table", _egressway),
    FillTarget("haproxy", "HAProxy, ports chosen by the kernel", _haproxy),
)
