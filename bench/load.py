"""The load generators: wrk for HTTP/1.1, h2load for HTTP/2. Both are told to stop by themselves."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.cases import ZONE, Case, Protocol

_SCRIPT = Path(__file__).with_name("wrk_report.lua")
_GRACE_SECONDS = 20.0


class LoadError(Exception):
    """A load generator failed, or said something that cannot be read."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of a load generator saw.

    `failed` counts transport errors and answers that are not 2xx or 3xx.
    """

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    failed: int


class _WrkReport(msgspec.Struct, frozen=True):
    requests: int
    duration_us: int
    bytes: int
    p50_us: float
    p99_us: float
    failed: int


class LoadGenerator:
    """A running load generator; `finish` waits for its end."""

    def __init__(self, case: Case, host: str, port: int, seconds: float, work: Path) -> None:
        self._case = case
        self._seconds = seconds
        self._request_log = work / "h2load.requests"
        self._request_log.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            self._command(host, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _command(self, host: str, port: int) -> list[str]:
        case = self._case
        if case.protocol is Protocol.H2C:
            return [
                *("h2load", "-t", "1", "-c", str(case.connections), "-m", str(case.streams)),
                *("-D", f"{self._seconds:g}s", "--log-file", str(self._request_log)),
                *("-H", f":authority: {ZONE}", f"http://{host}:{port}{case.path}"),
            ]
        scheme = "https" if case.protocol is Protocol.HTTP1_TLS else "http"
        # wrk counts whole seconds.
        whole = max(1, round(self._seconds))
        closing = ["-H", "Connection: close"] if case.closes else []
        return [
            *("wrk", "-t", str(min(2, case.connections)), "-c", str(case.connections)),
            *("-d", f"{whole}s"),
            *("-s", str(_SCRIPT), "-H", f"Host: {ZONE}", *closing),
            f"{scheme}://{host}:{port}{case.path}",
        ]

    def finish(self) -> Load:
        """Wait for the end and read the result.

        Raises:
            LoadError: bad exit status, no end in time, or nothing readable.
        """
        try:
            text, _ = self._process.communicate(timeout=self._seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            raise LoadError(f"`{self._case.name}`: the load generator did not end") from None
        finally:
            self.kill()
        if self._process.returncode != 0:
            raise LoadError(f"`{self._case.name}`: {text.strip()[-400:]}")
        if self._case.protocol is Protocol.H2C:
            return self._read_h2load(text)
        return _read_wrk(text)

    def kill(self) -> None:
        """End it now, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _read_h2load(self, text: str) -> Load:
        finished = re.search(r"finished in ([\d.]+)(us|ms|s),", text)
        counts = re.search(
            r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed", text
        )
        if finished is None or counts is None:
            raise LoadError(f"h2load said: {text.strip()[-400:]}")
        done, failed = int(counts[2]), int(counts[4])
        latencies = sorted(micros for _, micros in read_request_log(self._request_log))
        if not latencies:
            raise LoadError("h2load logged no request")
        return Load(
            requests=done,
            seconds=float(finished[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[finished[2]],
            p50_us=percentile(latencies, 0.50),
            p99_us=percentile(latencies, 0.99),
            failed=failed,
        )


def _read_wrk(text: str) -> Load:
    try:
        report = msgspec.json.decode(text.strip().splitlines()[-1], type=_WrkReport)
    except (IndexError, msgspec.MsgspecError):
        raise LoadError(f"wrk said: {text.strip()[-400:]}") from None
    return Load(
        requests=report.requests,
        seconds=report.duration_us / 1e6,
        p50_us=report.p50_us,
        p99_us=report.p99_us,
        failed=report.failed,
    )


def read_request_log(path: Path) -> list[tuple[int, int]]:
    """h2load's request log: (status, microseconds to the end of the answer), in order of ending."""
    answers = []
    with path.open() as lines:
        for line in lines:
            _, status, micros = line.split("\t")[:3]
            answers.append((int(status), int(micros)))
    return answers


def percentile(ordered: list[int], share: float) -> float:
    """Nearest-rank percentile of values in ascending order."""
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])
