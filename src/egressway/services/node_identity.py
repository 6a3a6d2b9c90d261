"""Who `egressway node` is when it starts: as it was, or newly joined."""

from __future__ import annotations

import logging
from ipaddress import ip_address

import msgspec

from egressway.identity.join_token import JoinToken
from egressway.node.enrolment import ControlRefused, ControlUnreachable, join
from egressway.node.identity import Identity, IdentityFile
from egressway.services.configuration import Configuration
from egressway.services.invitation import Invitation
from egressway.services.start_error import StartError
from egressway.wire.snapshot import Link

__all__ = ["announced_link", "own_link", "start_identity"]

_log = logging.getLogger(__name__)


def start_identity(
    configuration: Configuration, file: IdentityFile, invitation: Invitation
) -> Identity:
    """The kept identity; or a new one, at the first start and with another join token.

    A token that stands in a unit file for ever is used once: it is remembered what was joined with.
    """
    kept = _kept(file)
    server = invitation.server or configuration.node.server or (kept.server if kept else None)
    token = _token(invitation)
    if kept is not None and (token is None or token.digest.hex() == kept.joined_with):
        if kept.server != server:
            raise StartError(
                f"the data directory holds the identity of the server `{kept.server}`, not of "
                f"`{server}`. Start it as `{kept.server}`, give another directory with `--data`, or "
                f"join it as `{server}` with a token: `egressway server token {server}`."
            )
        return kept
    if invitation.control_url is None or token is None or server is None:
        raise StartError(
            "this node has not joined a fleet yet. Give `--join`, `--token` and `--server`; the "
            "operator makes the token: `egressway server token NAME`."
        )
    return _join(configuration, file, invitation.control_url, token, server)


def own_link(configuration: Configuration) -> Link | None:
    """Where this node listens for its peers."""
    node = configuration.node
    return Link(str(node.link_address), node.link_port) if node.link_port else None


def announced_link(configuration: Configuration) -> str | None:
    """Where peers are told to reach this node."""
    node = configuration.node
    if node.link_port == 0:
        return None
    if node.link_address == ip_address("0.0.0.0") or node.link_address == ip_address("::"):  # noqa: S104
        raise StartError(
            f"`node.link_address` is `{node.link_address}`, which other servers cannot connect to. "
            "Give the address of this machine that they reach."
        )
    host = f"[{node.link_address}]" if node.link_address.version == 6 else node.link_address
    return f"{host}:{node.link_port}"


def _kept(file: IdentityFile) -> Identity | None:
    try:
        return file.read()
    except (OSError, msgspec.MsgspecError) as damage:
        raise StartError(
            f"the identity `{file.path}` cannot be read: {damage}. Make it readable for this user, "
            "or remove it and join again with a new token."
        ) from damage


def _token(invitation: Invitation) -> JoinToken | None:
    if invitation.token is None:
        return None
    token = JoinToken.parse(invitation.token)
    if token is None:
        raise StartError(
            "`--token` is no join token, or only a part of one. Give it as "
            "`egressway server token NAME` has shown it."
        )
    return token


def _join(
    configuration: Configuration,
    file: IdentityFile,
    control_url: str,
    token: JoinToken,
    server: str,
) -> Identity:
    link = announced_link(configuration)
    try:
        identity = join(control_url, token, server, link, file.joining_key())
        file.write(identity)
    except ControlRefused as refused:
        raise StartError(f"the fleet does not let this node in: {refused}") from refused
    except ControlUnreachable as unreachable:
        raise StartError(
            f"the fleet cannot be joined now: {unreachable}. Start again when it is there; the "
            "token is still good."
        ) from unreachable
    except OSError as failure:
        raise StartError(
            f"the identity `{file.path}` cannot be written: {failure.strerror}. Make its directory "
            "writable for this user, and start again with the same token."
        ) from failure
    _log.info("joined the fleet as `%s`, epoch %d", identity.server, identity.epoch)
    return identity
