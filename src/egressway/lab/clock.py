"""Wall clocks that jump: the kernel has one for all namespaces, so a node gets its own in user space.

`clock.c` is compiled once for a lab and loaded into each node (`LD_PRELOAD`); it adds what a file says.
"""

from __future__ import annotations

import shutil
import struct
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from egressway.lab.errors import LabError
from egressway.lab.namespaces import run

__all__ = ["build_clock", "clock_environment", "set_clock"]

_LIBRARY: Final = "clock.so"


def build_clock(directory: Path) -> None:
    """Compile it into the lab's directory."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise LabError("there is no C compiler `cc`. Install one: `apt-get install gcc`.")
    with as_file(files(__package__).joinpath("clock.c")) as source:
        run(
            compiler,
            "-O2",
            "-shared",
            "-fPIC",
            "-o",
            str(directory / _LIBRARY),
            str(source),
            "-ldl",
        )


def clock_environment(directory: Path, file: Path) -> dict[str, str]:
    """What a process needs to have the clock of `file`."""
    return {"LD_PRELOAD": str(directory / _LIBRARY), "LAB_CLOCK_FILE": str(file)}


def set_clock(file: Path, seconds: float) -> None:
    """The processes that look at `file` are so far from the true time at once."""
    # In place: they have the file mapped into their memory.
    with file.open("r+b" if file.exists() else "wb") as out:
        out.write(struct.pack("q", round(seconds * 1_000_000_000)))
