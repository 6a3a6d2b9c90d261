"""Joins a fleet and renews this node's certificate (beside CONFIG 4): the client of the enrolment
listener.

Before a node shows its token it makes sure whom it shows it to: it asks for the authority's
certificate, compares that with the pin of the token, and trusts it alone from then on.
"""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec
from cryptography import x509

from egressway.identity.authority import certificate_pin
from egressway.identity.join_token import JoinToken
from egressway.identity.names import CONTROL_NAME
from egressway.identity.node_key import NodeKey
from egressway.identity.tls import client_context
from egressway.node.identity import Identity

__all__ = ["ControlRefused", "ControlUnreachable", "join", "renew"]

TIMEOUT_SECONDS: Final = 10.0
FOREIGN_FLEET: Final = 0
"""Of `ControlRefused`: this side refused, before it said anything."""


class ControlUnreachable(Exception):
    """No replica answered, or none could; trying again may help."""


class ControlRefused(Exception):
    """The control plane says no, and will say it again; `code` is for programs."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Enrolled(msgspec.Struct, frozen=True):
    """What of the answer is used."""

    server: str
    number: int
    epoch: int
    certificate: str
    authority: str
    not_after: datetime
    renew_in_seconds: float
    bus_url: str


class _Envelope(msgspec.Struct, frozen=True):
    result: _Enrolled


class _Problem(msgspec.Struct, frozen=True):
    code: int
    message: str


class _Failure(msgspec.Struct, frozen=True):
    errors: list[_Problem]


def join(
    control_url: str, token: JoinToken, server: str, link: str | None, key: NodeKey
) -> Identity:
    """The identity of `server`, for the holder of a token made for it."""
    body = {
        "token": str(token),
        "server": server,
        "csr": key.request(server).decode("ascii"),
        "link": link,
    }
    failure = ControlUnreachable("no URL was given")
    for url in _replicas(control_url):
        try:
            authority = _authority(url, token.pin)
            enrolled = _post(url, authority, "/enrolment/join", body)
            return _identity(control_url, enrolled, key, token.digest.hex())
        except ControlUnreachable as unreachable:
            failure = unreachable
    raise failure


def renew(identity: Identity) -> Identity:
    """The same identity with a new key and a later end."""
    key = NodeKey.generate()
    request = key.request(identity.server)
    signature = NodeKey.load(identity.key.encode("ascii")).sign(request)
    body = {
        "certificate": identity.certificate,
        "csr": request.decode("ascii"),
        "signature": base64.b64encode(signature).decode("ascii"),
    }
    failure = ControlUnreachable("no URL is known")
    for url in _replicas(identity.control_url):
        try:
            enrolled = _post(url, identity.authority, "/enrolment/renew", body)
            return _identity(identity.control_url, enrolled, key, identity.joined_with)
        except ControlUnreachable as unreachable:
            failure = unreachable
    raise failure


def _replicas(control_url: str) -> list[str]:
    return [url.strip().rstrip("/") for url in control_url.split(",") if url.strip()]


def _authority(url: str, pin: str) -> str:
    """The authority's certificate, once it is known to be the one the token names."""
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname = False
    stranger.verify_mode = ssl.CERT_NONE
    answer = _request("GET", url, "/enrolment/authority", stranger)
    try:
        certificate = x509.load_pem_x509_certificate(answer.content)
    except ValueError as unreadable:
        raise ControlUnreachable(
            f"`{url}` is not the enrolment listener of a control plane. Check `--join`"
        ) from unreadable
    if certificate_pin(certificate) != pin:
        raise ControlRefused(
            FOREIGN_FLEET,
            f"`{url}` belongs to another fleet than the join token. Check `--join` and `--token`; "
            "nothing was shown to it.",
        )
    return answer.text


def _post(url: str, authority: str, path: str, body: dict[str, Any]) -> _Enrolled:
    answer = _request("POST", url, path, client_context(authority.encode("ascii")), json=body)
    try:
        if answer.is_success:
            return msgspec.json.decode(answer.content, type=_Envelope).result
        problem = msgspec.json.decode(answer.content, type=_Failure).errors[0]
    except (msgspec.DecodeError, IndexError) as unreadable:
        raise ControlUnreachable(
            f"`{url}` answered {answer.status_code} with something else than was asked for"
        ) from unreadable
    if answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise ControlUnreachable(f"`{url}` cannot answer now: {problem.message}")
    raise ControlRefused(problem.code, problem.message)


def _request(
    method: str,
    url: str,
    path: str,
    context: ssl.SSLContext,
    **more: Any,  # noqa: ANN401 - passed on
) -> httpx.Response:
    # Control planes are known by one name wherever they are; the URL says only where.
    extensions = {"sni_hostname": CONTROL_NAME}
    try:
        with httpx.Client(verify=context, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            return client.request(method, url + path, extensions=extensions, **more)
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as failure:
        raise ControlUnreachable(f"`{url}` cannot be reached: {failure}") from failure


def _identity(control_url: str, enrolled: _Enrolled, key: NodeKey, joined_with: str) -> Identity:
    return Identity(
        server=enrolled.server,
        number=enrolled.number,
        epoch=enrolled.epoch,
        control_url=control_url,
        bus_url=enrolled.bus_url,
        authority=enrolled.authority,
        certificate=enrolled.certificate,
        key=key.pem.decode("ascii"),
        not_after=enrolled.not_after,
        renew_at=datetime.now(UTC) + timedelta(seconds=enrolled.renew_in_seconds),
        joined_with=joined_with,
    )
