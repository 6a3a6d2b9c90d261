"""Egressway: routing over the same table, counters drained and access log written all the time."""

from __future__ import annotations

import sys

from bench import snapshot
from bench.cases import ZONE
from bench.certificates import read_certificate
from bench.targets.target import EVERY_PROTOCOL, THREADS, Place, Ports, Target

POOL = "dedicated"


def _configure(target: Target, place: Place) -> list[str]:
    certificate = read_certificate(place.certificate)
    zones = [
        snapshot.zone(name, POOL, certificate if name == ZONE else None) for name in place.names
    ]
    # The shared pool has another address: it must never be seen by the origin.
    pools = [
        snapshot.pool(snapshot.SHARED_POOL, "127.0.0.99", snapshot.Slice()),
        snapshot.pool(POOL, str(target.source), snapshot.Slice()),
    ]
    listeners = [
        snapshot.Listener(target.ports.plain),
        snapshot.Listener(target.ports.h2c),
        snapshot.Listener(target.ports.tls, tls=True),
    ]
    path = place.work / f"{target.name}.snapshot"
    path.write_bytes(snapshot.snapshot(zones, pools, listeners))
    return [
        *(sys.executable, "-m", "bench.serve_egressway", "--snapshot", str(path)),
        *("--access-log", str(place.work / f"{target.name}.access")),
        *("--health", str(place.work / f"{target.name}.health.json")),
        *("--workers", str(THREADS)),
    ]


LOGGING = Target(
    name="egressway",
    title="Egressway, with log",
    source="127.0.0.10",
    ports=Ports.starting_at(18000),
    logs=True,
    protocols=EVERY_PROTOCOL,
    configure=_configure,
    log_files=("egressway.access",),
    in_chains=True,
)
