"""`egressway node`: from the command line's options to a running node, and back at a signal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from egressway.data_plane.handle import DataPlaneHandle
from egressway.data_plane.native import NativeDataPlane
from egressway.services.configuration import (
    Configuration,
    ConfigurationError,
    load_configuration,
)
from egressway.services.invitation import Invitation
from egressway.services.log import set_up_logging
from egressway.services.node import Node
from egressway.services.process import stop_signal, tell
from egressway.services.start_error import StartError

__all__ = ["run_node"]


def run_node(config: Path | None, data: Path | None, invitation: Invitation) -> Sequence[str]:
    """Serve until a signal or a newer process; or what speaks against it, one line each."""
    try:
        configuration = load_configuration(config, data, os.environ)
        set_up_logging(configuration.log)
        asked_to_stop = stop_signal()
        node = Node(configuration, invitation, _native_data_plane)
        node.start()
        try:
            tell(node.lines())
            ended_by = node.serve_until(asked_to_stop)
        finally:
            tell(["stopping"])
            node.stop()
    except ConfigurationError as refused:
        return refused.problems
    except StartError as failure:
        return [str(failure)]
    return [ended_by] if ended_by else []


def _native_data_plane(configuration: Configuration) -> DataPlaneHandle:
    return NativeDataPlane(
        workers=configuration.data_plane.workers,
        log_buffer_bytes=configuration.access_log.buffer_bytes,
        access_log=configuration.access_log.to != "off",
        # A newer process can only listen beside one that lets it.
        share_listeners=True,
    )
