"""A NATS client that speaks to nobody unencrypted who should have a certificate.

The library encrypts when the server asks for it: somebody on the way who leaves that out would be
believed without a certificate.
"""

from __future__ import annotations

import ssl

import nats.errors
from nats.aio.client import Client

__all__ = ["client_for"]


def client_for(tls: ssl.SSLContext | None) -> Client:
    """With a context, every server has to prove itself, at each reconnection too."""
    return Client() if tls is None else _Certified()


class _Certified(Client):
    async def _process_connect_init(self) -> None:
        """Nothing is secret or believed before this; the library takes an error for a failed attempt."""
        await super()._process_connect_init()
        if not self._server_info.get("tls_required"):
            raise nats.errors.Error(
                "the server takes no certificates, and this one was named `tls://`"
            )
