"""API tokens: their rights, and their secret at the one moment it is shown."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from egressway.client.names import pick
from egressway.client.objects import Deleted, IssuedToken, PermissionGroup, Token, TokenStatus
from egressway.client.transport import Transport

__all__ = ["Tokens"]

USER_PATH = "/user/tokens"


class Tokens:
    """`/accounts/{owner}/tokens`, or `/user/tokens` for those without an owner: the operator's."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, owner: str | None = None) -> list[Token]:
        return self._transport.fetch_all(_path(owner), Token, "list the tokens")

    def get(self, token_id: str, *, owner: str | None = None) -> Token:
        path = f"{_path(owner)}/{token_id}"
        return self._transport.fetch(path, Token, f"read the token `{token_id}`")

    def find(self, reference: str, *, owner: str | None = None) -> Token:
        """The token of this id or name."""
        return pick(
            reference,
            self.list(owner=owner),
            "token",
            lambda token: [token.name] if token.name else [],
            lambda token: f"`{token.name}` ({token.id})",
        )

    def permission_groups(self) -> Sequence[PermissionGroup]:
        """The rights a token can be given."""
        return self._transport.fetch(
            f"{USER_PATH}/permission_groups", list[PermissionGroup], "list the permission groups"
        )

    def create(
        self,
        name: str,
        *,
        permission_group_ids: Sequence[str],
        resources: Mapping[str, str],
        owner: str | None = None,
        expires_on: datetime | None = None,
    ) -> IssuedToken:
        body: dict[str, object] = {
            "name": name,
            "policies": [
                {
                    "effect": "allow",
                    "permission_groups": [{"id": group} for group in permission_group_ids],
                    "resources": dict(resources),
                }
            ],
        }
        if expires_on is not None:
            body["expires_on"] = expires_on
        return self._transport.send(
            "POST", _path(owner), IssuedToken, f"create the token `{name}`", body
        )

    def roll(self, token_id: str, *, owner: str | None = None) -> str:
        """Give the token a new secret; the old one stops working at once."""
        path = f"{_path(owner)}/{token_id}/value"
        return self._transport.send("PUT", path, str, f"roll the token `{token_id}`", {})

    def delete(self, token_id: str, *, owner: str | None = None) -> Deleted:
        path = f"{_path(owner)}/{token_id}"
        return self._transport.send("DELETE", path, Deleted, f"delete the token `{token_id}`")

    def verify(self) -> TokenStatus:
        """What the API says of the token this client sends."""
        return self._transport.fetch(f"{USER_PATH}/verify", TokenStatus, "verify the token")


def _path(owner: str | None) -> str:
    return USER_PATH if owner is None else f"/accounts/{owner}/tokens"
