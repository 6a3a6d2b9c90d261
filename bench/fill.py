"""Fill one slice to one origin through a proxy, and dial when all but a thousandth of it is taken.

Slow requests over HTTP/2 hold the connections: 128 on each client connection, so that descriptors
are spent on the side towards the origin. The kernel's own port range is set to the same slice, so
that a proxy that lets the kernel choose has exactly the same ports.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import isolation, origin, snapshot
from bench.cases import ZONE
from bench.fill_configs import (
    ACCESS_LOG,
    FILL_TARGETS,
    HELD_PORT,
    PORT,
    SOURCE,
    STREAMS,
    FillPlace,
    FillTarget,
)
from bench.held_origin import held
from bench.load import LoadError, percentile, read_request_log
from bench.process import ProcessError, ProcessTree
from bench.result import Churn, SliceFill
from bench.sampling import origin_connections
from bench.targets.target import Place, Target

FULL_SLICE = 40_000
FIRST_PORT = 20_000
SPARE_DESCRIPTORS = 900
"""Client connections, listeners, files and queues of a proxy beside its origin connections."""

FILLED = 0.999
STEPS = (0.5, 0.9, 0.99, FILLED)
CHURN_REQUESTS = 3_000
_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Bench:
    work: Path
    origin: ProcessTree
    counter: Path
    ports: snapshot.Slice


class _DialLine(msgspec.Struct):
    """What a dial needs of one line of Egressway's access log."""

    path: str
    reused: bool
    dial_us: int | None = None


def slice_for(descriptors: int) -> snapshot.Slice:
    """The largest slice, up to 40,000 ports, that one process may open under this limit."""
    ports = min(FULL_SLICE, descriptors - SPARE_DESCRIPTORS)
    return snapshot.Slice(FIRST_PORT, FIRST_PORT + ports - 1)


def fill_slices(
    targets: Sequence[Target], place: Place, descriptors: int, say: Callable[[str], None]
) -> list[SliceFill]:
    """Measure every proxy that is among `targets`; a failure is a result with a note."""
    names = {target.name for target in targets}
    found = []
    for target in FILL_TARGETS:
        if target.name not in names:
            continue
        say(f"fill: {target.title}")
        try:
            found.append(_fill(target, place.work, descriptors))
        except (ProcessError, LoadError, OSError) as error:
            ports = slice_for(descriptors).ports
            found.append(SliceFill(target.name, target.title, ports, note=str(error)))
    return found


def _fill(target: FillTarget, work: Path, descriptors: int) -> SliceFill:
    ports = slice_for(descriptors)
    place = FillPlace(work, ports, descriptors)
    counter = work / "fill.held"
    counter.unlink(missing_ok=True)
    (work / ACCESS_LOG).unlink(missing_ok=True)
    isolation.renew_network()
    isolation.set_port_range(ports.first, ports.last)
    held_command = [sys.executable, "-m", "bench.held_origin", origin.ADDRESS, str(HELD_PORT)]
    try:
        with ExitStack() as stack:
            held_origin = stack.enter_context(
                ProcessTree("held-origin", [*held_command, str(counter)], work)
            )
            held_origin.wait_until_listening([HELD_PORT], host=origin.ADDRESS)
            proxy = stack.enter_context(
                ProcessTree(f"fill-{target.name}", target.configure(place), work)
            )
            proxy.wait_until_listening([PORT])
            return _measure(target, _Bench(work, held_origin, counter, ports), proxy, stack)
    finally:
        isolation.set_port_range(*isolation.PORT_RANGE)


def _measure(target: FillTarget, bench: _Bench, proxy: ProcessTree, stack: ExitStack) -> SliceFill:
    _churn(bench, "/close/warm-up")
    empty = _churn(bench, "/close/empty")
    begin = time.monotonic()
    cpu = proxy.cpu()
    opened = 0
    step_seconds = []
    for share in STEPS:
        step = time.monotonic()
        wanted = int(bench.ports.ports * share)
        _hold(bench, wanted - opened, stack)
        _wait_for(bench, wanted, proxy)
        opened = wanted
        step_seconds.append(time.monotonic() - step)
    seconds = time.monotonic() - begin
    cpu_seconds = (proxy.cpu() - cpu).total
    connections = origin_connections(SOURCE, HELD_PORT)
    full = _churn(bench, "/close/full")
    os.kill(bench.origin.pids()[0], signal.SIGUSR1)
    time.sleep(1.0)  # answers travel, log lines are written
    return SliceFill(
        target=target.name,
        title=target.title,
        ports=bench.ports.ports,
        opened=connections,
        fill_seconds=seconds,
        step_shares=list(STEPS),
        step_seconds=step_seconds,
        cpu_us_per_connection=cpu_seconds * 1e6 / opened,
        empty=_with_dials(empty, bench.work, "/close/empty"),
        full=_with_dials(full, bench.work, "/close/full"),
    )


def _hold(bench: _Bench, requests: int, stack: ExitStack) -> None:
    """Start a client that sends so many requests at once and waits for their answers."""
    clients = math.ceil(requests / STREAMS)
    command = [
        *("h2load", "-t", "1", "-n", str(requests), "-c", str(clients), "-m", str(STREAMS)),
        *("-H", f":authority: {ZONE}", f"http://127.0.0.1:{PORT}/hold"),
    ]
    name = f"hold-{requests}"
    stack.enter_context(ProcessTree(name, command, bench.work))


def _wait_for(bench: _Bench, wanted: int, proxy: ProcessTree) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while held(bench.counter) < wanted:
        proxy.check_alive()
        if time.monotonic() > deadline:
            raise LoadError(
                f"{held(bench.counter):,} of {wanted:,} requests held after "
                f"{_DEADLINE_SECONDS:.0f} s"
            )
        time.sleep(0.002)


def _churn(bench: _Bench, path: str) -> Churn:
    """One request after the other; the origin closes each connection, so each needs a dial."""
    log = bench.work / "churn.requests"
    log.unlink(missing_ok=True)
    command = [
        *("h2load", "-t", "1", "-n", str(CHURN_REQUESTS), "-c", "1", "-m", "1"),
        *("--log-file", str(log), "-H", f":authority: {ZONE}"),
        f"http://127.0.0.1:{PORT}{path}",
    ]
    outcome = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_DEADLINE_SECONDS
    )
    answers = read_request_log(log) if log.exists() else []
    latencies = sorted(micros for status, micros in answers if 200 <= status < 300)
    if outcome.returncode != 0 or not latencies:
        raise LoadError(f"no request answered on {path}: {outcome.stdout[-300:].strip()}")
    return Churn(
        requests=len(answers),
        failed=CHURN_REQUESTS - len(latencies),
        p50_us=percentile(latencies, 0.50),
        p99_us=percentile(latencies, 0.99),
    )


def _with_dials(churn: Churn, work: Path, path: str) -> Churn:
    """Add the proxy's own dial times, if it logs them."""
    log = work / ACCESS_LOG
    if not log.exists():
        return churn
    decoder = msgspec.json.Decoder(_DialLine)
    with log.open("rb") as lines:
        parsed = (decoder.decode(line) for line in lines if path.encode() in line)
        dials = sorted(
            line.dial_us
            for line in parsed
            if line.path == path and not line.reused and line.dial_us is not None
        )
    if not dials:
        return churn
    return msgspec.structs.replace(
        churn,
        dials=len(dials),
        dial_p50_us=percentile(dials, 0.50),
        dial_p99_us=percentile(dials, 0.99),
    )
