"""`egressway up`: from the command line's options to a running Egressway, and back at a signal."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from egressway.data_plane.handle import DataPlaneHandle
from egressway.data_plane.native import NativeDataPlane
from egressway.services.all_in_one import AllInOne
from egressway.services.configuration import (
    Configuration,
    ConfigurationError,
    load_configuration,
)
from egressway.services.demo_run import DemoRun
from egressway.services.log import set_up_logging
from egressway.services.process import stop_signal, tell
from egressway.services.start_error import StartError

__all__ = ["run_until_stopped"]

_LOOPBACK: Final = ip_network("127.0.0.0/8")


def run_until_stopped(
    config: Path | None, data: Path | None, *, demo: bool, new_operator_token: bool
) -> Sequence[str]:
    """Serve until a signal; or everything that speaks against the start, one line each."""
    try:
        configuration = load_configuration(config, data, os.environ)
        set_up_logging(configuration.log)
        _serve(configuration, demo=demo, new_operator_token=new_operator_token)
    except ConfigurationError as refused:
        return refused.problems
    except StartError as failure:
        return [str(failure)]
    return []


def _serve(configuration: Configuration, *, demo: bool, new_operator_token: bool) -> None:
    asked_to_stop = stop_signal()
    if demo:
        configuration = _reaching_loopback(configuration)
    egressway = AllInOne(configuration, _native_data_plane)
    egressway.start(roll_operator_token=new_operator_token)
    try:
        _tell_where(egressway, configuration)
        if demo:
            with DemoRun(egressway, configuration) as made:
                tell(made.lines())
                asked_to_stop.wait()
        else:
            asked_to_stop.wait()
    finally:
        tell(["stopping"])
        egressway.stop()


def _reaching_loopback(configuration: Configuration) -> Configuration:
    """The demo's origin is on this machine, where records may usually not lead."""
    egress = configuration.egress
    allowed = tuple(dict.fromkeys((*egress.allowed_origins, _LOOPBACK)))
    return dataclasses.replace(
        configuration, egress=dataclasses.replace(egress, allowed_origins=allowed)
    )


def _native_data_plane(configuration: Configuration) -> DataPlaneHandle:
    return NativeDataPlane(
        workers=configuration.data_plane.workers,
        log_buffer_bytes=configuration.access_log.buffer_bytes,
        access_log=configuration.access_log.to != "off",
    )


def _tell_where(egressway: AllInOne, configuration: Configuration) -> None:
    http = [f"http://{address}:{port}" for address, port in egressway.ingress(tls=False)]
    https = [f"https://{address}:{port}" for address, port in egressway.ingress(tls=True)]
    tell(
        [
            f"egressway {version('egressway')} is up; Ctrl-C stops it",
            f"  API    {egressway.api_url}/client/v4",
            f"  HTTP   {', '.join(http) or 'none'}",
            f"  HTTPS  {', '.join(https) or 'none'}",
            f"  data   {configuration.data} (operator token: admin-token)",
        ]
    )
