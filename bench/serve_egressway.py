"""The data plane in a process of its own: one snapshot, counters drained, access log written.

Stands in for the node agent, with nothing of the control plane around it. Run by the benchmark:
`python -m bench.serve_egressway --snapshot FILE --access-log FILE --health FILE`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from bench.fleet_identity import identity_files

DRAIN_SECONDS = 0.1
"""Between two drains: at 100,000 requests/s about 5 MB of log lines gather."""

LOG_BUFFER_BYTES = 32 * 1024 * 1024
STOP_SECONDS = 1.0


class Health(msgspec.Struct):
    """What must stay 0 for a measurement to count, and sizes told by the data plane."""

    foreign_egress: int = 0
    panics: int = 0
    log_dropped: int = 0
    requests: int = 0
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    zones: int = 0
    table_bytes: int = 0


class _Totals(msgspec.Struct):
    foreign_egress: int = 0
    panics: int = 0
    log_dropped: int = 0
    requests: int = 0


class _Drained(msgspec.Struct):
    """As the product decodes it; the copy of `log` costs 0.02 us per request."""

    totals: _Totals
    requests: dict[str, int]
    log: bytes


class _Status(msgspec.Struct):
    zones: int
    memory_table_bytes: int


@dataclass(frozen=True, slots=True)
class Options:
    """Command line of the process."""

    snapshot: Path
    access_log: Path | None
    health: Path
    workers: int
    identity: Path | None


def add(health: Health, drained: _Drained) -> None:
    """Add what one drain brought."""
    health.foreign_egress += drained.totals.foreign_egress
    health.panics += drained.totals.panics
    health.log_dropped += drained.totals.log_dropped
    health.requests += drained.totals.requests
    for key, count in _errors(drained.requests).items():
        health.errors[key] = health.errors.get(key, 0) + count


def _errors(requests: Mapping[str, int]) -> dict[str, int]:
    prefix = "error:"
    return {
        key.removeprefix(prefix): count
        for key, count in requests.items()
        if key.startswith(prefix) and count
    }


def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT."""
    # Imported here so that the types above can be read without the built module.
    from egressway.data_plane._native import DataPlane  # noqa: PLC0415

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    plane = DataPlane(
        workers=options.workers,
        log_buffer_bytes=LOG_BUFFER_BYTES,
        access_log=options.access_log is not None,
    )
    if options.identity is not None:
        plane.set_identity(*(part.read_bytes() for part in identity_files(options.identity)))
    plane.apply(options.snapshot.read_bytes())
    health = Health()
    status = msgspec.msgpack.decode(plane.status(), type=_Status)
    health.zones, health.table_bytes = status.zones, status.memory_table_bytes
    decoder = msgspec.msgpack.Decoder(_Drained)
    with _open_log(options.access_log) as log:
        while not ended.wait(DRAIN_SECONDS):
            drained = decoder.decode(plane.drain_counters())
            add(health, drained)
            log.write(drained.log)
            _replace(options.health, msgspec.json.encode(health))
    plane.stop(STOP_SECONDS)


def _open_log(path: Path | None) -> IO[bytes]:
    return (path or Path("/dev/null")).open("ab", buffering=0)


def _replace(path: Path, content: bytes) -> None:
    """Readers see the old or the new content, never a part."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(path)


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="bench.serve_egressway", description=__doc__)
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--access-log", type=Path)
    parser.add_argument("--health", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--identity", type=Path, help="as `bench.fleet_identity` writes it")
    given = parser.parse_args(arguments)
    return Options(given.snapshot, given.access_log, given.health, given.workers, given.identity)


if __name__ == "__main__":
    serve(_options(sys.argv[1:]))
