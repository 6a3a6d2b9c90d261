"""A bus inside one process: for `egressway up`, and for tests of everything that needs one.

Nothing is kept beyond the process, and nothing is lost within it. One thread calls all handlers.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from egressway.bus.bus import Cancel, ConfigMessage, Conflict, Position, Unavailable, Value, Whole
from egressway.bus.dispatcher import Dispatcher
from egressway.wire.acknowledgement import Acknowledgement

__all__ = ["InProcessBus"]

KEPT_MESSAGES: Final = 4_096
_GATE: Final = "gate"
_LARGEST_MESSAGE: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class _Class:
    """Configuration of one region class."""

    last: int = 0
    messages: deque[ConfigMessage] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    whole: Whole | None = None


class _Watchers:
    """Handlers by topic, and the order in which they are called."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._by_topic: defaultdict[str, dict[int, Callable[..., None]]] = defaultdict(dict)

    def add(self, topic: str, handler: Callable[..., None]) -> Cancel:
        number = next(self._numbers)
        self._by_topic[topic][number] = handler

        def cancel() -> None:
            self._by_topic[topic].pop(number, None)

        return cancel

    def of(self, topic: str) -> list[Callable[..., None]]:
        return list(self._by_topic[topic].values())


class InProcessBus:
    """A `Bus`; its thread runs from construction until `close`."""

    def __init__(self, kept_messages: int = KEPT_MESSAGES) -> None:
        self._kept_messages = kept_messages
        self._lock = threading.Lock()
        self._classes: dict[str, _Class] = {}
        self._values: dict[str, Value] = {}
        self._watchers = _Watchers()
        self._dispatcher = Dispatcher()
        self._closed = False

    # Configuration.

    def publish_config(
        self,
        cls: str,
        content: bytes,
        *,
        revision: int,
        base_revision: int | None,
        expect_last: int | None,
    ) -> int:
        """See `Bus`."""
        with self._open():
            kept = self._class(cls)
            if expect_last is not None and expect_last != kept.last:
                raise Conflict(f"message {kept.last} has come after {expect_last}")
            kept.last += 1
            message = ConfigMessage(kept.last, revision, base_revision, content)
            kept.messages.append(message)
            self._call(self._watchers.of(_config(cls)), message)
            return kept.last

    def last_config(self, cls: str) -> Position | None:
        """See `Bus`."""
        with self._open():
            messages = self._class(cls).messages
            return Position(messages[-1].sequence, messages[-1].revision) if messages else None

    def classes(self) -> frozenset[str]:
        """See `Bus`."""
        with self._open():
            return frozenset(cls for cls, kept in self._classes.items() if kept.messages)

    def put_whole(self, cls: str, whole: Whole) -> None:
        """See `Bus`."""
        with self._open():
            self._class(cls).whole = whole

    def get_whole(self, cls: str) -> Whole | None:
        """See `Bus`."""
        with self._open():
            return self._class(cls).whole

    def last_whole(self, cls: str) -> Position | None:
        """See `Bus`."""
        whole = self.get_whole(cls)
        return None if whole is None else Position(whole.sequence, whole.revision)

    def watch_config(
        self, cls: str, after: int, handler: Callable[[ConfigMessage], None]
    ) -> Cancel:
        """See `Bus`."""
        with self._open():
            kept = self._class(cls)
            # A position from before this process began is no position here.
            first = after if after <= kept.last else 0
            for message in kept.messages:
                if message.sequence > first:
                    self._call([handler], message)
            return self._watchers.add(_config(cls), handler)

    def is_denied(self, cls: str) -> bool:  # noqa: ARG002 - there is nobody to keep out
        """See `Bus`."""
        return False

    # Back from the servers.

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """See `Bus`."""
        with self._open():
            self._call(self._watchers.of("acknowledgements"), acknowledgement)

    def acknowledgements(self, handler: Callable[[Acknowledgement], None]) -> Cancel:
        """See `Bus`."""
        with self._open():
            return self._watchers.add("acknowledgements", handler)

    def report(self, server: str, content: bytes) -> None:
        """See `Bus`."""
        with self._open():
            self._call(self._watchers.of("reports"), server, content)

    def reports(self, handler: Callable[[str, bytes], None]) -> Cancel:
        """See `Bus`."""
        with self._open():
            return self._watchers.add("reports", handler)

    # Values.

    def get_gate(self) -> Value:
        """See `Bus`."""
        with self._open():
            return self._value(_GATE)

    def put_gate(self, content: bytes, *, expect: int) -> int:
        """See `Bus`."""
        with self._open():
            number = self._value(_GATE).number
            if expect != number:
                raise Conflict(f"the rollout document is number {number}, not {expect}")
            return self._put(_GATE, content)

    def watch_gate(self, handler: Callable[[Value], None]) -> Cancel:
        """See `Bus`."""
        with self._open():
            return self._watch(_GATE, handler)

    def put_held(self, server: str, content: bytes) -> None:
        """See `Bus`."""
        with self._open():
            self._put(_held(server), content)

    def watch_held(self, server: str, handler: Callable[[bytes], None]) -> Cancel:
        """See `Bus`."""
        with self._open():
            return self._watch(_held(server), lambda value: handler(value.content))

    def put_instance(self, server: str, content: bytes) -> None:
        """See `Bus`."""
        with self._open():
            self._put(_instance(server), content)

    def watch_instance(self, server: str, handler: Callable[[bytes], None]) -> Cancel:
        """See `Bus`."""
        with self._open():
            return self._watch(_instance(server), lambda value: handler(value.content))

    # Itself.

    @property
    def largest_message(self) -> int:
        """See `Bus`."""
        return _LARGEST_MESSAGE

    @property
    def is_connected(self) -> bool:
        """See `Bus`."""
        return not self._closed

    def close(self) -> None:
        """See `Bus`."""
        self._closed = True
        self._dispatcher.close()

    def _open(self) -> threading.Lock:
        if self._closed:
            raise Unavailable("the bus is closed")
        return self._lock

    def _class(self, cls: str) -> _Class:
        if cls not in self._classes:
            self._classes[cls] = _Class(messages=deque(maxlen=self._kept_messages))
        return self._classes[cls]

    def _value(self, topic: str) -> Value:
        return self._values.get(topic, Value(b"", 0))

    def _put(self, topic: str, content: bytes) -> int:
        value = Value(content, self._value(topic).number + 1)
        self._values[topic] = value
        self._call(self._watchers.of(topic), value)
        return value.number

    def _watch(self, topic: str, handler: Callable[[Value], None]) -> Cancel:
        value = self._value(topic)
        if value.number:
            self._call([handler], value)
        return self._watchers.add(topic, handler)

    def _call(self, handlers: list[Callable[..., None]], *arguments: object) -> None:
        for handler in handlers:
            self._dispatcher.call(handler, *arguments)


def _config(cls: str) -> str:
    return f"config.{cls}"


def _held(server: str) -> str:
    return f"held.{server}"


def _instance(server: str) -> str:
    return f"instance.{server}"
