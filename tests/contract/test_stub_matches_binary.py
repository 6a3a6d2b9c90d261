"""The hand-written stub describes the built module, name by name and argument by argument."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = ROOT / "tests" / "contract" / "stubtest_allowlist.txt"


def test_stub_matches_binary():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy.stubtest", "egressway.data_plane._native"),
            *("--allowlist", str(ALLOWED), "--mypy-config-file", str(ROOT / "pyproject.toml")),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
