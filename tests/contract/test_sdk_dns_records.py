"""Conformance 30 with the official SDK: DNS records, batches, zone files."""

from __future__ import annotations

from typing import Any

import cloudflare
import pytest

from tests.unit.api.world import World


@pytest.fixture
def zone(world: World) -> str:
    return world.zone(world.account())


def test_record_lives_through_create_get_update_edit_delete(world: World, zone: str) -> None:
    records = world.sdk().dns.records
    made = records.create(
        zone_id=zone,
        type="A",
        name="www.example.com",
        content="203.0.113.7",
        ttl=1,
        proxied=True,
        settings={"origin_port": 8080, "origin_scheme": "http"},  # type: ignore[typeddict-unknown-key]
    )
    assert made is not None
    assert made.proxied is True
    assert made.settings.to_dict() == {"origin_port": 8080, "origin_scheme": "http"}
    shown = records.get(made.id, zone_id=zone)
    assert shown.content == "203.0.113.7"

    edited = records.edit(
        made.id, zone_id=zone, type="A", name="www", ttl=1, settings={"origin_port": 9090}
    )  # type: ignore[call-overload]
    assert edited.settings.to_dict() == {"origin_port": 9090, "origin_scheme": "http"}
    assert edited.content == "203.0.113.7"

    replaced = records.update(
        made.id, zone_id=zone, type="AAAA", name="www", content="2001:db8::1", ttl=300
    )
    assert (replaced.type, replaced.content) == ("AAAA", "2001:db8::1")
    assert replaced.settings.to_dict() == {}
    assert replaced.proxied is False
    assert records.delete(made.id, zone_id=zone).id == made.id
    with pytest.raises(cloudflare.NotFoundError):
        records.get(made.id, zone_id=zone)


def test_record_list_ends_after_the_last_page(world: World, zone: str) -> None:
    for place in range(7):
        world.record(zone, f"h{place}")
    names = [each.name for each in world.sdk().dns.records.list(zone_id=zone, per_page=3)]
    assert names == [f"h{place}.example.com" for place in range(7)]


def test_record_list_filters(world: World, zone: str) -> None:
    world.record(zone, "www", comment="the shop")
    world.record(zone, "api", content="203.0.113.8", proxied=False, ttl=300)
    world.record(zone, "www", type="AAAA", content="2001:db8::1")
    records = world.sdk().dns.records

    def found(**where: Any) -> list[tuple[str, str]]:
        listed = records.list(zone_id=zone, order="content", **where)
        return [(each.name.removesuffix(".example.com"), each.content) for each in listed]

    assert found(type="AAAA") == [("www", "2001:db8::1")]
    assert found(proxied=False) == [("api", "203.0.113.8")]
    assert found(name={"exact": "api.example.com"}) == [("api", "203.0.113.8")]
    assert found(name={"startswith": "www"}) == [("www", "2001:db8::1"), ("www", "203.0.113.7")]
    assert found(content={"contains": "113.7"}) == [("www", "203.0.113.7")]
    assert found(search="shop") == [("www", "203.0.113.7")]
    assert len(found(name={"startswith": "api"}, type="AAAA", match="any")) == 2
    assert found(direction="desc")[0] == ("api", "203.0.113.8")


def test_batch_does_everything_at_once(world: World, zone: str) -> None:
    kept, gone = world.record(zone, "kept"), world.record(zone, "gone")
    whole = world.record(zone, "whole")
    done = world.sdk().dns.records.batch(
        zone_id=zone,
        deletes=[{"id": gone["id"]}],
        patches=[{"id": kept["id"], "type": "A", "name": "kept", "ttl": 1, "comment": "hello"}],
        puts=[
            {"id": whole["id"], "type": "A", "name": "whole", "ttl": 60, "content": "203.0.113.9"}
        ],
        posts=[{"type": "A", "name": "new", "ttl": 1, "content": "203.0.113.10", "proxied": True}],
    )
    assert done is not None
    assert [each.id for each in done.deletes] == [gone["id"]]
    assert done.patches[0].comment == "hello"
    assert (done.puts[0].content, done.puts[0].proxied) == ("203.0.113.9", False)
    assert done.posts[0].name == "new.example.com"
    names = {each.name for each in world.sdk().dns.records.list(zone_id=zone)}
    assert names == {f"{name}.example.com" for name in ("kept", "whole", "new")}


def test_batch_with_one_mistake_changes_nothing(world: World, zone: str) -> None:
    kept = world.record(zone, "kept")
    with pytest.raises(cloudflare.BadRequestError) as caught:
        world.sdk().dns.records.batch(
            zone_id=zone,
            deletes=[{"id": kept["id"]}],
            posts=[
                {"type": "A", "name": "good", "ttl": 1, "content": "203.0.113.9"},
                {"type": "A", "name": "bad", "ttl": 1, "content": "10.0.0.1", "proxied": True},
            ],
        )
    assert caught.value.errors[0].source.pointer == "/posts/1/content"
    assert [each.id for each in world.sdk().dns.records.list(zone_id=zone)] == [kept["id"]]


def test_export_is_imported_back_to_the_same_records(world: World, zone: str) -> None:
    world.record(zone, "www")
    world.record(zone, "@", proxied=False, ttl=300)
    world.record(zone, "v6", type="AAAA", content="2001:db8::1")
    world.record(zone, "note", type="TXT", content="a ; b", proxied=False)
    client = world.sdk()
    text = client.dns.records.export(zone_id=zone)
    world.call("DELETE", f"/zones/{zone}")
    again = world.zone(world.account())

    done = client.dns.records.import_(zone_id=again, file=text)
    assert (done.recs_added, done.total_records_parsed) == (3, 3)
    found = {
        (each.name, each.type, each.content, each.ttl, each.proxied)
        for each in client.dns.records.list(zone_id=again)
    }
    assert found == {
        ("www.example.com", "A", "203.0.113.7", 1, True),
        ("example.com", "A", "203.0.113.7", 300, False),
        ("v6.example.com", "AAAA", "2001:db8::1", 1, True),
    }


def test_import_with_one_mistake_adds_nothing(world: World, zone: str) -> None:
    with pytest.raises(cloudflare.BadRequestError) as caught:
        world.sdk().dns.records.import_(
            zone_id=zone, file="a 300 IN A 203.0.113.7\nb 300 IN A nonsense\n"
        )
    assert "nonsense" in caught.value.errors[0].message
    assert caught.value.errors[0].source.pointer == "/file"
    assert list(world.sdk().dns.records.list(zone_id=zone)) == []


def test_import_proxies_all_records_on_request(world: World, zone: str) -> None:
    done = world.sdk().dns.records.import_(
        zone_id=zone, file="www 300 IN A 203.0.113.7\nwww IN TXT hello\n", proxied="true"
    )
    assert (done.recs_added, done.total_records_parsed) == (1, 2)
    assert [each.proxied for each in world.sdk().dns.records.list(zone_id=zone)] == [True]
