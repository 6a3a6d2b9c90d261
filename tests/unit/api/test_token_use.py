"""A token tells when it was last used; noting it delays and breaks nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from tests.unit.api.world import World, wait_until


def last_used(world: World, account: str) -> dict[str, Any]:
    tokens = world.call("GET", f"/accounts/{account}/tokens")
    return {token["name"]: token.get("last_used_on") for token in tokens}


def test_use_is_told_of_the_token_that_was_used(world: World) -> None:
    account = world.account()
    value = world.token(account, name="used")
    world.token(account, name="idle")
    assert last_used(world, account) == {"used": None, "idle": None}
    revision = world.store_revision()
    with world.http(value) as http:
        assert http.get("/zones").status_code == 200
    wait_until(lambda: last_used(world, account)["used"] is not None, "the use is told")
    assert last_used(world, account)["idle"] is None
    assert world.store_revision() == revision, "nothing is distributed for it"


def test_store_that_cannot_be_written_does_not_hinder_reading(sqlite_world: World) -> None:
    world = sqlite_world
    value = world.token(world.account())
    with closing(sqlite3.connect(world.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with world.http(value) as http:
            answers = [http.get("/zones") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
