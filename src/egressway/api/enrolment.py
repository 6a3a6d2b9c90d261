"""The listener where servers join a fleet and renew their certificates: an application of its own.

CONFIG 1 of 5, beside the API: it is reached by servers, over TLS with a certificate of the built-in
authority, and by nobody with an API token. Servers prove who they are by a join token the first time
and by the key of their present certificate from then on. Errors have the API's envelope.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from litestar import Litestar, MediaType, Response, Router, get, post
from msgspec import Meta, Struct

from egressway.api.access import PROBE, PUBLIC, Gate
from egressway.api.body import StrictBody
from egressway.api.envelope import Answer, Timestamp, answer
from egressway.api.headers import complete_headers
from egressway.api.health import Alive
from egressway.api.parameters import Given, GivenStore, JsonBody
from egressway.api.problems import respond
from egressway.api.provide import constants
from egressway.api.settings import ApiSettings
from egressway.identity.authority import (
    Authority,
    parse_certificate,
    parse_request,
    serial_of,
)
from egressway.identity.join_token import JoinToken
from egressway.identity.names import server_of
from egressway.identity.node_key import is_signed_by
from egressway.model.clock import rfc3339
from egressway.model.enrolment import EnrolmentRefused, NodeCertificate, Refusal
from egressway.model.errors import Invalid
from egressway.model.members import as_text, refuse_unknown
from egressway.model.place_name import parse_label
from egressway.model.server import Link, Server, ServerName
from egressway.store import Store, Write

__all__ = ["Enrolment", "create_enrolment_app"]

RENEW_AFTER: Final = 2 / 3
"""Of a certificate's life: a control plane may be away for the last third."""
_LONGEST_PEM: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What servers are given."""

    authority: Authority
    lifetime: timedelta
    bus_url: str


class Join(Struct, frozen=True, forbid_unknown_fields=True):
    """A server's first words."""

    token: str
    server: str
    csr: Annotated[str, Meta(description="PEM, ECDSA P-256")]
    link: Annotated[str | None, Meta(description="`ip:port` where its peers reach it")] = None


class Renew(Struct, frozen=True, forbid_unknown_fields=True):
    """A server's words from then on."""

    certificate: Annotated[str, Meta(description="The present one, PEM")]
    csr: Annotated[str, Meta(description="PEM, ECDSA P-256")]
    signature: Annotated[str, Meta(description="Base64; of `csr`, by the present key")]


class Enrolled(Struct, frozen=True):
    """A server's place in the fleet, and the proof of it."""

    server: str
    number: int
    epoch: int
    certificate: Annotated[str, Meta(description="PEM; the authority's follows its own")]
    authority: Annotated[str, Meta(description="PEM")]
    not_after: Timestamp
    renew_in_seconds: Annotated[float, Meta(description="Two thirds of its life")]
    bus_url: str


@get("/enrolment/authority", opt=PUBLIC, sync_to_thread=False, media_type=MediaType.TEXT)
def read_authority(enrolment: Given[Enrolment]) -> Response[bytes]:
    """The authority's certificate; whoever asks holds a pin to compare it with."""
    return Response(enrolment.authority.certificate_pem, media_type="application/x-pem-file")


@post("/enrolment/join", opt=PUBLIC, status_code=200, sync_to_thread=True)
def join(store: GivenStore, enrolment: Given[Enrolment], data: JsonBody[Join]) -> Answer[Enrolled]:
    """Lets a server in that shows a token made for it."""
    members = data.members
    refuse_unknown(members, ("token", "server", "csr", "link"))
    server = ServerName(parse_label(members.get("server"), "/server"))
    token = _token(members.get("token"), enrolment.authority)
    key = parse_request(_pem(members.get("csr"), "/csr"), "/csr")
    link = Link.parse(members["link"]) if members.get("link") is not None else None
    with store.write(f"join of {server}") as write:
        joined = write.enrolment.join(server, token.digest, _fingerprint(key), link)
        return answer(_enrolled(write, enrolment, joined, key))


@post("/enrolment/renew", opt=PUBLIC, status_code=200, sync_to_thread=True)
def renew(
    store: GivenStore, enrolment: Given[Enrolment], data: JsonBody[Renew]
) -> Answer[Enrolled]:
    """Gives a server its next certificate, as long as nothing speaks against it."""
    members = data.members
    refuse_unknown(members, ("certificate", "csr", "signature"))
    request = _pem(members.get("csr"), "/csr")
    key = parse_request(request, "/csr")
    present = parse_certificate(_pem(members.get("certificate"), "/certificate"), "/certificate")
    server = server_of(present) if enrolment.authority.has_signed(present) else None
    if server is None:
        raise EnrolmentRefused(
            Refusal.FOREIGN_CERTIFICATE,
            "The certificate is not one of this fleet's servers. Join the server to this fleet "
            "with a token of its operator, or renew where it has joined.",
        )
    if not is_signed_by(present, _signature(members.get("signature")), request.encode()):
        raise EnrolmentRefused(
            Refusal.UNPROVEN,
            "The signature is not by the certificate's key. Renew from the server that holds it.",
        )
    with store.write(f"renewal of {server}") as write:
        renewed = write.enrolment.renew(ServerName(server), serial_of(present))
        return answer(_enrolled(write, enrolment, renewed, key))


@get("/healthz", opt=PROBE, sync_to_thread=False)
def read_health() -> Alive:
    """Says that the process is alive."""
    return Alive()


def create_enrolment_app(store: Store, enrolment: Enrolment) -> Litestar:
    """The application over an open store."""
    settings = ApiSettings()
    return Litestar(
        route_handlers=[
            Router(path="/", route_handlers=[read_authority, join, renew, read_health])
        ],
        dependencies=constants(store=store, enrolment=enrolment),
        guards=[Gate(store, settings)],
        dto=StrictBody,
        exception_handlers={Exception: respond},
        before_send=[complete_headers],
        request_max_body_size=settings.max_body_bytes,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _enrolled(
    write: Write, enrolment: Enrolment, server: Server, key: ec.EllipticCurvePublicKey
) -> Enrolled:
    issued = enrolment.authority.issue_node(server.name, key, datetime.now(UTC), enrolment.lifetime)
    write.enrolment.remember(
        NodeCertificate(issued.serial, server.name, server.epoch, issued.not_after)
    )
    return Enrolled(
        server=server.name,
        number=server.number,
        epoch=server.epoch,
        certificate=issued.chain.decode("ascii"),
        authority=enrolment.authority.certificate_pem.decode("ascii"),
        not_after=rfc3339(issued.not_after),
        renew_in_seconds=enrolment.lifetime.total_seconds() * RENEW_AFTER,
        bus_url=enrolment.bus_url,
    )


def _token(value: object, authority: Authority) -> JoinToken:
    token = JoinToken.parse(value) if isinstance(value, str) else None
    if token is None:
        raise Invalid("Must be a whole join token, as it was shown.", pointer="/token")
    if token.pin != authority.pin:
        raise EnrolmentRefused(
            Refusal.UNKNOWN_TOKEN,
            "The join token is of another fleet. Ask the operator of this one for a token.",
        )
    return token


def _pem(value: object, pointer: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_PEM:
        raise Invalid("Must be a text in PEM.", pointer=pointer)
    return value


def _signature(value: object) -> bytes:
    try:
        return base64.b64decode(as_text(value, "/signature", limit=1024), validate=True)
    except binascii.Error as unreadable:
        raise Invalid("Must be base64.", pointer="/signature") from unreadable


def _fingerprint(key: ec.EllipticCurvePublicKey) -> bytes:
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()
