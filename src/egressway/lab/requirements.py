"""What this machine must have for a lab, said all at once and before anything is touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from egressway.lab.errors import LabError

__all__ = ["check_requirements", "postgres_programs"]

_PROGRAMS: Final = {
    "ip": "iproute2",
    "ss": "iproute2",
    "nft": "nftables",
    "sysctl": "procps",
    "nsenter": "util-linux",
    "bird": "bird2",
    "nats-server": "nats-server",
    "tcpdump": "tcpdump",
    "curl": "curl",
    "setpriv": "util-linux",
    "cc": "gcc",
}
"""Program and the Debian package it comes from."""


def check_requirements() -> None:
    """Raises with everything that is missing."""
    if os.geteuid() != 0:
        raise LabError("a lab needs root: it makes network namespaces. Run it with `sudo`.")
    # Debian keeps network tools where users do not look.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    if not postgres_programs():
        missing.add("postgresql")
    if missing:
        raise LabError(
            f"the lab needs {', '.join(sorted(missing))}. Install: "
            f"`apt-get install {' '.join(sorted(missing))}`."
        )


def postgres_programs() -> Path | None:
    """The newest version's; Debian keeps them off the path, in a directory for each version."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
