"""One request: what is sent, what comes back, what is tried again, what is said when it fails."""

from __future__ import annotations

import pytest

from egressway.client import (
    Access,
    Client,
    ConflictError,
    InterruptedRequestError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotConfiguredError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    RefusedError,
    ServerFailedError,
    Transport,
    UnexpectedAnswerError,
    UnreachableError,
)
from tests.support.addresses import listening_port
from tests.support.scripted_api import Reply, ScriptedApi, failure, hang_up, success
from tests.unit.client.conftest import TOKEN, Pauses

ACCOUNT = {"id": "a" * 32, "name": "Example"}
FAULT = {"code": 1004, "message": "The name is taken.", "source": {"pointer": "/name"}}


def test_a_request_carries_the_token_and_the_result_is_unwrapped(
    api: ScriptedApi, client: Client
) -> None:
    api.on("POST", "/accounts", success(ACCOUNT))
    account = client.accounts.create("Example")
    assert (account.id, account.name) == (ACCOUNT["id"], "Example")
    [sent] = api.received
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
    assert sent.body == {"name": "Example", "type": "standard"}


def test_all_pages_are_read(api: ScriptedApi, client: Client) -> None:
    items = [{"id": f"{n:032x}", "name": f"account {n}"} for n in range(5)]
    api.paged("/accounts", items, per_page=2)
    assert [account.name for account in client.accounts.list()] == [i["name"] for i in items]
    assert [sent.query["page"] for sent in api.received] == ["1", "2", "3"]


def test_a_list_without_totals_ends_at_the_empty_page(api: ScriptedApi, client: Client) -> None:
    info = {"page": 1}
    api.on("GET", "/accounts", success([ACCOUNT], result_info=info), success([], result_info=info))
    assert len(client.accounts.list()) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, NotAuthenticatedError),
        (403, NotPermittedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, InvalidRequestError),
        (429, RateLimitedError),
        (500, ServerFailedError),
        (503, ServerFailedError),
    ],
)
def test_a_failure_is_an_exception_of_its_status_with_the_envelopes_words(
    api: ScriptedApi, client: Client, status: int, kind: type[RefusedError]
) -> None:
    api.on("POST", "/accounts", failure(status, FAULT))
    with pytest.raises(kind) as raised:
        client.accounts.create("Example")
    error = raised.value
    assert error.what == "Could not create the account `Example`."
    assert error.why == ("The name is taken. (1004, at `/name`)",)
    assert error.pointer == "/name"
    assert error.what_to_do


def test_a_success_status_with_a_failure_envelope_is_a_failure(
    api: ScriptedApi, client: Client
) -> None:
    api.on("POST", "/accounts", failure(200, FAULT))
    with pytest.raises(RefusedError, match="The name is taken"):
        client.accounts.create("Example")


def test_a_read_is_tried_again_while_the_server_is_unwell(
    api: ScriptedApi, client: Client, pauses: Pauses
) -> None:
    api.on("GET", "/accounts/1", failure(503), hang_up(), success(ACCOUNT))
    assert client.accounts.get("1").name == "Example"
    assert len(api.received) == 3
    assert pauses.seconds == sorted(pauses.seconds)
    assert min(pauses.seconds) > 0


def test_a_read_is_given_up_after_three_attempts(api: ScriptedApi, client: Client) -> None:
    api.on("GET", "/accounts/1", failure(503))
    with pytest.raises(ServerFailedError):
        client.accounts.get("1")
    assert len(api.received) == 3


def test_a_write_whose_answer_got_lost_is_not_sent_again(api: ScriptedApi, client: Client) -> None:
    api.on("POST", "/accounts", hang_up())
    with pytest.raises(InterruptedRequestError, match="It is unknown whether") as raised:
        client.accounts.create("Example")
    assert not raised.value.is_retry_safe
    assert len(api.received) == 1


def test_a_write_that_failed_inside_the_server_is_not_sent_again(
    api: ScriptedApi, client: Client
) -> None:
    api.on("DELETE", "/accounts/1", failure(500, x_request_id="r-1"))
    with pytest.raises(ServerFailedError, match="`r-1`"):
        client.accounts.delete("1")
    assert len(api.received) == 1


