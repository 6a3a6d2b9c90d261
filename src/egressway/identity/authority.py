"""The fleet's certificate authority: one key, from which all trust inside the fleet comes (beside
CONFIG).

ECDSA P-256 throughout. What a request says about its subject is never believed: the caller names the
server, and only the public key is taken from the request. The key leaves this module only as bytes
for the store; `repr` is free of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from egressway.identity.names import CONTROL_NAME, node_name
from egressway.model.address import IPAddress
from egressway.model.errors import Invalid

__all__ = [
    "Authority",
    "Issued",
    "certificate_pin",
    "parse_certificate",
    "parse_request",
    "serial_of",
]

AUTHORITY_YEARS: Final = 20
CLOCKS_DIFFER_BY: Final = timedelta(minutes=10)
"""A certificate is good a little before it was issued: a node's clock may be behind."""

_DAYS: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Issued:
    """One signed certificate, PEM, and what must be remembered of it."""

    chain: bytes
    """The certificate, then the authority's."""
    serial: str
    """Hexadecimal."""
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs the certificates of one fleet."""

    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, now: datetime) -> Authority:
        """A new one, which nobody trusts yet."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Egressway fleet authority")])
        builder = (
            _builder(name, name, key.public_key())
            .not_valid_before(now - CLOCKS_DIFFER_BY)
            .not_valid_after(now + AUTHORITY_YEARS * _DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Authority:
        """The one that was stored as DER."""
        loaded = load_der_private_key(key, password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey), "only our own keys are stored"
        return cls(x509.load_der_x509_certificate(certificate), loaded)

    @property
    def certificate_der(self) -> bytes:
        """For the store."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def certificate_pem(self) -> bytes:
        """What everybody in the fleet trusts."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_der(self) -> bytes:
        """For the store alone."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def pin(self) -> str:
        """What join tokens carry, so that a server knows its fleet before it trusts anybody."""
        return certificate_pin(self.certificate)

    def has_signed(self, certificate: x509.Certificate) -> bool:
        """Whether it comes from here; its dates are another question."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue_node(
        self,
        server: str,
        key: ec.EllipticCurvePublicKey,
        now: datetime,
        lifetime: timedelta,
    ) -> Issued:
        """For the node of `server`."""
        return self._issue(server, [x509.DNSName(node_name(server))], key, now, lifetime)

    def issue_control(
        self,
        addresses: Collection[IPAddress],
        key: ec.EllipticCurvePublicKey,
        now: datetime,
        lifetime: timedelta,
    ) -> Issued:
        """For a replica of the control plane that listens on `addresses`."""
        return self.issue_service(CONTROL_NAME, (), addresses, key, now, lifetime)

    def issue_service(
        self,
        name: str,
        more_names: Collection[str],
        addresses: Collection[IPAddress],
        key: ec.EllipticCurvePublicKey,
        now: datetime,
        lifetime: timedelta,
    ) -> Issued:
        """For something that servers connect to by a name or an address."""
        names: list[x509.GeneralName] = [x509.DNSName(each) for each in (name, *more_names)]
        names += [x509.IPAddress(address) for address in addresses]
        return self._issue(name, names, key, now, lifetime)

    def _issue(
        self,
        common_name: str,
        names: list[x509.GeneralName],
        key: ec.EllipticCurvePublicKey,
        now: datetime,
        lifetime: timedelta,
    ) -> Issued:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        both_ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _builder(subject, self.certificate.subject, key)
            .not_valid_before(now - CLOCKS_DIFFER_BY)
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return Issued(
            chain=certificate.public_bytes(Encoding.PEM) + self.certificate_pem,
            serial=serial_of(certificate),
            not_after=certificate.not_valid_after_utc,
        )


def certificate_pin(certificate: x509.Certificate) -> str:
    """SHA-256 of the whole certificate, hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def serial_of(certificate: x509.Certificate) -> str:
    """As certificates are remembered."""
    return f"{certificate.serial_number:x}"


def parse_certificate(pem: str, pointer: str) -> x509.Certificate:
    """The first certificate of a chain in a request."""
    try:
        return x509.load_pem_x509_certificate(pem.encode("ascii"))
    except (ValueError, UnicodeEncodeError) as unreadable:
        raise Invalid("Must be a certificate in PEM.", pointer=pointer) from unreadable


def parse_request(pem: str, pointer: str) -> ec.EllipticCurvePublicKey:
    """The key of a signing request, when whoever sends it holds the private half."""
    try:
        request = x509.load_pem_x509_csr(pem.encode("ascii"))
        key = request.public_key()
        is_ours = isinstance(key, ec.EllipticCurvePublicKey) and request.is_signature_valid
    except (ValueError, UnicodeEncodeError) as unreadable:
        raise Invalid("Must be a signing request in PEM.", pointer=pointer) from unreadable
    if not is_ours or not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size != 256:
        raise Invalid("Must be signed by its own ECDSA P-256 key.", pointer=pointer)
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
