"""SQLite files with all steps taken already: copies of one that was migrated once in this process."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from egressway.store import Store


def new_file(path: Path) -> str:
    """Makes the file, and names it as a store."""
    shutil.copyfile(_template(), path)
    return f"sqlite:///{path}"


@functools.cache
def _template() -> Path:
    path = Path(_folder().name) / "template.sqlite"
    Store.open(f"sqlite:///{path}").close()
    return path


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Goes with the process."""
    return tempfile.TemporaryDirectory(prefix="egressway-sqlite-")
