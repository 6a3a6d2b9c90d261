"""What the store holds is what the snapshot says; a difference brings the same state as the whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from ipaddress import ip_address

import psycopg
import pytest

from egressway.distribution import compile as compiling
from egressway.distribution.compile import compile_since, compile_whole
from egressway.model.data_center import DataCenterDraft
from egressway.model.location import LocationDraft
from egressway.model.placement_draft import PlacementDraft
from egressway.model.server import LOCAL, ServerDraft
from egressway.store import Store
from egressway.wire.fleet import FleetPool, FleetSnapshot
from egressway.wire.fleet_consistency import fleet_inconsistencies
from egressway.wire.fleet_state import FleetState
from egressway.wire.snapshot import Settings
from tests.support.installation import Installation
from tests.unit.store.world import account_of, zone_of

SETTINGS = Settings()


def compiled(installation: Installation, since: int | None = None) -> FleetSnapshot:
    with installation.store.read() as read:
        made = compile_since(read, SETTINGS, since)
        whole = compile_whole(read, SETTINGS)
    assert list(fleet_inconsistencies(FleetState(whole), made)) == []
    return made


def pool_of(made: FleetSnapshot, pool_id: str) -> FleetPool:
    (own,) = (pool for pool in made.pools if pool.id == pool_id)
    return own


def revision_of(store: Store) -> int:
    with store.read() as read:
        return read.revision()


def second_server(installation: Installation, name: str = "ams-1") -> None:
    """A server beside `local`, in a location of its own."""
    with installation.write() as write:
        write.locations.create(LocationDraft.parse({"name": "ams", "latitude": 52, "longitude": 5}))
        write.data_centers.create(DataCenterDraft.parse({"name": "ams-a", "location": "ams"}))
        body = {"name": name, "data_center": "ams-a", "link": "192.0.2.10:8644"}
        write.servers.create(ServerDraft.parse(body))


def split(installation: Installation, ip: str, *servers: str) -> None:
    """Give each server as many ports of the address."""
    shares = [{"server": server, "ports": 20_000} for server in servers]
    with installation.write() as write:
        address = ip_address(ip)
        write.placements.put(address, PlacementDraft.parse(address, {"shares": shares}))


def only_zone(snapshot: FleetSnapshot):
    (zone,) = snapshot.zones
    return zone


def only_origin(snapshot: FleetSnapshot):
    (host,) = only_zone(snapshot).hosts
    (origin,) = host.origins
    return origin


# What is in it.


def test_empty_store_is_a_snapshot_with_the_one_server_there_is(installation):
    made = compiled(installation)
    assert (made.zones, made.pools) == ((), ())
    assert [server.name for server in made.topology.servers] == [LOCAL]
    assert (made.base_revision, made.revision) == (None, installation.revision)


def test_zone_without_aegis_has_no_pool_and_with_it_its_own(installation):
    pool_id = installation.pool("127.77.0.1", "127.77.0.2")
    zone_id = installation.zone("example.com")
    assert only_zone(compiled(installation)).pool is None
    installation.aegis(zone_id, pool_id)
    made = compiled(installation)
    assert only_zone(made).pool == pool_id
    assert [each.ip for each in pool_of(made, pool_id).addresses] == ["127.77.0.1", "127.77.0.2"]


def test_address_that_nobody_has_placed_is_the_local_servers_with_all_ports(installation):
    pool_id = installation.pool("127.77.0.1")
    made = compiled(installation)
    (address,) = pool_of(made, pool_id).addresses
    (only,) = address.slices
    assert only.server == LOCAL
    assert (only.low, only.high) == (made.topology.first_port, made.topology.last_port)


def test_slices_name_their_servers_and_a_move_tells_who_had_them(installation):
    pool_id = installation.pool("127.77.0.1")
    second_server(installation)
    split(installation, "127.77.0.1", LOCAL, "ams-1")
    made = compiled(installation)
    (address,) = pool_of(made, pool_id).addresses
    assert [each.server for each in address.slices] == [LOCAL, "ams-1"]
    (move,) = made.topology.moves
    moved = address.slices[1]
    assert (move.source, move.target, move.low, move.high) == (
        *(LOCAL, "ams-1"),
        *(moved.low, moved.high),
    )


def test_servers_are_told_with_place_number_and_link(installation):
    second_server(installation)
    servers = {each.name: each for each in compiled(installation).topology.servers}
    own = servers["ams-1"]
    assert (own.data_center, own.location, own.link) == ("ams-a", "ams", "192.0.2.10:8644")
    assert own.number != servers[LOCAL].number


def test_revoked_server_has_no_slices_and_nobody_waits_for_it(installation):
    pool_id = installation.pool("127.77.0.1")
    second_server(installation)
    split(installation, "127.77.0.1", "ams-1")
    split(installation, "127.77.0.1", LOCAL, "ams-1")
    with installation.write() as write:
        write.servers.revoke("ams-1")
    made = compiled(installation)
    (address,) = pool_of(made, pool_id).addresses
    assert {each.server for each in address.slices} == {LOCAL}
    assert [move for move in made.topology.moves if move.source == "ams-1"] == []


SSL = {
    "off": (80, "http", "full", False),
    "flexible": (80, "http", "full", True),
    "full": (443, "https", "full", True),
    "strict": (443, "https", "strict", True),
    "origin_pull": (443, "https", "strict", True),
}


@pytest.mark.parametrize("mode", SSL)
def test_ssl_mode_decides_how_origins_and_clients_are_spoken_to(installation, mode):
    zone_id = installation.zone("example.com")
    installation.set(zone_id, "ssl", mode)
    made = compiled(installation)
    origin = only_origin(made)
    told = (origin.port, origin.scheme, origin.verify, only_zone(made).tls_to_clients)
    assert told == SSL[mode]


def test_record_overrides_the_zone(installation):
    installation.zone(
        "example.com",
        origin_port=8443,
        origin_scheme="https",
        origin_verify="off",
        origin_sni="sni.example.com",
        origin_host="host.example.com",
        origin_http2=False,
    )
    origin = only_origin(compiled(installation))
    assert (origin.port, origin.scheme, origin.verify) == (8443, "https", "off")
    assert (origin.sni, origin.host, origin.http2) == ("sni.example.com", "host.example.com", False)


def test_addresses_of_one_name_are_origins_of_one_host(installation):
    zone_id = installation.zone("example.com")
    installation.record(zone_id, "example.com", "::1")
    installation.record(zone_id, "*.example.com", "127.0.0.3")
    hosts = {host.name: host.origins for host in only_zone(compiled(installation)).hosts}
    assert sorted(each.address for each in hosts["example.com"]) == ["127.0.0.1", "::1"]
    assert [each.address for each in hosts["*.example.com"]] == ["127.0.0.3"]


def test_settings_of_http2_reach_the_origin(installation):
    zone_id = installation.zone("example.com")
    installation.set(zone_id, "origin_max_http_version", "1")
    installation.set(zone_id, "origin_h2_max_streams", 7)
    origin = only_origin(compiled(installation))
    assert (origin.http2, origin.h2_max_streams) == (False, 7)


def test_certificate_is_sent_with_chain_and_key(installation):
    zone_id = installation.zone("example.com")
    installation.certificate(zone_id, "example.com")
    (certificate,) = only_zone(compiled(installation)).certificates
    assert certificate.hosts == ("example.com",)
    assert len(certificate.chain) == 1
    assert certificate.key


def test_paused_zone_is_not_served(installation):
    installation.pause(installation.zone("example.com"))
    assert compiled(installation).zones == ()


# Differences.


def test_difference_holds_only_what_was_touched(installation):
    installation.zone("a.example.com")
    since = installation.revision
    touched = installation.zone("b.example.com")
    made = compiled(installation, since)
    assert (made.base_revision, made.revision) == (since, installation.revision)
    assert [zone.id for zone in made.zones] == [touched]


def test_deleted_and_paused_zones_are_removed(installation):
    gone, paused = installation.zone("a.example.com"), installation.zone("b.example.com")
    since = installation.revision
    installation.remove_zone(gone)
    installation.pause(paused)
    made = compiled(installation, since)
    assert set(made.removed_zones) == {gone, paused}
    assert made.zones == ()


def test_change_of_a_pool_is_a_difference_of_that_pool_alone(installation):
    installation.pool("127.77.0.9", name="other")
    installation.zone("example.com")
    since = installation.revision
    pool_id = installation.pool("127.77.0.1")
    made = compiled(installation, since)
    assert (made.base_revision, made.zones) == (since, ())
    assert [pool.id for pool in made.pools] == [pool_id]


def test_deleted_pool_is_removed(installation):
    pool_id = installation.pool("127.77.0.1")
    since = installation.revision
    with installation.write() as write:
        write.pools.delete(installation.account_id, pool_id)
    assert compiled(installation, since).removed_pools == (pool_id,)


def test_change_of_a_zone_tells_neither_pools_nor_servers_again(installation):
    installation.pool("127.77.0.1")
    since = installation.revision
    installation.zone("example.com")
    made = compiled(installation, since)
    assert (made.topology, made.pools) == (None, ())


def test_new_placement_is_a_difference_with_its_pool_and_the_moves(installation):
    pool_id = installation.pool("127.77.0.1")
    second_server(installation)
    since = installation.revision
    split(installation, "127.77.0.1", LOCAL, "ams-1")
    made = compiled(installation, since)
    assert [pool.id for pool in made.pools] == [pool_id]
    assert len(made.topology.moves) == 1


def test_server_that_changes_is_told_with_every_pool(installation):
    pool_id = installation.pool("127.77.0.1")
    since = installation.revision
    second_server(installation)
    made = compiled(installation, since)
    assert {each.name for each in made.topology.servers} == {LOCAL, "ams-1"}
    assert [pool.id for pool in made.pools] == [pool_id]


def test_store_older_than_what_runs_is_sent_whole(installation):
    installation.zone("example.com")
    made = compiled(installation, installation.revision + 5)
    assert made.base_revision is None
    assert len(made.zones) == 1


def test_journal_whose_old_entries_are_gone_is_sent_whole(installation, tmp_path):
    since = installation.revision
    installation.zone("example.com")
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as database, database:
        database.execute("DELETE FROM change WHERE revision <= ?", (since + 1,))
    assert compiled(installation, since).base_revision is None


def test_number_that_a_failed_transaction_has_used_up_makes_no_gap(postgres):
    url = postgres.new_url()
    with Store.open(url) as store:
        account = account_of(store, "first")
        since = revision_of(store)
        with closing(psycopg.connect(url)) as other:
            other.execute(
                "INSERT INTO change (kind, object_id, actor, at) VALUES ('zone', 'z', 't', now())"
            )
            other.rollback()
        zone_of(store, account, "example.com")
        with store.read() as read:
            noted = len(read.changes_since(since))
        assert revision_of(store) == since + noted + 1, "a number is gone"
        with store.read() as read:
            made = compile_since(read, SETTINGS, since)
        assert (made.base_revision, made.revision) == (since, revision_of(store))
    postgres.drop(url)


def test_very_many_touched_zones_are_sent_whole(installation, monkeypatch):
    monkeypatch.setattr(compiling, "MOST_TOUCHED", 2)
    since = installation.revision
    for name in ("a", "b"):
        installation.zone(f"{name}.example.com")
    assert compiled(installation, since).base_revision == since
    installation.zone("c.example.com")
    assert compiled(installation, since).base_revision is None


def test_differences_one_after_another_lead_where_the_whole_leads(installation):
    state = FleetState(compiled(installation))

    def follow() -> None:
        state.apply(compiled(installation, state.revision))

    pool_id = installation.pool("127.77.0.1")
    zone_id = installation.zone("example.com")
    follow()
    installation.aegis(zone_id, pool_id)
    record_id = installation.record(zone_id, "www.example.com", "127.0.0.2")
    follow()
    other = installation.zone("example.net")
    installation.set(other, "ssl", "off")
    installation.certificate(zone_id, "example.com")
    second_server(installation)
    follow()
    installation.remove_record(zone_id, record_id)
    installation.pause(other)
    split(installation, "127.77.0.1", LOCAL, "ams-1")
    follow()
    installation.pause(other, paused=False)
    follow()
    whole = compiled(installation)
    assert state.revision == whole.revision
    assert state.topology == whole.topology
    assert dict(state.pools) == {pool.id: pool for pool in whole.pools}
    assert dict(state.zones) == {zone.id: zone for zone in whole.zones}
    assert len(state.zones) == 2


def test_difference_fits_every_state_between_its_two_revisions(installation):
    first = FleetState(compiled(installation))
    zones = [installation.zone(f"z{number}.example.com") for number in range(3)]
    second = FleetState(compiled(installation))
    installation.remove_zone(zones[0])
    late = compiled(installation, first.revision)
    for state in (first, second):
        state.apply(late)
        assert set(state.zones) == set(zones[1:])
