"""One run's raw result, as written to `results/<date>-<commit>.json`; all else is derived."""

from __future__ import annotations

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """Where it ran."""

    processor: str
    processors: int
    memory_bytes: int
    virtualization: str
    kernel: str
    operating_system: str
    descriptor_limit: int


class Setup(msgspec.Struct, frozen=True):
    """How it ran."""

    rounds: int
    seconds: float
    seed: int
    threads: int
    table_size: int
    quick: bool
    commit: str
    started_at: str
    versions: dict[str, str]
    machine: Machine


class Sample(msgspec.Struct, frozen=True):
    """One target under one load in one round.

    CPU is of the target's whole process tree, in microseconds per answered request.
    `other_cpu_ratio` is the share of all processors taken by anything that is not part of the
    benchmark (0..1).
    """

    case: str
    target: str
    round: int
    requests: int
    requests_per_second: float
    p50_us: float
    p99_us: float
    cpu_user_us: float
    cpu_system_us: float
    origin_connections: int
    failed: int
    other_cpu_ratio: float
    dropped_log_lines: int = 0
    foreign_egress: int = 0
    panics: int = 0
    errors: dict[str, int] = {}
    """Answers that the proxy gave by itself, by its own error code."""

    @property
    def cpu_us(self) -> float:
        return self.cpu_user_us + self.cpu_system_us


class ZoneMemory(msgspec.Struct, frozen=True):
    """Growth of the process tree from a table of one zone to one of `zones`, divided by `zones`."""

    target: str
    title: str
    zones: int
    bytes_per_zone: float | None
    start_seconds: float | None
    table_bytes_per_zone: float | None = None
    note: str = ""


class Churn(msgspec.Struct, frozen=True):
    """Requests one after the other, each of which needs a new origin connection.

    Latency is the client's; dial times are the proxy's own, where it logs microseconds.
    """

    requests: int
    failed: int
    p50_us: float
    p99_us: float
    dials: int = 0
    dial_p50_us: float | None = None
    dial_p99_us: float | None = None


class SliceFill(msgspec.Struct, frozen=True):
    """Filling one slice to one origin, and single dials before and after.

    `step_seconds[i]` is the time from the step before to `step_shares[i]` of the ports. `opened` is
    what the kernel lists. `empty` and `full`: dials with no port held, and with 99.9 % of them.
    """

    target: str
    title: str
    ports: int
    opened: int = 0
    fill_seconds: float | None = None
    step_shares: list[float] = []
    step_seconds: list[float] = []
    cpu_us_per_connection: float | None = None
    empty: Churn | None = None
    full: Churn | None = None
    note: str = ""


class Run(msgspec.Struct, frozen=True):
    """Everything one run measured."""

    setup: Setup
    samples: list[Sample]
    memory: list[ZoneMemory] = []
    fills: list[SliceFill] = []
    failures: list[str] = []
    """Targets and cases that could not be measured, or not without failed requests, and why."""
