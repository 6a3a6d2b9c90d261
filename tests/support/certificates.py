"""A certificate authority of our own, and TLS contexts for origins and clients."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class Leaf:
    """A certificate with its key, as origins and as snapshots want it."""

    issued: trustme.LeafCert
    names: tuple[str, ...]

    @property
    def chain(self) -> list[bytes]:
        """DER, leaf first."""
        pems = (blob.bytes() for blob in self.issued.cert_chain_pems)
        return [x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) for pem in pems]

    @property
    def key(self) -> bytes:
        """PKCS#8 DER."""
        key = load_pem_private_key(self.issued.private_key_pem.bytes(), password=None)
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class Authority:
    """Issues certificates that its own clients, and planes told so, trust."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    @property
    def pem(self) -> str:
        """The authority's own certificate, for `extra_trust_roots`."""
        return self._ca.cert_pem.bytes().decode()

    def issue(self, *names: str) -> Leaf:
        """A certificate in date for DNS names or IP addresses."""
        return Leaf(self._ca.issue_cert(*names), names)

    def issue_expired(self, *names: str) -> Leaf:
        """A certificate whose time ended yesterday."""
        now = datetime.now(UTC)
        issued = self._ca.issue_cert(
            *names, not_before=now - timedelta(days=3), not_after=now - timedelta(days=1)
        )
        return Leaf(issued, names)

    def server_context(self, leaf: Leaf, *protocols: str) -> ssl.SSLContext:
        """For an origin; `protocols` by ALPN, best first."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.issued.configure_cert(context)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def client_context(self, *protocols: str) -> ssl.SSLContext:
        """For a client that trusts this authority alone."""
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context