@pytest.mark.parametrize(
    "reply",
    [
        failure(429, retry_after="2"),
        failure(503, retry_after="2"),
        failure(500, retry_after="2", x_should_retry="true"),
    ],
)
def test_a_write_is_sent_again_when_the_server_says_that_nothing_was_done(
    api: ScriptedApi, client: Client, pauses: Pauses, reply: Reply
) -> None:
    api.on("POST", "/accounts", reply, success(ACCOUNT))
    assert client.accounts.create("Example").name == "Example"
    assert pauses.seconds == [2.0]


def test_a_retry_that_the_server_forbids_is_not_made(api: ScriptedApi, client: Client) -> None:
    api.on("GET", "/accounts/1", failure(503, x_should_retry="false"))
    with pytest.raises(ServerFailedError):
        client.accounts.get("1")
    assert len(api.received) == 1


def test_a_long_ban_is_told_and_not_waited_for(
    api: ScriptedApi, client: Client, pauses: Pauses
) -> None:
    api.on("GET", "/accounts/1", failure(429, retry_after="300"))
    with pytest.raises(RateLimitedError, match="in 300 s"):
        client.accounts.get("1")
    assert pauses.seconds == []


def test_nothing_listening_is_unreachable_and_safe_to_repeat(pauses: Pauses) -> None:
    url = f"http://127.0.0.1:{listening_port()}"
    with (
        Client(Transport(Access(url, TOKEN), sleep=pauses)) as client,
        pytest.raises(UnreachableError, match="egressway up") as raised,
    ):
        client.accounts.create("Example")
    assert raised.value.is_retry_safe
    assert len(pauses.seconds) == 2


def test_an_answer_that_is_not_ours_is_named_as_such(api: ScriptedApi, client: Client) -> None:
    api.on("GET", "/accounts/1", Reply(200, b"<html>hello</html>"))
    with pytest.raises(UnexpectedAnswerError, match="EGRESSWAY_URL"):
        client.accounts.get("1")


def test_a_result_of_another_shape_is_not_let_in(api: ScriptedApi, client: Client) -> None:
    api.on("GET", "/accounts/1", success({"id": 7}))
    with pytest.raises(UnexpectedAnswerError, match="another shape"):
        client.accounts.get("1")


def test_the_token_does_not_follow_a_redirect(api: ScriptedApi, client: Client) -> None:
    api.on("GET", "/accounts/1", Reply(302, b"", {"Location": f"{api.url}/elsewhere"}))
    with pytest.raises(UnexpectedAnswerError):
        client.accounts.get("1")
    assert len(api.received) == 1


def test_without_a_token_nothing_is_sent(api: ScriptedApi) -> None:
    access = Access(api.url, None, "Nobody gave one.")
    with (
        Client(Transport(access)) as client,
        pytest.raises(NotConfiguredError, match="Nobody gave one"),
    ):
        client.accounts.list()
    assert api.received == []


def test_a_proxy_of_the_environment_is_not_asked_about_this_machine(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{listening_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    api.on("GET", "/accounts/1", success(ACCOUNT))
    with Client(Transport(Access(api.url, TOKEN))) as client:
        assert client.accounts.get("1").name == "Example"


def test_a_request_id_is_told_once(api: ScriptedApi, client: Client) -> None:
    fault = {"code": 1101, "message": "The API failed, see request `r-1`."}
    api.on("DELETE", "/accounts/1", failure(500, fault, x_request_id="r-1"))
    with pytest.raises(ServerFailedError) as raised:
        client.accounts.delete("1")
    assert str(raised.value).count("r-1") == 1


def test_the_shared_ranges_are_asked_for_without_a_token(api: ScriptedApi) -> None:
    api.on("GET", "/ips", success({"ipv4_cidrs": ["198.51.100.0/28"]}))
    with (
        Client(Transport(Access(api.url))) as bare,
        Client(Transport(Access(api.url, TOKEN))) as own,
    ):
        assert bare.measurements.shared_ranges() == own.measurements.shared_ranges()
    assert not any("Authorization" in sent.headers for sent in api.received)
