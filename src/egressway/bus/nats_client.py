"""A NATS client that keeps to itself: answers under its own name, and encrypted where it should be.

Answers come to a subject with the client's name in it, so that a server can be kept from hearing what
others were answered. The library encrypts when the server asks for it: somebody on the way who leaves
that out would be believed without a certificate.
"""

from __future__ import annotations

import re
import ssl
from typing import Any, Final

import nats.errors
from nats.aio.client import Client

from egressway.bus import nats_names as names

__all__ = ["client_for", "denied"]

_DENIED: Final = re.compile(r'permissions violation for subscription to "([^"\s]+)', re.IGNORECASE)


class _Named(Client):
    """Remembers which subjects it may not hear."""

    def __init__(self) -> None:
        super().__init__()
        self.denied: set[str] = set()

    async def connect(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the library's own
        options["inbox_prefix"] = names.inbox(str(options.get("name")))
        await super().connect(*args, **options)

    async def _process_err(self, err_msg: str) -> None:
        self.denied.update(_DENIED.findall(err_msg))
        await super()._process_err(err_msg)


class _Certified(_Named):
    async def _process_connect_init(self) -> None:
        """Nothing is secret or believed before this; the library takes an error for a failed attempt."""
        await super()._process_connect_init()
        if not self._server_info.get("tls_required"):
            raise nats.errors.Error(
                "the server takes no certificates, and this one was named `tls://`"
            )


def client_for(tls: ssl.SSLContext | None) -> Client:
    """With a context, every server has to prove itself, at each reconnection too."""
    return _Named() if tls is None else _Certified()


def denied(client: Client) -> set[str]:
    """Subjects that this client was not let subscribe to; to be changed by whoever tries again."""
    assert isinstance(client, _Named), "made by `client_for`"
    return client.denied
