"""What a scenario's clients asked and were told, kept by the step that asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answered", "Asked", "Event", "Record"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked which server for what; `mark` is in the path of each such request."""

    mark: str
    client: str
    server: str
    host: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One request and what its client was told."""

    asked: Asked
    path: str
    status: str
    error: str | None
    seen_ip: str | None
    seen_port: int | None
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Event:
    """A step that may disturb somebody, as it is written, and when it was taken (monotonic)."""

    text: str
    at: float


@dataclass
class Record:
    """Of one scenario; `block` begins anew with each `when`."""

    asked: dict[str, Asked] = field(default_factory=dict)
    block: list[Answered] = field(default_factory=list)
    all: list[Answered] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    holds: set[tuple[str, str]] = field(default_factory=set)
    """Name of a hold, and the location whose client holds it."""
    transfers: dict[str, dict[str, int]] = field(default_factory=dict)
    """Kind to state to number."""
    reasons: list[str] = field(default_factory=list)
    """Why transfers are broken."""

    def new_block(self) -> None:
        """A `when` begins."""
        self.block.clear()
        self.events.clear()
        self.transfers.clear()

    def ask(self, client: str, server: str, host: str) -> Asked:
        """Note who is about to ask."""
        asked = Asked(f"m{len(self.asked)}", client, server, host)
        self.asked[asked.mark] = asked
        return asked

    def answers(self, told: Iterable[Mapping[str, Any]]) -> None:
        """Take in what a client process told."""
        for answered in self._read(told):
            self.block.append(answered)
            self.all.append(answered)

    def held_by(self, name: str, client: str) -> None:
        """A client holds requests under a name."""
        self.holds.add((name, client))

    def transferred(self, told: Mapping[str, Any]) -> None:
        """Take in the counts of transfers of one client."""
        for kind, state, count in told["counts"]:
            states = self.transfers.setdefault(kind, {})
            states[state] = states.get(state, 0) + count
        self.reasons += told["reasons"]

    def _read(self, told: Iterable[Mapping[str, Any]]) -> Iterator[Answered]:
        for each in told:
            mark = each["path"].split("/")[2]
            yield Answered(asked=self.asked[mark], **each)
