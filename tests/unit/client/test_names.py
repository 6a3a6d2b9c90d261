"""Names where ids are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from egressway.client import AmbiguousNameError, Client, UnknownNameError
from egressway.client.names import pick
from tests.support.scripted_api import ScriptedApi, success


@dataclass(frozen=True)
class Thing:
    id: str
    name: str


THINGS = [Thing("1", "edge"), Thing("2", "core"), Thing("3", "core")]


def find(reference: str) -> Thing:
    return pick(reference, THINGS, "thing", lambda t: [t.name], lambda t: f"{t.name}={t.id}")


def test_an_id_and_a_name_find_the_same_object() -> None:
    assert find("1") is find("edge") is THINGS[0]


def test_an_id_wins_over_a_name() -> None:
    things = [Thing("1", "2"), Thing("2", "x")]
    assert pick("2", things, "thing", lambda t: [t.name], repr) is things[1]


def test_a_name_of_several_is_refused_and_the_ids_are_listed() -> None:
    with pytest.raises(AmbiguousNameError, match="core=2, core=3") as raised:
        find("core")
    assert "id" in raised.value.what_to_do


def test_an_unknown_name_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(UnknownNameError, match="edge=1, core=2, core=3"):
        find("none")


def test_long_lists_are_cut() -> None:
    many = [Thing(str(n), f"t{n}") for n in range(50)]
    with pytest.raises(UnknownNameError, match="40 more"):
        pick("none", many, "thing", lambda t: [t.name], lambda t: t.name)


ZONE = {"id": "f" * 32, "name": "example.com", "account": {"id": "a" * 32, "name": "Example"}}


def test_a_zone_is_found_by_name_without_reading_all_zones(
    api: ScriptedApi, client: Client
) -> None:
    api.paged("/zones", [ZONE])
    assert client.zones.find("Example.com.").id == ZONE["id"]
    assert [sent.query.get("name") for sent in api.received] == ["example.com"]


def test_a_zone_is_found_by_its_id(api: ScriptedApi, client: Client) -> None:
    api.paged("/zones", [ZONE])
    api.on("GET", f"/zones/{ZONE['id']}", success(ZONE))
    assert client.zones.find("f" * 32).name == "example.com"


def test_a_zone_of_neither_is_unknown(api: ScriptedApi, client: Client) -> None:
    api.paged("/zones", [ZONE])
    with pytest.raises(UnknownNameError, match=r"`other\.example\.com`"):
        client.zones.find("other.example.com")


@pytest.mark.parametrize("reference", ["www.example.com", "www", "1" * 32])
def test_a_record_is_found_by_whole_name_relative_name_or_id(
    api: ScriptedApi, client: Client, reference: str
) -> None:
    records = [
        {"id": "1" * 32, "name": "www.example.com", "type": "A", "content": "192.0.2.1"},
        {"id": "2" * 32, "name": "example.com", "type": "A", "content": "192.0.2.2"},
    ]
    api.paged("/zones", [ZONE])
    api.paged(f"/zones/{ZONE['id']}/dns_records", records)
    zone = client.zones.find("example.com")
    assert client.records.find(zone, reference).content == "192.0.2.1"
    assert client.records.find(zone, "@").content == "192.0.2.2"
