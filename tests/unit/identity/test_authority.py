"""What the authority signs is believed by its own fleet and nobody else."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from egressway.identity.authority import Authority, parse_request, serial_of
from egressway.identity.names import CONTROL_NAME, node_name, server_of
from egressway.identity.node_key import NodeKey, is_signed_by
from egressway.identity.tls import client_context, server_context
from egressway.model.errors import Invalid

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(hours=24)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


def certificate_of(chain: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain)


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str
) -> ssl.SSLError | ConnectionError | None:
    """What the client says to a server, asked for by `name`; None when both agree."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            accepted, _ = listening.accept()
            with closing(accepted):
                try:
                    with server.wrap_socket(accepted, server_side=True) as wrapped:
                        wrapped.recv(1)
                except OSError:
                    pass  # the client tells

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            tcp = socket.create_connection(listening.getsockname())
            with closing(tcp), client.wrap_socket(tcp, server_hostname=name) as wrapped:
                wrapped.sendall(b"x")
            return None
        except (ssl.SSLError, ConnectionError) as refusal:
            return refusal
        finally:
            thread.join()


def test_stored_authority_is_the_same_authority(authority):
    again = Authority.load(authority.certificate_der, authority.key_der)
    issued = again.issue_node("s1", NodeKey.generate().public, NOW, DAY)
    assert authority.has_signed(certificate_of(issued.chain))
    assert again.pin == authority.pin


def test_node_certificate_names_its_server_for_both_ends_of_a_connection(authority):
    key = NodeKey.generate()
    issued = authority.issue_node("s1", key.public, NOW, DAY)
    certificate = certificate_of(issued.chain)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert certificate.subject.rfc4514_string() == "CN=s1"
    assert names.get_values_for_type(x509.DNSName) == ["s1.node.egressway.internal"]
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert certificate.not_valid_after_utc == NOW + DAY == issued.not_after
    assert (server_of(certificate), serial_of(certificate)) == ("s1", issued.serial)


def test_control_certificate_is_no_servers(authority):
    issued = authority.issue_control([ip_address("192.0.2.1")], NodeKey.generate().public, NOW, DAY)
    certificate = certificate_of(issued.chain)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert server_of(certificate) is None
    assert names.get_values_for_type(x509.DNSName) == [CONTROL_NAME]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("192.0.2.1")]


def test_certificate_with_two_meanings_is_no_servers(authority):
    key = NodeKey.generate().public
    issued = authority.issue_service("s1", [node_name("s2")], [], key, NOW, DAY)
    assert server_of(certificate_of(issued.chain)) is None


def test_subject_of_a_request_is_not_believed(authority):
    key = parse_request(NodeKey.generate().request("control").decode(), "/csr")
    issued = authority.issue_node("s1", key, NOW, DAY)
    assert server_of(certificate_of(issued.chain)) == "s1"


@pytest.mark.parametrize(
    "text", ["", "not PEM", "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n", "é"]
)
def test_request_that_is_none_is_refused_at_its_place(text):
    with pytest.raises(Invalid) as refused:
        parse_request(text, "/csr")
    assert refused.value.pointer == "/csr"


def test_request_of_another_curve_is_refused():
    other = NodeKey(ec.generate_private_key(ec.SECP384R1()))
    with pytest.raises(Invalid, match="P-256"):
        parse_request(other.request("s1").decode(), "/csr")


def test_both_ends_with_certificates_of_one_authority_agree(authority):
    ours, theirs = NodeKey.generate(), NodeKey.generate()
    server = server_context(authority.issue_node("s1", ours.public, NOW, DAY).chain, ours.pem)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=authority.certificate_pem.decode())
    chain = authority.issue_node("s2", theirs.public, NOW, DAY).chain
    client = client_context(authority.certificate_pem, chain, theirs.pem)
    assert handshake(server, client, node_name("s1")) is None
    assert isinstance(handshake(server, client, node_name("s3")), ssl.SSLCertVerificationError)


def test_certificate_of_another_authority_is_not_believed(authority):
    other, key = Authority.create(NOW), NodeKey.generate()
    issued = other.issue_node("s1", key.public, NOW, DAY)
    client = client_context(authority.certificate_pem)
    refusal = handshake(server_context(issued.chain, key.pem), client, node_name("s1"))
    assert isinstance(refusal, ssl.SSLCertVerificationError)
    assert not authority.has_signed(certificate_of(issued.chain))


def test_certificate_whose_time_is_over_is_not_believed(authority):
    key = NodeKey.generate()
    issued = authority.issue_node("s1", key.public, NOW - 2 * DAY, DAY)
    client = client_context(authority.certificate_pem)
    refusal = handshake(server_context(issued.chain, key.pem), client, node_name("s1"))
    assert isinstance(refusal, ssl.SSLCertVerificationError)
    assert "expired" in str(refusal)


def test_only_the_holder_of_a_key_signs_with_it(authority):
    key, other = NodeKey.generate(), NodeKey.generate()
    certificate = certificate_of(authority.issue_node("s1", key.public, NOW, DAY).chain)
    assert is_signed_by(certificate, key.sign(b"content"), b"content")
    assert not is_signed_by(certificate, key.sign(b"content"), b"other content")
    assert not is_signed_by(certificate, other.sign(b"content"), b"content")
    assert not is_signed_by(certificate, b"", b"content")


def test_kept_key_is_the_same_key():
    key = NodeKey.generate()
    assert NodeKey.load(key.pem).public == key.public


def test_no_key_is_shown_by_repr(authority):
    assert repr(NodeKey.generate()) == "NodeKey()"
    assert "_key" not in repr(authority)
