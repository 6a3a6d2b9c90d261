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


@pytest.mark.parametrize("subject", AGAIN)
def test_forwarded_requests_pass_the_tests_of_direct_ones(subject: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.support.forwarded_plane"]
    file = HERE / f"test_{subject}.py"
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
