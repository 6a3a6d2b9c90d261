"""TLS contexts for the inside of a fleet: both ends show certificates of its authority (beside
CONFIG).

OpenSSL reads keys from files only, so a key is written for a moment into memory that has no name in
any file system.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["client_context", "load_pair", "server_context"]


def server_context(chain: bytes, key: bytes) -> ssl.SSLContext:
    """For a listener that anybody may speak to, such as servers that have no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    load_pair(context, chain, key)
    return context


def client_context(
    authority: bytes, chain: bytes | None = None, key: bytes | None = None
) -> ssl.SSLContext:
    """For connections into the fleet; trusts this authority (PEM) and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=authority.decode("ascii"))
    if chain is not None and key is not None:
        load_pair(context, chain, key)
    return context


def load_pair(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    """Show this certificate (both PEM) on new connections; open ones stay."""
    with _in_memory(chain + b"\n" + key) as path:
        context.load_cert_chain(path)


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("egressway-certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
