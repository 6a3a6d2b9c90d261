"""What is true of one server is true of two: tests of the former, run once more over the link."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
AGAIN = (
    "capacity",
    "coalescing",
    "egress_addresses",
    "fault_origins",
    "forwarded",
    "grpc",
    "http10",
    "http2_clients",
    "http2_origins",
    "interim_answers",
    "origin_failures",
    "reuse",
    "websocket",
)


NOT_AGAIN = (
    # How many connections a burst opens is exact while it arrives at once, which the link spreads a little.
    "http2_origins.py::test_our_own_limit_of_streams_is_kept",
)


@pytest.mark.parametrize("subject", AGAIN)
def test_forwarded_requests_pass_the_tests_of_direct_ones(subject: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.support.forwarded_plane"]
    command += [f"--deselect=tests/data_plane/test_{each}" for each in NOT_AGAIN]
    file = HERE / f"test_{subject}.py"
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stdout
