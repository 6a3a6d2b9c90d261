"""The console script: what a client command costs."""

from __future__ import annotations

import subprocess
import sys


def test_a_client_command_does_not_load_the_server():
    program = (
        "import sys, egressway.services.main\n"
        "print({'litestar', 'sqlalchemy', 'uvicorn', 'cryptography'} & set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "set()"
