"""The one door to `pyroute2`, which has no types: a connection for each step, since steps run in
whatever thread they are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2 import IPRoute  # type: ignore[import-untyped]
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

__all__ = ["IPRoute", "NetlinkError", "netlink"]

# It tells every message at length, which nobody wants who asks a node for details.
logging.getLogger("pyroute2").setLevel(logging.INFO)


@contextmanager
def netlink() -> Iterator[IPRoute]:
    """A connection. With strict checks the kernel itself selects what is asked for."""
    with IPRoute(strict_check=True) as connection:
        yield connection
