"""Certificates with their keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ssl import DER_cert_to_PEM_cert, PEM_cert_to_DER_cert
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID

from egressway.model.certificate import CertificateDraft
from egressway.model.errors import Invalid

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def name_of(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def certificate(
    key: Any,
    *hosts: str,
    issuer_key: Any = None,
    subject: str = "leaf",
    issuer: str = "leaf",
    begin: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=90),
) -> str:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(subject))
        .issuer_name(name_of(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    signer = issuer_key or key
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signer, digest).public_bytes(Encoding.PEM).decode()


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, encryption: Any = None) -> str:
    encrypted = encryption or NoEncryption()
    text: bytes = key.private_bytes(Encoding.PEM, form, encrypted)
    return text.decode()


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def parse(certificate_pem: object, key_pem: object, **members: object) -> CertificateDraft:
    body = {"certificate": certificate_pem, "private_key": key_pem} | members
    return CertificateDraft.parse(body, NOW)


@pytest.mark.parametrize(
    ("made", "signature"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "ECDSAWithSHA256"),
        (rsa.generate_private_key(65537, 2048), "SHA256WithRSA"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
    ],
    ids=["ecdsa", "rsa", "ed25519"],
)
def test_usual_keys_are_taken(made: Any, signature: str) -> None:
    draft = parse(certificate(made, "www.example.com", "*.Example.com"), pem(made))
    assert draft.hosts == ("www.example.com", "*.example.com")
    assert draft.signature == signature
    assert draft.expires_on == NOW + timedelta(days=90)
    assert load_der_private_key(draft.key, None).public_key() == made.public_key()


def test_the_older_form_of_a_key_becomes_pkcs8(key: Any) -> None:
    older = pem(key, PrivateFormat.TraditionalOpenSSL)
    assert parse(certificate(key, "a.example"), older).key == (
        parse(certificate(key, "a.example"), pem(key)).key
    )


def test_a_chain_is_kept_leaf_first(key: Any) -> None:
    above = ec.generate_private_key(ec.SECP256R1())
    leaf = certificate(key, "www.example.com", issuer_key=above, issuer="above")
    issuer = certificate(above, subject="above", issuer="above")
    assert len(parse(leaf + issuer, pem(key)).chain) == 2
    stranger = certificate(above, subject="other", issuer="other")
    with pytest.raises(Invalid, match="out of order"):
        parse(leaf + stranger, pem(key))


def test_a_key_of_another_certificate_is_refused(key: Any) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Invalid, match="does not belong") as caught:
        parse(certificate(key, "www.example.com"), pem(other))
    assert caught.value.pointer == "/private_key"


def test_what_is_no_usable_key_is_refused(key: Any) -> None:
    leaf = certificate(key, "www.example.com")
    weak = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP256K1())
    locked = pem(key, encryption=BestAvailableEncryption(b"secret"))
    broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    for bad in (pem(weak), pem(curve), locked, broken, "", None, 7, "-----BEGIN"):
        with pytest.raises(Invalid) as caught:
            parse(leaf, bad)
        assert caught.value.pointer == "/private_key"


def test_what_is_no_usable_certificate_is_refused(key: Any) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    nameless = certificate(key)
    expired = certificate(key, "a.example", begin=NOW - timedelta(2), end=NOW - timedelta(1))
    later = NOW + timedelta(hours=1)
    early = certificate(key, "a.example", begin=later, end=later + timedelta(1))
    too_long = certificate(key, "a.example") * 300
    too_many = certificate(key, "a.example") * 11
    for bad in (broken, nameless, expired, early, too_long, too_many, "", None, {}):
        with pytest.raises(Invalid) as caught:
            parse(bad, pem(key))
        assert caught.value.pointer == "/certificate"


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("06082a8648ce3d040302", "06082a8648ce3d04030f"),
        ("0c046c656166", "0c04ffff6166"),
        ("a003020102", "a003020109"),
    ],
    ids=["unknown signature", "broken issuer", "unknown version"],
)
def test_a_certificate_with_a_broken_part_is_refused(key: Any, part: str, instead: str) -> None:
    whole = PEM_cert_to_DER_cert(certificate(key, "a.example"))
    broken = whole.replace(bytes.fromhex(part), bytes.fromhex(instead))
    assert broken != whole
    with pytest.raises(Invalid) as caught:
        parse(DER_cert_to_PEM_cert(broken), pem(key))
    assert caught.value.pointer == "/certificate"


def test_only_names_within_the_zone_are_served(key: Any) -> None:
    draft = parse(certificate(key, "a.example.com", "*.example.com", "bank.example"), pem(key))
    assert draft.hosts_within("example.com") == ("a.example.com", "*.example.com")
    assert draft.hosts_within("a.example.com") == ("a.example.com",)
    with pytest.raises(Invalid) as caught:
        draft.hosts_within("example.net")
    assert caught.value.pointer == "/certificate"


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"bundle_method": "best"}, "/bundle_method"),
        ({"custom_csr_id": "x"}, "/custom_csr_id"),
        ({"geo_restrictions": {"label": "eu"}}, "/geo_restrictions"),
        ({"deploy": "staging"}, "/deploy"),
        ({"type": "other"}, "/type"),
        ({"cert": "x"}, "/cert"),
    ],
)
def test_members_we_cannot_honour_are_refused(
    key: Any, members: dict[str, object], pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse(certificate(key, "a.example"), pem(key), **members)
    assert caught.value.pointer == pointer


def test_the_key_never_shows(key: Any) -> None:
    draft = parse(certificate(key, "a.example"), pem(key))
    assert repr(draft.key) not in repr(draft)
    assert "key" not in repr(draft)
