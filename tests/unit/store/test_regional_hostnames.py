"""Regional hostnames in the store, and what of them is compiled."""

from __future__ import annotations

import pytest

from egressway.distribution.compile_zone import compile_zone
from egressway.model.account import Account
from egressway.model.errors import Conflict, Invalid, NotFound
from egressway.model.hostname import Hostname
from egressway.model.regional_hostname import RegionalHostname, RegionalHostnameDraft
from egressway.model.zone import Zone
from egressway.store import Change, ChangeKind, Store
from tests.unit.store.world import record_of, zone_of


def confine(store: Store, zone: Zone, hostname: str, region_key: str = "eu") -> RegionalHostname:
    draft = RegionalHostnameDraft.parse({"hostname": hostname, "region_key": region_key})
    with store.write("test") as write:
        return write.regional_hostnames.create(zone.id, draft)


def changes(store: Store, since: int) -> list[Change]:
    with store.read() as read:
        return read.changes_since(since)


def regions_by_host(store: Store, zone: Zone) -> dict[str, str | None]:
    with store.read() as read:
        (found,) = read.zones_for_snapshot([zone.id])
    hosts = compile_zone(found).hosts
    assert [host.name for host in hosts] == sorted(host.name for host in hosts)
    assert all(host.origins for host in hosts)
    return {host.name: host.region for host in hosts}


def test_a_regional_hostname_comes_back_changes_and_goes(store: Store, zone: Zone) -> None:
    made = confine(store, zone, "*.example.com")
    assert (made.zone_id, made.hostname, made.region_key) == (zone.id, "*.example.com", "eu")
    assert made.routing == "dns"
    with store.write("test") as write:
        changed = write.regional_hostnames.edit(zone.id, made.hostname, "ca")
    assert (changed.region_key, changed.created_on) == ("ca", made.created_on)
    other = confine(store, zone, "a.example.com")
    with store.read() as read:
        assert read.regional_hostnames.get(zone.id, made.hostname) == changed
        assert read.regional_hostnames.list(zone.id) == [changed, other]
    with store.write("test") as write:
        write.regional_hostnames.delete(zone.id, made.hostname)
    with pytest.raises(NotFound), store.read() as read:
        read.regional_hostnames.get(zone.id, made.hostname)


def test_the_same_name_twice_and_foreign_names_are_refused(store: Store, zone: Zone) -> None:
    confine(store, zone, "www.example.com")
    with pytest.raises(Conflict) as conflict:
        confine(store, zone, "WWW.example.com", "ca")
    assert conflict.value.pointer == "/hostname"
    with pytest.raises(Invalid) as invalid:
        confine(store, zone, "www.example.net")
    assert invalid.value.pointer == "/hostname"


def test_names_of_another_zone_are_not_found(store: Store, account: Account, zone: Zone) -> None:
    below = zone_of(store, account, "www.example.com")
    name = confine(store, zone, "www.example.com").hostname
    with store.write("test") as write:
        for zone_id, hostname in ((below.id, name), (zone.id, Hostname("a.example.com"))):
            with pytest.raises(NotFound):
                write.regional_hostnames.get(zone_id, hostname)
            with pytest.raises(NotFound):
                write.regional_hostnames.edit(zone_id, hostname, "ca")
            with pytest.raises(NotFound):
                write.regional_hostnames.delete(zone_id, hostname)


def test_every_change_touches_the_zone(store: Store, zone: Zone) -> None:
    long = ".".join(["a" * 60, "b" * 60, "example.com"])
    since = store.latest_revision()
    name = confine(store, zone, long).hostname
    with store.write("test") as write:
        write.regional_hostnames.edit(zone.id, name, "ca")
    with store.write("test") as write:
        write.regional_hostnames.delete(zone.id, name)
    assert [(each.kind, each.zone_id) for each in changes(store, since)] == [
        (ChangeKind.REGIONAL_HOSTNAME, zone.id)
    ] * 3


def test_a_deleted_zone_takes_its_regional_hostnames_along(
    store: Store, account: Account, zone: Zone
) -> None:
    confine(store, zone, "www.example.com")
    with store.write("test") as write:
        write.zones.delete(zone.id)
    again = zone_of(store, account, "example.com")
    with store.read() as read:
        assert read.regional_hostnames.list(again.id) == []


def test_hosts_are_compiled_with_their_most_specific_region(store: Store, zone: Zone) -> None:
    for name in ("@", "www", "us", "*.deep"):
        record_of(store, zone, name)
    confine(store, zone, "*.example.com")
    confine(store, zone, "us.example.com", "us")
    confine(store, zone, "*.deep.example.com", "ca")
    confine(store, zone, "nothing.there.example.com", "jp")
    assert regions_by_host(store, zone) == {
        "example.com": None,
        "www.example.com": "eu",
        "us.example.com": "us",
        "*.deep.example.com": "ca",
    }


def test_a_regional_name_behind_a_wildcard_is_served_in_its_own_region(
    store: Store, zone: Zone
) -> None:
    record_of(store, zone, "*")
    confine(store, zone, "www.example.com", "eu")
    assert regions_by_host(store, zone) == {"*.example.com": None, "www.example.com": "eu"}
    confine(store, zone, "*.example.com", "us")
    assert regions_by_host(store, zone) == {"*.example.com": "us", "www.example.com": "eu"}


def test_a_name_that_another_zone_serves_is_left_to_it(
    store: Store, account: Account, zone: Zone
) -> None:
    record_of(store, zone, "*")
    confine(store, zone, "www.example.com", "eu")
    below = zone_of(store, account, "www.example.com")
    since = store.latest_revision()
    record = record_of(store, below, "@")
    assert zone.id in {each.zone_id for each in changes(store, since)}, "it is compiled again"
    assert regions_by_host(store, zone) == {"*.example.com": None}
    assert regions_by_host(store, below) == {"www.example.com": None}
    since = store.latest_revision()
    with store.write("test") as write:
        write.records.delete(below.id, record.id)
    assert zone.id in {each.zone_id for each in changes(store, since)}
    assert regions_by_host(store, zone) == {"*.example.com": None, "www.example.com": "eu"}
