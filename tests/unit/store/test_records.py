"""DNS records, and to whom a hostname belongs."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import chain
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from egressway.model.account import Account
from egressway.model.address import OriginNetworks
from egressway.model.errors import Conflict, Invalid, NotFound
from egressway.model.ids import RecordId
from egressway.model.origin import OriginDetails, OriginScheme
from egressway.model.paging import Direction, Paging, TextFilter
from egressway.model.record import Record, RecordBatch, RecordFilter, RecordType
from egressway.model.zone import Zone
from egressway.store import Store
from egressway.store.schema import HostRow
from tests.unit.store.world import (
    ALL,
    account_of,
    around_the_writers,
    draft_of,
    open_store,
    record_of,
    zone_of,
)


def contents(store: Store, zone: Zone, paging: Paging = ALL, **where: object) -> list[str]:
    with store.read() as read:
        records, total = read.records.list(zone.id, paging, RecordFilter(**where))  # type: ignore[arg-type]
        assert total >= len(records)
        return [record.content for record in records]


def delete(store: Store, record: Record) -> Record:
    with store.write("test") as write:
        return write.records.delete(record.zone_id, record.id)


def test_a_record_comes_back_as_it_was_created(store: Store, zone: Zone) -> None:
    record = record_of(
        store,
        zone,
        "www",
        ttl=300,
        comment="c",
        tags=["a:b"],
        settings={
            "origin_port": 8080,
            "origin_scheme": "https",
            "origin_sni": "origin.example.net",
            "origin_host": "host.example.net",
            "origin_http2": False,
            "origin_verify": "off",
            "ipv4_only": True,
        },
    )
    with store.read() as read:
        assert read.records.get(zone.id, record.id) == record
    assert (record.name, record.ttl, record.proxied) == ("www.example.com", 1, True)
    assert record.details.members()["origin_sni"] == "origin.example.net"
    assert record.comment_modified_on == record.tags_modified_on == record.created_on


def test_an_identical_record_is_refused(store: Store, zone: Zone) -> None:
    record_of(store, zone)
    with pytest.raises(Conflict) as caught:
        record_of(store, zone, "WWW.example.com.")
    assert caught.value.code == 81058
    record_of(store, zone, "www", "192.0.2.10")


def test_a_cname_stands_alone(store: Store, zone: Zone) -> None:
    record_of(store, zone, "www")
    cname = {"type": "CNAME", "content": "a.example.net", "proxied": False}
    with pytest.raises(Conflict, match="a CNAME stands alone"):
        record_of(store, zone, "www", **cname)
    record_of(store, zone, "alias", **cname)
    with pytest.raises(Conflict):
        record_of(store, zone, "alias")
    with pytest.raises(Conflict):
        record_of(store, zone, "alias", **(cname | {"content": "b.example.net"}))


def test_short_ttls_are_for_enterprise_accounts(store: Store, zone: Zone) -> None:
    with pytest.raises(Invalid) as caught:
        record_of(store, zone, ttl=30, proxied=False)
    assert caught.value.pointer == "/ttl"
    big = zone_of(store, account_of(store, "big", type="enterprise"), "big.example")
    assert record_of(store, big, ttl=30, proxied=False).ttl == 30


@pytest.mark.parametrize("inside", ["127.0.0.1", "169.254.169.254", "10.0.0.1"])
def test_an_origin_inside_the_fleet_is_refused(store: Store, zone: Zone, inside: str) -> None:
    with pytest.raises(Invalid) as caught:
        record_of(store, zone, "www", inside)
    assert caught.value.pointer == "/content"
    unproxied = record_of(store, zone, "www", inside, proxied=False)
    with pytest.raises(Invalid), store.write("test") as write:
        write.records.patch(zone.id, unproxied.id, {"proxied": True})
    assert contents(store, zone, proxied=True) == []


def test_an_origin_inside_the_fleet_is_allowed_by_the_operator(tmp_path: Path) -> None:
    allowed = OriginNetworks(allowed=(ip_network("127.0.0.0/8"),))
    with open_store(tmp_path, allowed) as store:
        zone = zone_of(store, account_of(store, "a"), "example.com")
        assert record_of(store, zone, "www", "127.0.0.5").proxied


def test_a_hostname_belongs_to_one_zone(store: Store, zone: Zone, other: Account) -> None:
    below = zone_of(store, other, "www.example.com")
    mine = record_of(store, zone, "www")
    with pytest.raises(Conflict) as caught:
        record_of(store, below, "@")
    assert caught.value.pointer == "/name"
    record_of(store, below, "@", proxied=False)
    delete(store, mine)
    record_of(store, below, "@", "192.0.2.77")
    with pytest.raises(Conflict):
        record_of(store, zone, "www")


def test_a_name_is_held_until_its_last_proxied_record_goes(
    store: Store, zone: Zone, other: Account
) -> None:
    below = zone_of(store, other, "www.example.com")
    first, second = record_of(store, zone), record_of(store, zone, "www", "192.0.2.10")
    delete(store, first)
    with pytest.raises(Conflict):
        record_of(store, below, "@")
    with store.write("test") as write:
        write.records.patch(zone.id, second.id, {"proxied": False})
    assert record_of(store, below, "@").proxied


def test_moving_a_record_gives_the_old_name_back(store: Store, zone: Zone, other: Account) -> None:
    below = zone_of(store, other, "www.example.com")
    record = record_of(store, zone)
    with store.write("test") as write:
        write.records.replace(zone.id, record.id, draft_of("elsewhere"))
    assert record_of(store, below, "@").proxied


def test_deleting_a_zone_gives_its_names_back(store: Store, zone: Zone, other: Account) -> None:
    below = zone_of(store, other, "www.example.com")
    record_of(store, zone)
    with store.write("test") as write:
        write.zones.delete(zone.id)
    assert record_of(store, below, "@").proxied


def test_a_wildcard_holds_its_names_against_other_accounts(
    store: Store, account: Account, zone: Zone, other: Account
) -> None:
    record_of(store, zone, "*")
    foreign = zone_of(store, other, "shop.example.com")
    with pytest.raises(Conflict, match=r"covered by \*\.example\.com"):
        record_of(store, foreign, "@")
    assert record_of(store, foreign, "deeper").proxied
    own = zone_of(store, account, "api.example.com")
    assert record_of(store, own, "@").proxied


def test_the_database_itself_guards_hostnames(store: Store, zone: Zone, account: Account) -> None:
    record_of(store, zone)
    second = zone_of(store, account, "www.example.com")
    with pytest.raises(IntegrityError), around_the_writers(store) as connection:
        connection.execute(insert(HostRow).values(name="www.example.com", zone_id=second.id))


def test_a_patch_changes_what_it_names(store: Store, zone: Zone) -> None:
    record = record_of(store, zone, settings={"origin_port": 8080})
    with store.write("test") as write:
        changed = write.records.patch(
            zone.id, record.id, {"settings": {"origin_scheme": "http"}, "comment": "new"}
        )
    assert changed.details == OriginDetails(port=8080, scheme=OriginScheme.HTTP)
    assert (changed.id, changed.created_on) == (record.id, record.created_on)
    assert changed.modified_on == changed.comment_modified_on > record.modified_on
    assert changed.tags_modified_on == record.tags_modified_on


def test_a_replacement_forgets_what_it_does_not_name(store: Store, zone: Zone) -> None:
    record = record_of(store, zone, comment="c", settings={"origin_port": 8080})
    with store.write("test") as write:
        replaced = write.records.replace(zone.id, record.id, draft_of())
    assert (replaced.comment, replaced.details) == (None, OriginDetails())


def test_records_of_other_zones_are_not_found(store: Store, account: Account, zone: Zone) -> None:
    record = record_of(store, zone)
    second = zone_of(store, account, "example.net")
    with store.write("test") as write:
        for call in (
            lambda: write.records.get(second.id, record.id),
            lambda: write.records.patch(second.id, record.id, {}),
            lambda: write.records.delete(second.id, record.id),
            lambda: write.records.get(zone.id, RecordId("0" * 32)),
        ):
            with pytest.raises(NotFound):
                call()


def test_a_batch_happens_as_one(store: Store, zone: Zone) -> None:
    kept, changed, gone = (record_of(store, zone, "www", f"192.0.2.{i}") for i in (1, 2, 3))
    batch = RecordBatch(
        deletes=[gone.id],
        patches=[(changed.id, {"content": "192.0.2.22"})],
        puts=[(kept.id, draft_of("www", "192.0.2.11"))],
        posts=[draft_of("www", "192.0.2.3")],
    )
    with store.write("test") as write:
        done = write.records.batch(zone.id, batch)
    assert [record.id for record in done.deletes] == [gone.id]
    assert [record.content for record in done.patches] == ["192.0.2.22"]
    assert [record.content for record in done.puts] == ["192.0.2.11"]
    assert contents(store, zone) == ["192.0.2.11", "192.0.2.22", "192.0.2.3"]


def test_a_batch_with_one_bad_item_changes_nothing(store: Store, zone: Zone) -> None:
    record = record_of(store, zone)
    batch = RecordBatch(deletes=[record.id], posts=[draft_of("a"), draft_of("b", "10.0.0.1")])
    with pytest.raises(Invalid) as caught, store.write("test") as write:
        write.records.batch(zone.id, batch)
    assert caught.value.pointer == "/posts/1/content"
    assert contents(store, zone) == ["192.0.2.9"]
    with pytest.raises(NotFound) as missing, store.write("test") as write:
        write.records.batch(zone.id, RecordBatch(deletes=[RecordId("0" * 32)]))
    assert missing.value.pointer == "/deletes/0"


def test_records_are_filtered_and_sorted(store: Store, zone: Zone) -> None:
    record_of(store, zone, "b", "192.0.2.2", comment="The Second")
    record_of(store, zone, "a", "192.0.2.1")
    record_of(store, zone, "a", "2001:db8::1", type="AAAA")
    record_of(store, zone, "c", "v=x", type="TXT", proxied=False, ttl=600)
    assert contents(store, zone) == ["192.0.2.1", "2001:db8::1", "192.0.2.2", "v=x"]
    assert contents(store, zone, type=RecordType.AAAA) == ["2001:db8::1"]
    assert contents(store, zone, proxied=False) == ["v=x"]
    assert len(contents(store, zone, proxied=True)) == 3
    assert contents(store, zone, name=TextFilter.parse("b.example.com")) == ["192.0.2.2"]
    assert contents(store, zone, content=TextFilter.parse("starts_with:2001")) == ["2001:db8::1"]
    assert contents(store, zone, comment=TextFilter.parse("contains:second")) == ["192.0.2.2"]
    assert contents(store, zone, search="SECOND") == ["192.0.2.2"]
    assert contents(store, zone, search="2001") == ["2001:db8::1"]
    assert contents(
        store, zone, type=RecordType.TXT, name=TextFilter.parse("b.example.com"), match_any=True
    ) == ["192.0.2.2", "v=x"]
    assert contents(store, zone, Paging(order="ttl", direction=Direction.DESC))[0] == "v=x"
    for order in ("type", "name", "content", "ttl", "proxied"):
        pages = [contents(store, zone, Paging(page, 2, order=order)) for page in (1, 2, 3)]
        assert sorted(chain.from_iterable(pages)) == sorted(contents(store, zone))
        assert pages[2] == []
