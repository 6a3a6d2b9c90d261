"""Runs several commands as one: ends when the first of them ends, and takes the others with it.

`python -m bench.together FILE`, where FILE holds a JSON list of commands.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType


def main(path: Path) -> int:
    """Start all and wait; returns the status of the one that ended first."""
    signal.signal(signal.SIGTERM, _end)
    running = [subprocess.Popen(command) for command in json.loads(path.read_text())]
    try:
        while True:
            for process in running:
                if process.poll() is not None:
                    return process.returncode
            time.sleep(0.05)
    except SystemExit:
        return 0
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
