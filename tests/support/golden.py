"""Texts compared with files; rewritten, not compared, when `EGRESSWAY_REWRITE_GOLDEN=1` is set."""

from __future__ import annotations

import os
from pathlib import Path

TESTDATA = Path(__file__).parents[2] / "testdata"


def check_golden(name: str, text: str) -> None:
    """Equal to the file of this name below `testdata`, or, on request, its new content."""
    path = TESTDATA / name
    if os.environ.get("EGRESSWAY_REWRITE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
