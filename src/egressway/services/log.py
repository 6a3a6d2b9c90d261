"""What the process says about itself, on standard error: text for people or JSON for machines.

Secrets do not belong in log calls; as a second fence, bearer tokens and private keys that slip into
a text are masked here, traces included.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

from egressway.services.configuration.types import Log

__all__ = ["set_up_logging"]

_SECRET: Final = re.compile(
    r"(?i:(?<=bearer )[^\s\"']+)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    re.DOTALL,
)
_MASK: Final = "***"


def set_up_logging(log: Log, stream: TextIO | None = None) -> None:
    """Make the root logger write as configured; earlier handlers go."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonFormatter() if log.format == "json" else _TextFormatter())
    logging.basicConfig(level=log.level.upper(), handlers=[handler], force=True)
    # Libraries that tell each of their steps at level info.
    for name in ("httpx", "httpcore", "alembic", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _TextFormatter(logging.Formatter):
    """`2026-01-01T00:00:00.123Z WARNING node.report: text`"""

    def format(self, record: logging.LogRecord) -> str:
        """One line, then the trace if there is one."""
        name = record.name.removeprefix("egressway.")
        line = f"{_moment(record)} {record.levelname} {name}: {record.getMessage()}"
        trace = _trace(self, record)
        return _masked(f"{line}\n{trace}" if trace else line)


class _JsonFormatter(logging.Formatter):
    """One object per line: `at`, `level`, `logger`, `message`, and `trace` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "at": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _masked(record.getMessage()),
        }
        if trace := _trace(self, record):
            line["trace"] = _masked(trace)
        return msgspec.json.encode(line).decode()


def _moment(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


def _masked(text: str) -> str:
    return _SECRET.sub(_MASK, text)
