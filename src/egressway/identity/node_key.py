"""A private key that never leaves the machine that made it, and what it asks for (beside CONFIG)."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

__all__ = ["NodeKey", "is_signed_by"]


@dataclass(frozen=True, slots=True)
class NodeKey:
    """ECDSA P-256; `repr` is free of it."""

    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> NodeKey:
        """A new one."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, pem: bytes) -> NodeKey:
        """The one that was kept; raises ValueError for anything else."""
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("not an ECDSA key")
        return cls(key)

    @property
    def pem(self) -> bytes:
        """For this machine's disk alone."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """What certificates are about."""
        return self._key.public_key()

    def request(self, server: str) -> bytes:
        """A signing request, PEM; it proves that the private half is here."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, server)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def sign(self, content: bytes) -> bytes:
        """Proof that `content` comes from the holder of this key."""
        return self._key.sign(content, ec.ECDSA(hashes.SHA256()))


def is_signed_by(certificate: x509.Certificate, signature: bytes, content: bytes) -> bool:
    """Whether the holder of the certificate's key has signed `content`."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
