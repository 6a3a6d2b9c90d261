"""What every process of ours does alike: it runs until a signal, and says on standard output where it
is and what it does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

import typer

__all__ = ["reachable", "stop_signal", "tell"]


def reachable(address: str) -> str:
    """An address to connect to for one to listen on, as it stands in a URL."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    return f"[{shown}]" if ":" in shown else shown


def stop_signal() -> threading.Event:
    """Set by the first SIGINT or SIGTERM; a second one ends the process at once."""
    asked_to_stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked_to_stop.is_set():
            os._exit(128 + number)
        asked_to_stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return asked_to_stop


def tell(lines: list[str]) -> None:
    """For the person who has started it; a supervisor may wait for it."""
    typer.echo("\n".join(lines))
    sys.stdout.flush()
