"""Tokens: kept as digests, found by value, dead when disabled, expired or rolled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from egressway.model.account import Account
from egressway.model.clock import rfc3339
from egressway.model.errors import Conflict, Invalid, NotFound
from egressway.model.ids import AccountId
from egressway.model.permission import PERMISSION_GROUPS, Permission
from egressway.model.token import Principal, Token, TokenDraft, TokenStatus
from egressway.model.zone import Zone
from egressway.store import Store
from tests.unit.store.world import ALL, account_of, open_store

ACCOUNT = "com.cloudflare.api.account."
ZONE = "com.cloudflare.api.account.zone."
GROUP = {group.permission: group.id for group in PERMISSION_GROUPS}


def draft(resources: dict[str, Any], **members: Any) -> TokenDraft:
    policy = {
        "effect": "allow",
        "permission_groups": [{"id": GROUP[Permission.ZONE_READ]}],
        "resources": resources,
    }
    return TokenDraft.parse({"name": "t", "policies": [policy]} | members)


def create(store: Store, owner: AccountId | None, made: TokenDraft) -> tuple[Token, str]:
    with store.write("test") as write:
        return write.tokens.create(owner, made)


def holder(store: Store, value: str) -> Principal | None:
    with store.read() as read:
        return read.tokens.authenticate(value)


def status(store: Store, value: str) -> TokenStatus | None:
    with store.read() as read:
        token = read.tokens.verify(value)
    return None if token is None else token.status


def test_a_value_opens_what_its_policies_say(store: Store, account: Account) -> None:
    token, value = create(store, account.id, draft({ACCOUNT + account.id: "*"}))
    principal = holder(store, value)
    assert principal is not None
    assert (principal.token_id, principal.account_id) == (token.id, account.id)
    assert principal.may(Permission.ZONE_READ, account.id)
    assert not principal.is_operator
    assert len(value) >= 40
    assert value.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("value", ["", "x", "x" * 43, "x" * 100_000, "\udcff", "a\0b"])
def test_another_value_opens_nothing(store: Store, account: Account, value: str) -> None:
    create(store, account.id, draft({ACCOUNT + account.id: "*"}))
    assert holder(store, value) is None
    assert status(store, value) is None


def test_the_value_is_nowhere_in_the_files(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        account = account_of(store, "first")
        _, value = create(store, account.id, draft({ACCOUNT + account.id: "*"}))
        files = list(tmp_path.glob("egressway.db*"))
        assert any(str(account.id).encode() in path.read_bytes() for path in files)
        assert not any(value.encode() in path.read_bytes() for path in files)


def test_disabled_expired_and_early_tokens_open_nothing(store: Store, account: Account) -> None:
    now = datetime.now(UTC)
    resources = {ACCOUNT + account.id: "*"}
    token, value = create(store, account.id, draft(resources))
    for members, expected in (
        ({"status": "disabled"}, TokenStatus.DISABLED),
        ({"expires_on": rfc3339(now - timedelta(seconds=1))}, TokenStatus.EXPIRED),
        ({"not_before": rfc3339(now + timedelta(hours=1))}, TokenStatus.ACTIVE),
    ):
        with store.write("test") as write:
            write.tokens.update(account.id, token.id, draft(resources, **members))
        assert holder(store, value) is None
        assert status(store, value) is expected
    with store.write("test") as write:
        write.tokens.update(account.id, token.id, draft(resources))
    assert holder(store, value) is not None


def test_a_rolled_value_replaces_the_old_one(store: Store, account: Account) -> None:
    token, old = create(store, account.id, draft({ACCOUNT + account.id: "*"}))
    with store.write("test") as write:
        new = write.tokens.roll(account.id, token.id)
    assert holder(store, old) is None
    principal = holder(store, new)
    assert principal is not None
    assert principal.token_id == token.id


def test_a_deleted_token_opens_nothing(store: Store, account: Account) -> None:
    token, value = create(store, account.id, draft({ACCOUNT + account.id: "*"}))
    with store.write("test") as write:
        write.tokens.delete(account.id, token.id)
    assert holder(store, value) is None


def test_tokens_go_with_their_account(store: Store, account: Account) -> None:
    _, value = create(store, account.id, draft({ACCOUNT + account.id: "*"}))
    with store.write("test") as write:
        write.accounts.delete(account.id)
    assert holder(store, value) is None


def test_a_token_of_an_account_names_nothing_outside_it(
    store: Store, account: Account, other: Account, zone: Zone
) -> None:
    create(store, account.id, draft({ZONE + zone.id: "*"}))
    create(store, None, draft({ACCOUNT + other.id: "*"}))
    for owner, resources in (
        (account.id, {ACCOUNT + other.id: "*"}),
        (other.id, {ZONE + zone.id: "*"}),
        (other.id, {ACCOUNT + other.id: {ZONE + zone.id: "*"}}),
        (account.id, {ACCOUNT + other.id: {ZONE + zone.id: "*"}}),
    ):
        with pytest.raises(Invalid) as caught:
            create(store, owner, draft(resources))
        assert caught.value.pointer == "/policies/0/resources"


def test_tokens_are_listed_by_owner(store: Store, account: Account, other: Account) -> None:
    mine, _ = create(store, account.id, draft({ACCOUNT + account.id: "*"}))
    users, _ = create(store, None, draft({ACCOUNT + "*": "*"}))
    with store.write("test") as write:
        write.tokens.ensure_operator_token()
    with store.read() as read:
        assert read.tokens.list(account.id, ALL) == ([mine], 1)
        assert read.tokens.list(None, ALL) == ([users], 1)
        assert read.tokens.list(other.id, ALL) == ([], 0)
        assert read.tokens.get(account.id, mine.id) == mine
        for owner in (other.id, None):
            with pytest.raises(NotFound):
                read.tokens.get(owner, mine.id)


@pytest.mark.parametrize(("is_owned", "most"), [(True, 500), (False, 50)])
def test_there_are_so_many_tokens_and_not_one_more(
    store: Store, account: Account, other: Account, is_owned: bool, most: int
) -> None:
    owner = account.id if is_owned else None
    made = draft({ACCOUNT + account.id: "*"})
    with store.write("test") as write:
        write.tokens.ensure_operator_token()
        tokens = [write.tokens.create(owner, made)[0] for _ in range(most)]
    with pytest.raises(Conflict, match=f"There are {most} tokens"):
        create(store, owner, made)
    create(store, other.id, draft({ACCOUNT + other.id: "*"}))
    with store.write("test") as write:
        write.tokens.delete(owner, tokens[0].id)
    create(store, owner, made)


def test_the_operator_token_is_made_once_and_may_everything(store: Store, account: Account) -> None:
    with store.write("start") as write:
        value = write.tokens.ensure_operator_token()
    assert value is not None
    with store.write("start") as write:
        assert write.tokens.ensure_operator_token() is None
    principal = holder(store, value)
    assert principal is not None
    assert principal.is_operator
    assert principal.actor == "operator"
    assert principal.may(Permission.LEASED_IPS_WRITE, account.id)


def test_an_operator_token_that_was_not_committed_is_made_anew(store: Store) -> None:
    class Crash(Exception):
        pass

    lost: list[str | None] = []

    def start() -> None:
        with store.write("start") as write:
            lost.append(write.tokens.ensure_operator_token())
            raise Crash

    with pytest.raises(Crash):
        start()
    with store.write("start") as write:
        value = write.tokens.ensure_operator_token()
    assert value is not None
    assert holder(store, str(lost[0])) is None
    assert holder(store, value) is not None


def test_the_operator_token_is_rolled_only_as_such(store: Store) -> None:
    with pytest.raises(NotFound), store.write("start") as write:
        write.tokens.roll_operator_token()
    with store.write("start") as write:
        old = write.tokens.ensure_operator_token()
    principal = holder(store, str(old))
    assert principal is not None
    assert principal.token_id is not None
    with pytest.raises(NotFound), store.write("start") as write:
        write.tokens.delete(None, principal.token_id)
    with store.write("start") as write:
        new = write.tokens.roll_operator_token()
    assert holder(store, str(old)) is None
    assert holder(store, new) is not None
