"""Where the access log goes, as configured."""

from __future__ import annotations

import sys

from egressway.node.access_log import AccessLogWriter, NoAccessLog, RotatingFile, StreamAccessLog
from egressway.services.configuration.types import AccessLog
from egressway.services.data_directory import DataDirectory
from egressway.services.start_error import StartError

__all__ = ["open_access_log"]


def open_access_log(settings: AccessLog, data: DataDirectory) -> AccessLogWriter:
    """The writer; or `StartError` when there can be none."""
    if settings.to == "off":
        return NoAccessLog()
    if settings.to == "stdout":
        return StreamAccessLog(sys.stdout.buffer)
    try:
        return RotatingFile(data.access_log, settings.max_bytes, settings.keep)
    except OSError as failure:
        raise StartError(
            f"the access log `{data.access_log}` cannot be written: {failure.strerror}. Make it "
            "writable for this user, or set `access_log.to`."
        ) from failure
