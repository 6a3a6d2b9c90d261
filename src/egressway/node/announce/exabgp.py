"""Announces by ExaBGP, which runs as a child process (beside CONFIG 4).

One thread owns the child. It compares what is desired with what the child has been told, and what each
peer has been *sent*, which ExaBGP reports, with both. A child that ends is started again with a growing
pause; a child that lets a withdrawal wait is killed, since a closed session withdraws too.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from egressway.node.announce.announcer import AnnouncerStatus, PeerAddress, PeerStatus
from egressway.node.announce.desired import BgpSettings, Prefix, Route, by_prefix
from egressway.node.announce.exabgp_child import Child
from egressway.node.announce.exabgp_events import Answer, Sent, SessionChange, read
from egressway.node.announce.exabgp_text import announce, withdraw

__all__ = ["ExaBgp"]

WITHDRAW_SECONDS: Final = 0.6
"""A withdrawal that is not sent by then costs the child its life."""
ANSWER_SECONDS: Final = 10.0
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
STEADY_SECONDS: Final = 10.0
"""A child that has run so long gets the short pause again."""
_LOOK_SECONDS: Final = 0.1
_CLOSE_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class ExaBgp:
    """An `Announcer`."""

    def __init__(self, settings: BgpSettings, directory: Path | None = None) -> None:
        """In `directory` the child gets one of its own; the system's temporary one when nothing is said."""
        self._settings = settings
        self._parent = directory
        self._desired: dict[Prefix, Route] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._run, name="announce", daemon=True)
        self._child: Child | None = None
        self._told: dict[Prefix, Route] = {}
        self._asked: deque[tuple[float, str]] = deque()
        self._sent: dict[PeerAddress, set[Prefix]] = {
            peer.address: set() for peer in settings.peers
        }
        self._lingering: dict[Prefix, float] = {}
        """What peers have and are not to have, and since when."""
        self._peers = {peer.address: PeerStatus() for peer in settings.peers}
        self._status = AnnouncerStatus(peers=dict(self._peers))

    @property
    def status(self) -> AnnouncerStatus:
        """The newest, immutable."""
        return self._status

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        child = self._child
        return child.pid if child else None

    def start(self) -> None:
        """Open the sessions."""
        self._thread.start()

    def set(self, routes: Iterable[Route]) -> None:
        """Announce exactly these."""
        with self._lock:
            self._desired = by_prefix(routes)
        self._wake()

    def withdraw_all(self) -> None:
        """Announce nothing."""
        self.set(())

    def stop(self, within: float = 3.0) -> None:
        """Withdraw, see it sent, end."""
        self._deadline = time.monotonic() + within
        self.withdraw_all()
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()

    # The thread.

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        try:
            while not self._is_over():
                started = time.monotonic()
                failure = self._live()
                if failure is None:
                    break
                pause = FIRST_PAUSE_SECONDS if _is_steady(started) else pause
                self._mourn(failure)
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        finally:
            self._publish(is_running=False)

    def _live(self) -> str | None:
        """One child from start to end; why it ended, None when that was wanted."""
        try:
            child = self._child = Child(self._settings, self._parent)
        except OSError as failure:
            return f"ExaBGP cannot be started: {failure}"
        within = 0.0
        try:
            while not self._is_over():
                self._wait(child)
                for line in child.pump():
                    self._hear(line)
                self._tell(child)
                self._must_be_alive()
                child.keep_log_short()
                self._publish(is_running=child.is_connected)
            within = _CLOSE_SECONDS
            return None
        except EOFError as failure:
            return str(failure)
        except Exception as failure:
            # This thread alone can withdraw: no defect of one line may end it.
            _log.exception("the announcer starts afresh")
            return f"a defect: {failure!r}"
        finally:
            child.end(within)
            self._child = None
            self._forget()

    def _is_over(self) -> bool:
        """Everything is withdrawn, or there is no more time for it."""
        if not self._stopping.is_set():
            return False
        is_late = time.monotonic() > self._deadline
        return is_late or not any(self._sent.values())

    def _wait(self, child: Child) -> None:
        readable, writable = child.descriptors()
        ready, _, _ = select.select([self._wake_read, *readable], writable, [], _LOOK_SECONDS)
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)

    def _hear(self, line: str) -> None:
        match read(line):
            case Answer(is_done):
                _, command = self._asked.popleft() if self._asked else (0.0, "?")
                if not is_done:
                    self._complain(f"ExaBGP refused `{command}`")
            case SessionChange(peer, state, reason) if peer in self._peers:
                self._change(peer, state == "up", reason)
            case Sent(peer, announced, withdrawn) if peer in self._sent:
                self._sent[peer] |= announced
                self._sent[peer] -= withdrawn

    def _change(self, peer: PeerAddress, is_up: bool, reason: str | None) -> None:
        known = self._peers[peer]
        self._sent[peer].clear()
        if is_up:
            _log.info("the BGP session with %s is up", peer)
            self._peers[peer] = replace(known, state="up", ups_total=known.ups_total + 1)
        else:
            if known.state == "up":
                _log.warning("the BGP session with %s is down: %s", peer, reason)
            self._peers[peer] = replace(known, state="down", last_error=reason)

    def _tell(self, child: Child) -> None:
        """Withdrawals first: they are urgent."""
        if not child.is_connected:
            return
        with self._lock:
            desired = dict(self._desired)
        for prefix in self._told.keys() - desired.keys():
            self._command(child, withdraw(self._settings, self._told.pop(prefix)))
        for prefix, route in desired.items():
            if self._told.get(prefix) != route:
                self._command(child, announce(self._settings, route))
                self._told[prefix] = route
        child.pump_out()

    def _command(self, child: Child, commands: Iterable[str]) -> None:
        for command in commands:
            child.send(command)
            self._asked.append((time.monotonic(), command))

    def _must_be_alive(self) -> None:
        now = time.monotonic()
        with self._lock:
            desired = self._desired.keys()
            lingering = {prefix for sent in self._sent.values() for prefix in sent} - desired
        self._lingering = {prefix: self._lingering.get(prefix, now) for prefix in lingering}
        for prefix, since in self._lingering.items():
            if now - since > WITHDRAW_SECONDS:
                raise EOFError(
                    f"ExaBGP did not withdraw {prefix} in time, so its sessions were cut"
                )
        if self._asked and now - self._asked[0][0] > ANSWER_SECONDS:
            raise EOFError(f"ExaBGP did not answer `{self._asked[0][1]}`")

    # Its end.

    def _forget(self) -> None:
        """A new child knows nothing, and with the sessions the routers have forgotten us."""
        self._told.clear()
        self._asked.clear()
        self._lingering.clear()
        for peer, known in self._peers.items():
            self._sent[peer].clear()
            self._peers[peer] = replace(known, state="down")
        self._publish(is_running=False)

    def _mourn(self, failure: str) -> None:
        self._complain(failure)
        self._status = replace(self._status, restarts_total=self._status.restarts_total + 1)

    def _complain(self, failure: str) -> None:
        _log.error("%s", failure)
        self._status = replace(self._status, last_error=failure)

    def _publish(self, *, is_running: bool) -> None:
        self._status = replace(
            self._status,
            is_running=is_running,
            desired=len(self._desired),
            peers={
                peer: replace(known, routes=len(self._sent[peer]))
                for peer, known in self._peers.items()
            },
        )

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"x")
        except BlockingIOError:
            return  # it is on its way already


def _is_steady(started: float) -> bool:
    return time.monotonic() - started > STEADY_SECONDS
