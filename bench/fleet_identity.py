"""Certificates of two proxies that forward to each other: one authority, one leaf for each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def identity_files(prefix: Path) -> tuple[Path, Path, Path]:
    """Authority, chain and key of one server, PEM."""
    return (
        prefix.with_name("fleet.ca.pem"),
        prefix.with_name(f"{prefix.name}.chain.pem"),
        prefix.with_name(f"{prefix.name}.key.pem"),
    )


def both_file(prefix: Path) -> Path:
    """Chain and key in one file, as HAProxy reads them."""
    return prefix.with_name(f"{prefix.name}.both.pem")


def host_of(server: str) -> str:
    """The name that a server's certificate is for."""
    return f"{server}.node.egressway.internal"


def write_identities(work: Path, servers: list[str]) -> None:
    """One authority and a certificate for each server, valid for a day."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("bench fleet", authority_key.public_key(), None, authority_key)
    (work / "fleet.ca.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    for server in servers:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate(server, key.public_key(), authority, authority_key)
        _, chain, key_file = identity_files(work / server)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain.write_bytes(leaf.public_bytes(Encoding.PEM))
        key_file.write_bytes(private)
        both_file(work / server).write_bytes(leaf.public_bytes(Encoding.PEM) + private)


def _certificate(
    name: str,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host_of(name))]), critical=False
        ).add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(issuer_key, SHA256())
