"""The store at the start of a process: opened, and with a token for its operator."""

from __future__ import annotations

import logging

from egressway.identity.private_file import write_private
from egressway.model.errors import StoreError
from egressway.services.configuration import Configuration
from egressway.services.data_directory import DataDirectory
from egressway.services.server_settings import origin_networks, placement_rules
from egressway.services.start_error import StartError
from egressway.store import Store

__all__ = ["ensure_operator_token", "open_store"]

_log = logging.getLogger(__name__)


def open_store(configuration: Configuration) -> Store:
    """The store; or `StartError`."""
    try:
        return Store.open(
            configuration.store_url,
            origin_networks=origin_networks(configuration),
            placement=placement_rules(configuration),
        )
    except StoreError as failure:
        raise StartError(failure.text) from failure


def ensure_operator_token(store: Store, data: DataDirectory, *, roll: bool) -> None:
    """Make the operator's token at the first start, or when asked to, and leave it in a file."""
    # Written before the transaction ends: a crash in between leaves a file that the next start
    # replaces, never a token that nobody knows.
    try:
        with store.write("start") as write:
            value = write.tokens.ensure_operator_token()
            if value is None and roll:
                value = write.tokens.roll_operator_token()
            if value is not None:
                write_private(data.operator_token, value)
                _log.info("the operator's token is in %s", data.operator_token)
    except StoreError as failure:
        raise StartError(failure.text) from failure
    except OSError as failure:
        raise StartError(
            f"the operator's token `{data.operator_token}` cannot be written: {failure.strerror}. "
            "Make its directory writable for this user, or give another with `--data`."
        ) from failure
