"""A node is who it was, joins when it is nobody yet, and says what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from egressway.node.identity import IdentityFile
from egressway.services.configuration import Configuration
from egressway.services.configuration.types import Node
from egressway.services.invitation import Invitation
from egressway.services.node_identity import announced_link, own_link, start_identity
from egressway.services.start_error import StartError
from egressway.wire.snapshot import Link
from tests.support.enrolment import EnrolmentDesk


@pytest.fixture
def desk(tmp_path) -> Iterator[EnrolmentDesk]:
    with EnrolmentDesk(tmp_path / "control") as running:
        yield running


@pytest.fixture
def file(tmp_path) -> IdentityFile:
    return IdentityFile(tmp_path)


NOTHING = Invitation()
CONFIGURATION = Configuration()


def refusal(file: IdentityFile, invitation: Invitation) -> str:
    with pytest.raises(StartError) as refused:
        start_identity(CONFIGURATION, file, invitation)
    return str(refused.value)


def test_first_start_needs_an_invitation(file):
    assert "`--join`, `--token` and `--server`" in refusal(file, NOTHING)


def test_later_starts_need_nothing(desk, file):
    invitation = Invitation(desk.url, str(desk.token()), "s1")
    joined = start_identity(CONFIGURATION, file, invitation)
    assert start_identity(CONFIGURATION, file, NOTHING) == joined
    assert start_identity(CONFIGURATION, file, invitation) == joined
    assert desk.epoch() == 1


def test_another_token_joins_again(desk, file):
    start_identity(CONFIGURATION, file, Invitation(desk.url, str(desk.token()), "s1"))
    again = Invitation(desk.url, str(desk.token()), "s1")
    assert start_identity(CONFIGURATION, file, again).epoch == desk.epoch() == 2


def test_directory_of_another_server_is_not_taken(desk, file):
    start_identity(CONFIGURATION, file, Invitation(desk.url, str(desk.token()), "s1"))
    told = refusal(file, Invitation(server="s2"))
    assert "identity of the server `s1`, not of `s2`" in told
    assert "`egressway server token s2`" in told


def test_half_a_token_is_told(desk, file):
    half = str(desk.token()).partition(".")[0]
    assert "only a part of one" in refusal(file, Invitation(desk.url, half, "s1"))


def test_refusal_of_the_fleet_is_told(desk, file):
    told = refusal(file, Invitation(desk.url, str(desk.token("s2")), "s1"))
    assert "is for another server" in told


def test_fleet_that_cannot_be_reached_leaves_the_token_good(desk, file):
    token = str(desk.token())
    told = refusal(file, Invitation("https://127.0.0.1:1", token, "s1"))
    assert "the token is still good" in told
    assert start_identity(CONFIGURATION, file, Invitation(desk.url, token, "s1")).server == "s1"


def test_damaged_identity_is_told_with_its_place(file):
    file.path.write_text("{", encoding="utf-8")
    told = refusal(file, NOTHING)
    assert str(file.path) in told
    assert "join again" in told


def test_token_is_not_shown_by_repr():
    assert "secret" not in repr(Invitation("https://192.0.2.1:8601", "secret", "s1"))


@pytest.mark.parametrize(
    ("address", "port", "told", "own"),
    [
        ("192.0.2.1", 8644, "192.0.2.1:8644", Link("192.0.2.1", 8644)),
        ("2001:db8::1", 8644, "[2001:db8::1]:8644", Link("2001:db8::1", 8644)),
        ("192.0.2.1", 0, None, None),
    ],
)
def test_peers_are_told_where_this_node_listens(address, port, told, own):
    node = Node(link_address=ip_address(address), link_port=port)
    configuration = replace(CONFIGURATION, node=node)
    assert announced_link(configuration) == told
    assert own_link(configuration) == own


def test_peers_cannot_connect_to_every_address():
    everywhere = replace(CONFIGURATION, node=Node(link_address=ip_address("0.0.0.0")))
    with pytest.raises(StartError, match=r"`node\.link_address`"):
        announced_link(everywhere)
