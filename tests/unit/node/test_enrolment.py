"""A node joins its own fleet, once, and stays in it; who may not is told why and what to do."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from cryptography import x509

from egressway.identity.authority import Authority
from egressway.identity.join_token import JoinToken
from egressway.identity.names import CONTROL_NAME, server_of
from egressway.identity.node_key import NodeKey
from egressway.identity.tls import client_context
from egressway.model.enrolment import Refusal
from egressway.model.server import ServerName
from egressway.node.enrolment import ControlRefused, ControlUnreachable, join, renew
from egressway.node.identity import Identity, IdentityFile
from egressway.node.renewal import Renewal
from tests.support.addresses import listening_port
from tests.support.enrolment import EnrolmentDesk
from tests.support.waiting import eventually


@pytest.fixture
def desk(tmp_path) -> Iterator[EnrolmentDesk]:
    with EnrolmentDesk(tmp_path / "control") as running:
        yield running


def joined(desk: EnrolmentDesk, server: str = "s1", link: str | None = None) -> Identity:
    return join(desk.url, desk.token(server), server, link, NodeKey.generate())


def refusal(call) -> ControlRefused:
    with pytest.raises(ControlRefused) as refused:
        call()
    return refused.value


def test_joined_node_holds_a_certificate_of_its_server(desk):
    identity = joined(desk, link="192.0.2.1:8644")
    certificate = x509.load_pem_x509_certificate(identity.certificate.encode())
    assert server_of(certificate) == identity.server == "s1"
    assert desk.authority.has_signed(certificate)
    assert identity.bus_url == "nats://127.0.0.1:4222"
    assert identity.epoch == desk.epoch() == 1
    with desk.store.read() as read:
        server = read.servers.get(ServerName("s1"))
        assert (server.number, str(server.link)) == (identity.number, "192.0.2.1:8644")
        assert [each.epoch for each in read.enrolment.certificates(ServerName("s1"))] == [1]


def test_certificate_is_renewed_long_before_it_ends(desk):
    identity = joined(desk)
    life = identity.not_after - datetime.now(UTC)
    assert timedelta(hours=23.9) < life <= timedelta(hours=24)
    assert timedelta(hours=15.9) < identity.renew_at - datetime.now(UTC) < timedelta(hours=16.1)


def test_token_lets_in_one_node_only(desk):
    token = desk.token()
    join(desk.url, token, "s1", None, NodeKey.generate())
    refused = refusal(lambda: join(desk.url, token, "s1", None, NodeKey.generate()))
    assert refused.code == Refusal.USED_TOKEN
    assert "`egressway server token s1`" in str(refused)
    assert desk.epoch() == 1


def test_node_whose_answer_was_lost_may_ask_again(desk):
    token, key = desk.token(), NodeKey.generate()
    join(desk.url, token, "s1", None, key)
    assert join(desk.url, token, "s1", None, key).epoch == desk.epoch() == 2


def test_expired_token_is_refused(desk):
    token = desk.token(lifetime=timedelta(seconds=-1))
    refused = refusal(lambda: join(desk.url, token, "s1", None, NodeKey.generate()))
    assert refused.code == Refusal.EXPIRED_TOKEN
    assert "`egressway server token s1`" in str(refused)


def test_token_of_another_server_is_refused(desk):
    token = desk.token("s1")
    refused = refusal(lambda: join(desk.url, token, "s2", None, NodeKey.generate()))
    assert refused.code == Refusal.OTHER_SERVER
    assert join(desk.url, token, "s1", None, NodeKey.generate()).server == "s1"


def test_invented_token_is_refused(desk):
    token = JoinToken.new(desk.authority.pin)
    refused = refusal(lambda: join(desk.url, token, "s1", None, NodeKey.generate()))
    assert refused.code == Refusal.UNKNOWN_TOKEN


def test_node_shows_its_token_to_no_other_fleet(desk):
    foreign = JoinToken.new(Authority.create(datetime.now(UTC)).pin)
    with pytest.raises(ControlRefused, match=r"another fleet.*nothing was shown"):
        join(desk.url, foreign, "s1", None, NodeKey.generate())


def test_token_is_kept_as_a_digest_only(desk, tmp_path):
    token = desk.token()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "control").glob("store.sqlite*"))
    assert token.digest in stored
    assert token.secret.encode() not in stored


def test_renewed_certificate_has_a_new_key_and_the_same_epoch(desk):
    identity = joined(desk)
    renewed = renew(identity)
    assert renewed.key != identity.key
    assert renewed.certificate != identity.certificate
    assert (renewed.server, renewed.number, renewed.epoch) == ("s1", identity.number, 1)
    assert renew(renewed).epoch == 1


def test_certificate_that_ended_while_the_node_was_off_is_renewed(tmp_path):
    with EnrolmentDesk(tmp_path / "control", hours=1e-6) as desk:
        identity = joined(desk)
        eventually(lambda: datetime.now(UTC) > identity.not_after)
        assert renew(identity).server == "s1"


def test_second_node_of_a_server_ends_the_renewals_of_the_first(desk):
    first = joined(desk)
    second = joined(desk)
    assert second.epoch == 2
    refused = refusal(lambda: renew(first))
    assert refused.code == Refusal.SUPERSEDED
    assert "Stop this one" in str(refused)
    assert renew(second).epoch == 2


def test_revoked_server_neither_renews_nor_joins(desk):
    identity, token = joined(desk), desk.token()
    desk.revoke()
    assert refusal(lambda: renew(identity)).code == Refusal.REVOKED
    key = NodeKey.generate()
    assert refusal(lambda: join(desk.url, token, "s1", None, key)).code == Refusal.REVOKED


def test_certificate_of_another_authority_is_not_renewed(desk):
    key, now = NodeKey.generate(), datetime.now(UTC)
    foreign = Authority.create(now).issue_node("s1", key.public, now, timedelta(hours=1))
    identity = msgspec.structs.replace(
        joined(desk), certificate=foreign.chain.decode(), key=key.pem.decode()
    )
    assert refusal(lambda: renew(identity)).code == Refusal.FOREIGN_CERTIFICATE


def test_certificate_without_its_key_is_not_renewed(desk):
    thief = NodeKey.generate().pem.decode()
    identity = msgspec.structs.replace(joined(desk), key=thief)
    assert refusal(lambda: renew(identity)).code == Refusal.UNPROVEN


def test_certificate_of_a_removed_server_is_not_renewed(desk):
    identity = joined(desk)
    with desk.store.write("test") as write:
        write.servers.delete(ServerName("s1"))
    assert refusal(lambda: renew(identity)).code == Refusal.FOREIGN_CERTIFICATE


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/server"),
        ({"server": "s1"}, "/token"),
        ({"server": "s1", "token": "half"}, "/token"),
        ({"server": "Not A Name", "token": "t"}, "/server"),
        ({"server": "s1", "more": 1}, "/more"),
    ],
)
def test_bad_request_is_refused_at_its_place(desk, body, pointer):
    context = client_context(desk.authority.certificate_pem)
    with httpx.Client(verify=context) as client:
        answer = client.post(
            f"{desk.url}/enrolment/join", json=body, extensions={"sni_hostname": CONTROL_NAME}
        )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"]["pointer"] == pointer


def test_absent_control_plane_is_told_with_its_place(desk):
    port = listening_port()
    with pytest.raises(ControlUnreachable, match=f"127.0.0.1:{port}"):
        join(f"https://127.0.0.1:{port}", desk.token(), "s1", None, NodeKey.generate())


def test_next_replica_is_asked_when_the_first_is_away(desk):
    urls = f"https://127.0.0.1:{listening_port()}, {desk.url}"
    identity = join(urls, desk.token(), "s1", None, NodeKey.generate())
    assert renew(identity).control_url == urls


def test_identity_is_kept_for_its_owner_alone(desk, tmp_path):
    file = IdentityFile(tmp_path)
    assert file.read() is None
    key = file.joining_key()
    assert file.joining_key().pem == key.pem
    identity = join(desk.url, desk.token(), "s1", None, key)
    file.write(identity)
    assert file.read() == identity
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["identity.json"]


def test_key_is_not_shown_by_repr(desk):
    identity = joined(desk)
    assert "PRIVATE" not in repr(identity)


# The thread that renews.


@dataclass
class Told:
    """What a renewal has told."""

    used: list[Identity]
    refused: list[ControlRefused]


def renewal(identity: Identity, tmp_path, **more) -> tuple[Renewal, Told]:
    told = Told([], [])
    made = Renewal(identity, IdentityFile(tmp_path), told.used.append, told.refused.append, **more)
    return made, told


def test_node_renews_by_itself_when_it_is_time(tmp_path):
    with EnrolmentDesk(tmp_path / "control", hours=1 / 3600) as desk:
        thread, told = renewal(joined(desk), tmp_path)
        thread.start()
        eventually(lambda: len(told.used) >= 2)
        thread.stop()
    assert IdentityFile(tmp_path).read() == told.used[-1] == thread.identity
    assert thread.failure is None


def test_absent_control_plane_costs_nothing_but_a_remark(desk, tmp_path):
    def unreachable(_: Identity) -> Identity:
        raise ControlUnreachable("nobody is there")

    identity = joined(desk)
    thread, told = renewal(identity, tmp_path, ask=unreachable)
    assert not thread.renew_once()
    assert "nobody is there" in (thread.failure or "")
    assert thread.identity is identity
    assert (told.used, told.refused) == ([], [])


def test_refused_renewal_is_told(desk, tmp_path):
    thread, told = renewal(joined(desk), tmp_path)
    desk.revoke()
    assert not thread.renew_once()
    assert [each.code for each in told.refused] == [Refusal.REVOKED]
