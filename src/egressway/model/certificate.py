"""Of all paths: certificates for TLS to clients. Parsed and checked once, then trusted.

The key never shows in a `repr`, so it cannot end in a log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from egressway.model.errors import Invalid
from egressway.model.hostname import Hostname, is_within, parse_hostname
from egressway.model.ids import CertificateId, ZoneId
from egressway.model.members import as_choice, refuse_unknown

__all__ = [
    "BundleMethod",
    "Certificate",
    "CertificateDraft",
    "CertificateStatus",
    "parse_material",
]

_MAX_PEM: Final = 128 * 1024
_MAX_CHAIN: Final = 10
_CLOCK_SKEW: Final = timedelta(minutes=5)
_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class CertificateStatus(StrEnum):
    """What its dates say. It is served all the same, as long as no other takes its place."""

    ACTIVE = "active"
    EXPIRED = "expired"
    PENDING = "pending"


class BundleMethod(StrEnum):
    """How the chain is completed. We always send exactly what was uploaded, as `force` says."""

    UBIQUITOUS = "ubiquitous"
    OPTIMAL = "optimal"
    FORCE = "force"


@dataclass(frozen=True, slots=True)
class CertificateDraft:
    """A chain with its key, checked against each other; `hosts` are all that the leaf names."""

    chain: tuple[bytes, ...] = field(repr=False)
    key: bytes = field(repr=False)
    hosts: tuple[Hostname, ...]
    issuer: str
    signature: str
    not_before: datetime
    expires_on: datetime
    bundle_method: BundleMethod = BundleMethod.UBIQUITOUS

    @classmethod
    def parse(cls, body: Mapping[str, object], now: datetime) -> CertificateDraft:
        """From the body of a request: `certificate`, `private_key`, both PEM."""
        refuse_unknown(body, _MEMBERS)
        _refuse_unsupported(body)
        return parse_material(
            _pem(body.get("certificate"), "/certificate"),
            _pem(body.get("private_key"), "/private_key"),
            now,
            _parse_bundle_method(body.get("bundle_method")),
        )

    def hosts_within(self, zone_name: str) -> tuple[Hostname, ...]:
        """The names it may be served for in that zone; a certificate without any is refused.

        Names of other zones are left out, so that nobody answers for a zone that is not theirs.
        """
        hosts = tuple(host for host in self.hosts if is_within(host.removeprefix("*."), zone_name))
        if not hosts:
            raise Invalid(
                f"The certificate covers no name of {zone_name}; it is for "
                f"{', '.join(self.hosts[:5])}.",
                pointer="/certificate",
            )
        return hosts


@dataclass(frozen=True, slots=True)
class Certificate:
    """A stored certificate without its key. Of several, the highest priority is served."""

    id: CertificateId
    zone_id: ZoneId
    hosts: tuple[Hostname, ...]
    issuer: str
    signature: str
    bundle_method: BundleMethod
    priority: int
    not_before: datetime
    expires_on: datetime
    uploaded_on: datetime
    modified_on: datetime

    def status(self, now: datetime) -> CertificateStatus:
        """What its dates say at that moment."""
        if now < self.not_before:
            return CertificateStatus.PENDING
        return CertificateStatus.ACTIVE if now < self.expires_on else CertificateStatus.EXPIRED


def parse_material(
    certificate_pem: str,
    key_pem: str,
    now: datetime,
    bundle_method: BundleMethod = BundleMethod.UBIQUITOUS,
) -> CertificateDraft:
    """A PEM chain, leaf first, and the leaf's PEM key."""
    key = _load_key(key_pem)
    with _reading_certificates():
        chain = _load_chain(certificate_pem)
        leaf = chain[0]
        _check_key(leaf, key)
        _check_order(chain)
        _check_dates(leaf, now)
        return CertificateDraft(
            chain=tuple(each.public_bytes(Encoding.DER) for each in chain),
            key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            hosts=_hosts_of(leaf),
            issuer=leaf.issuer.rfc4514_string(),
            signature=_signature_of(leaf),
            not_before=leaf.not_valid_before_utc,
            expires_on=leaf.not_valid_after_utc,
            bundle_method=bundle_method,
        )


