"""Kernel parameters that steering needs, and how they were before (beside CONFIG 4).

Only what stands in the way is changed, and never to something laxer than necessary: strict reverse-path
checks become loose ones, what is off stays off. What was there before is written to a file *before* it is
changed, so that it can be put back after a `kill -9` too. A value that somebody has changed meanwhile is
not ours any more and stays.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from egressway.identity.private_file import write_private
from egressway.node.steering.desired import PortRange, merged
from egressway.node.steering.errors import SteeringUnavailable

__all__ = ["KernelSettings"]

_ROOT: Final = Path("/proc/sys/net/ipv4")
_FORWARD: Final = "ip_forward"
_RESERVED: Final = "ip_local_reserved_ports"
_LEAST_FREE: Final = 512
"""Ports that the host keeps for its own connections; with fewer, none are reserved."""


class _Value(msgspec.Struct):
    before: str
    ours: str


class _Record(msgspec.Struct):
    """For one boot and one network namespace; of another one it means nothing."""

    boot: str
    namespace: int
    values: dict[str, _Value] = {}
    beside: dict[str, str] = {}
    """What the kernel changes by itself together with forwarding, as it was."""


class KernelSettings:
    """Of the network namespace of this process."""

    def __init__(self, record: Path) -> None:
        self._path = record
        self._record = _read(record)
        self.warnings: tuple[str, ...] = ()

    @property
    def was_router(self) -> bool:
        """Whether the host forwarded packets before us."""
        known = self._record.values.get(_FORWARD)
        return (known.before if known else _get(_FORWARD)) == "1"

    def apply(self, reserved: Iterable[PortRange]) -> None:
        """Change what is not as it must be."""
        wanted = {**_wanted(), **self._wanted_ports(tuple(reserved))}
        changes = {name: value for name, value in wanted.items() if _get(name) not in (None, value)}
        if not changes:
            return
        self._note(changes)
        for name, value in changes.items():
            _set(name, value)

    def restore(self) -> None:
        """Everything as it was, but for what somebody else has changed since."""
        for name, value in self._record.values.items():
            if _get(name) == value.ours:
                _set(name, value.before)
        for name, before in self._record.beside.items():
            if _get(name) not in (None, before):
                _set(name, before)
        self._record = _fresh()
        self._path.unlink(missing_ok=True)

    def _note(self, changes: Mapping[str, str]) -> None:
        values = self._record.values
        if changes.get(_FORWARD) and _FORWARD not in values:
            self._record.beside = {
                name: now for name in _beside_forwarding() if (now := _get(name))
            }
        for name, ours in changes.items():
            now = _get(name) or ""
            known = values.get(name)
            before = known.before if known and known.ours == now else now
            values[name] = _Value(before, ours)
        write_private(self._path, msgspec.json.encode(self._record).decode())

    def _wanted_ports(self, reserved: tuple[PortRange, ...]) -> dict[str, str]:
        known = self._record.values.get(_RESERVED)
        now = _get(_RESERVED) or ""
        before = known.before if known and known.ours == now else now
        ranges = merged((*_parse_ports(before), *reserved))
        low, high = map(int, (_get("ip_local_port_range") or "32768 60999").split())
        if high - low + 1 - _overlap(ranges, low, high) < _LEAST_FREE:
            self.warnings = (
                f"`ip_local_port_range` {low}-{high} lies within the ports of egress addresses, so "
                "they are not reserved, and a program of this host may take one. Widen the range.",
            )
            return {_RESERVED: before} if known else {}
        self.warnings = ()
        return {_RESERVED: _write_ports(ranges)}


def _wanted() -> dict[str, str]:
    wanted = {_FORWARD: "1", "conf/all/send_redirects": "0"}
    # Else a socket that is left here, waiting for its last answer, takes packets of the same ports
    # that are to go on to their new owner: the kernel asks sockets first, and routes only afterwards.
    wanted["tcp_early_demux"] = "0"
    for name in _per_interface("rp_filter"):
        if _get(name) == "1":
            wanted[name] = "2"
    for name in _per_interface("send_redirects"):
        wanted[name] = "0"
    # The larger one of `all` and the interface counts.
    if _get("conf/all/arp_ignore") == "0":
        wanted["conf/all/arp_ignore"] = "1"
    wanted["conf/all/arp_announce"] = "2"
    return wanted


def _beside_forwarding() -> Iterator[str]:
    yield from _per_interface("forwarding")
    yield "conf/all/accept_redirects"


def _per_interface(name: str) -> list[str]:
    return [f"conf/{each.name}/{name}" for each in sorted((_ROOT / "conf").iterdir())]


def _parse_ports(text: str) -> Iterator[PortRange]:
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        yield int(low), int(high or low)


def _write_ports(ranges: Iterable[PortRange]) -> str:
    return ",".join(f"{low}-{high}" if low < high else f"{low}" for low, high in ranges)


def _overlap(ranges: Iterable[PortRange], low: int, high: int) -> int:
    return sum(max(0, min(high, last) - max(low, first) + 1) for first, last in ranges)


def _get(name: str) -> str | None:
    """None: an interface has gone."""
    try:
        return (_ROOT / name).read_text("ascii").strip()
    except FileNotFoundError:
        return None


def _set(name: str, value: str) -> None:
    try:
        (_ROOT / name).write_text(value + "\n", "ascii")
    except FileNotFoundError:
        return
    except OSError as failure:
        if failure.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise SteeringUnavailable(
            "write access to `/proc/sys/net`",
            "Give the node a `/proc/sys` that it may write to, as on the host itself.",
        ) from failure


def _read(path: Path) -> _Record:
    fresh = _fresh()
    try:
        known = msgspec.json.decode(path.read_bytes(), type=_Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return fresh
    is_valid = (known.boot, known.namespace) == (fresh.boot, fresh.namespace)
    return known if is_valid else fresh


def _fresh() -> _Record:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return _Record(boot, Path("/proc/self/ns/net").stat().st_ino)
