"""One self-signed ECDSA P-256 certificate for the benchmark's hostnames."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """Leaf certificate and key as the wire snapshot carries them."""

    certificate_der: bytes
    key_pkcs8_der: bytes


def write_certificate(path: Path, hostname: str) -> None:
    """Write certificate and key for `hostname` as one PEM file, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)


def read_certificate(path: Path) -> CertificatePair:
    """Read what `write_certificate` wrote."""
    text = path.read_bytes()
    key = load_pem_private_key(text, password=None)
    return CertificatePair(
        certificate_der=x509.load_pem_x509_certificate(text).public_bytes(Encoding.DER),
        key_pkcs8_der=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    )