_MEMBERS = frozenset(
    {"certificate", "private_key", "bundle_method", "type", "deploy", "geo_restrictions"}
    | {"policy", "custom_csr_id"}
)


def _refuse_unsupported(body: Mapping[str, object]) -> None:
    for name in ("geo_restrictions", "policy", "custom_csr_id"):
        if body.get(name) is not None:
            raise Invalid(f"{name} is not supported by this version.", pointer=f"/{name}")
    if body.get("deploy") not in (None, "production"):
        raise Invalid("deploy must be production.", pointer="/deploy")
    if body.get("type") not in (None, "sni_custom", "legacy_custom"):
        raise Invalid("type must be sni_custom or legacy_custom.", pointer="/type")


def _parse_bundle_method(value: object) -> BundleMethod:
    if value is None:
        return BundleMethod.UBIQUITOUS
    return as_choice(BundleMethod, value, "/bundle_method")


def _pem(value: object, pointer: str) -> str:
    if not isinstance(value, str) or "-----BEGIN" not in value:
        raise Invalid("Must be a PEM text, beginning with -----BEGIN.", pointer=pointer)
    if len(value) > _MAX_PEM:
        raise Invalid(f"Must have at most {_MAX_PEM} characters.", pointer=pointer)
    return value


@contextmanager
def _reading_certificates() -> Iterator[None]:
    """The library reads most parts of a certificate only when it is asked for them."""
    try:
        yield
    except (
        ValueError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise Invalid(f"The certificate cannot be read: {error}.", pointer="/certificate") from None


def _load_chain(text: str) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise Invalid("Not a PEM certificate.", pointer="/certificate") from None
    if len(chain) > _MAX_CHAIN:
        raise Invalid(f"More than {_MAX_CHAIN} certificates.", pointer="/certificate")
    return chain


def _load_key(text: str) -> _PrivateKey:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise Invalid("The key is encrypted; upload it in clear.", pointer="/private_key") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid("Not a PEM private key.", pointer="/private_key") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if 2048 <= key.key_size <= 4096:
            return key
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            return key
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    raise Invalid(
        "The key must be RSA with 2048 to 4096 bits, ECDSA P-256 or P-384, or Ed25519.",
        pointer="/private_key",
    )


def _check_key(leaf: x509.Certificate, key: _PrivateKey) -> None:
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if leaf.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise Invalid(
            "The key does not belong to the first certificate (the leaf comes first).",
            pointer="/private_key",
        )


def _check_order(chain: list[x509.Certificate]) -> None:
    for below, above in pairwise(chain):
        if below.issuer != above.subject:
            raise Invalid(
                "The chain is out of order: each certificate must be issued by the next one.",
                pointer="/certificate",
            )


def _check_dates(leaf: x509.Certificate, now: datetime) -> None:
    if leaf.not_valid_after_utc <= now.astimezone(UTC):
        raise Invalid(
            f"The certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}.",
            pointer="/certificate",
        )
    # It is served from its upload on: a later beginning would break every handshake until then.
    if leaf.not_valid_before_utc > now.astimezone(UTC) + _CLOCK_SKEW:
        raise Invalid(
            f"The certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; "
            "upload it then.",
            pointer="/certificate",
        )


def _hosts_of(leaf: x509.Certificate) -> tuple[Hostname, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    if not names:
        raise Invalid("The certificate names no host (no DNS name in it).", pointer="/certificate")
    hosts = (parse_hostname(name, "/certificate", wildcard=True) for name in names)
    return tuple(dict.fromkeys(hosts))


def _signature_of(leaf: x509.Certificate) -> str:
    """`SHA256WithRSA`, `ECDSAWithSHA256`, `Ed25519`."""
    algorithm = leaf.signature_hash_algorithm
    if algorithm is None:
        return "Ed25519"
    digest = algorithm.name.upper()
    name: str = getattr(leaf.signature_algorithm_oid, "_name", "")
    return f"ECDSAWith{digest}" if "ecdsa" in name.lower() else f"{digest}WithRSA"
