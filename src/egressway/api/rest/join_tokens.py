"""`/egressway/servers/{name}/join_tokens`: invitations of servers into the fleet.

CONFIG 1 of 5, a vendor extension, the operator's. A token is shown once, when it is made.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from cryptography import x509
from litestar import post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.access import OPERATOR
from egressway.api.envelope import Answer, Timestamp, answer
from egressway.api.parameters import GivenCaller, GivenStore, JsonBody, PathId
from egressway.identity.authority import certificate_pin
from egressway.identity.join_token import JoinToken
from egressway.model.clock import rfc3339
from egressway.model.enrolment import JOIN_TOKEN_LIFETIME
from egressway.model.errors import Conflict
from egressway.model.members import as_int, refuse_unknown
from egressway.model.server import ServerName
from egressway.store import Write

__all__ = ["HANDLERS"]

_LONGEST_SECONDS: Final = 7 * 24 * 3600


class JoinTokenCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new join token."""

    expires_in_seconds: (
        Annotated[int, Meta(ge=1, le=_LONGEST_SECONDS, description="Else one hour")] | UnsetType
    ) = UNSET


class MadeJoinToken(Struct, frozen=True):
    """The token, which is never shown again."""

    server: str
    token: Annotated[str, Meta(description="`<secret>.<SHA-256 of the authority's certificate>`")]
    expires_on: Timestamp


@post(
    "/egressway/servers/{name:str}/join_tokens",
    operation_id="egressway.servers.joinTokens.create",
    tags=["egressway"],
    opt=OPERATOR,
    status_code=200,
    sync_to_thread=True,
)
def create_join_token(
    store: GivenStore, caller: GivenCaller, name: PathId, data: JsonBody[JoinTokenCreate]
) -> Answer[MadeJoinToken]:
    """Lets the server's node join the fleet, once; repeating it replaces the server's node."""
    refuse_unknown(data.members, ("expires_in_seconds",))
    seconds = data.members.get("expires_in_seconds", JOIN_TOKEN_LIFETIME.total_seconds())
    lifetime = timedelta(seconds=as_int(seconds, "/expires_in_seconds", 1, _LONGEST_SECONDS))
    with store.write(caller.actor) as write:
        token = JoinToken.new(_pin(write))
        expires_on = write.enrolment.invite(ServerName(name), token.digest, lifetime)
    return answer(MadeJoinToken(name, str(token), rfc3339(expires_on)))


HANDLERS: Final[list[HTTPRouteHandler]] = [create_join_token]


def _pin(write: Write) -> str:
    authority = write.enrolment.authority()
    if authority is None:
        raise Conflict(
            "This Egressway is one machine and lets no servers in. Start `egressway control`, "
            "then ask it for the token."
        )
    return certificate_pin(x509.load_der_x509_certificate(authority.certificate))
