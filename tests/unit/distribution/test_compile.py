"""What the store holds is what the snapshot says; a difference brings the same state as the whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from ipaddress import ip_address

import pytest

from egressway.data_plane.fake import FakeDataPlane
from egressway.distribution import compile as compiling
from egressway.distribution.check import check
from egressway.distribution.compile import compile_since, compile_whole
from egressway.distribution.server import SHARED_POOL, ServerSettings
from egressway.model.port_slice import PortRange
from egressway.wire.snapshot import Listener, Snapshot
from tests.support.installation import Installation

SERVER = ServerSettings(
    listeners=(Listener("127.0.0.1", 0, tls=False),), shared_ips=(ip_address("127.0.0.1"),)
)


def compiled(installation: Installation, since: int | None = None, server=SERVER) -> Snapshot:
    with installation.store.read() as read:
        return check(compile_since(read, server, since))


def only_zone(snapshot: Snapshot):
    (zone,) = snapshot.zones
    return zone


def only_origin(snapshot: Snapshot):
    (host,) = only_zone(snapshot).hosts
    (origin,) = host.origins
    return origin


# What is in it.


def test_empty_store_is_a_snapshot_with_the_shared_pool(installation):
    made = compiled(installation)
    assert made.zones == ()
    assert [pool.id for pool in made.pools] == [made.shared_pool] == [SHARED_POOL]
    assert (made.base_revision, made.revision) == (None, installation.revision)


def test_zone_without_aegis_has_no_pool_and_with_it_its_own(installation):
    pool_id = installation.pool("127.77.0.1", "127.77.0.2")
    zone_id = installation.zone("example.com")
    assert only_zone(compiled(installation)).pool is None
    installation.aegis(zone_id, pool_id)
    made = compiled(installation)
    assert only_zone(made).pool == pool_id
    (own,) = (pool for pool in made.pools if pool.id == pool_id)
    assert [address.ip for address in own.addresses] == ["127.77.0.1", "127.77.0.2"]


def test_every_address_gets_the_slice_and_a_cap_never_above_it(installation):
    installation.pool("127.77.0.1")
    server = ServerSettings(ports=PortRange(30_000, 30_099), shared_ips=SERVER.shared_ips)
    addresses = [
        each for pool in compiled(installation, None, server).pools for each in pool.addresses
    ]
    assert [each.slices for each in addresses] == [((30_000, 30_099),)] * 2
    assert [each.cap for each in addresses] == [100, 100]


def test_shared_address_that_is_dedicated_to_somebody_is_no_longer_shared(installation):
    pool_id = installation.pool("127.0.0.1")
    addresses = {pool.id: pool.addresses for pool in compiled(installation).pools}
    assert addresses[SHARED_POOL] == ()
    assert [each.ip for each in addresses[pool_id]] == ["127.0.0.1"]


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


def test_change_of_a_pool_is_a_difference_without_zones(installation):
    installation.zone("example.com")
    since = installation.revision
    pool_id = installation.pool("127.77.0.1")
    made = compiled(installation, since)
    assert made.base_revision == since
    assert made.zones == ()
    assert pool_id in [pool.id for pool in made.pools]


def test_store_older_than_what_runs_is_sent_whole(installation):
    installation.zone("example.com")
    made = compiled(installation, installation.revision + 5)
    assert made.base_revision is None
    assert len(made.zones) == 1


def test_journal_with_a_hole_is_sent_whole(installation, tmp_path):
    since = installation.revision
    installation.zone("example.com")
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as database, database:
        database.execute("DELETE FROM change WHERE revision = ?", (since + 1,))
    assert compiled(installation, since).base_revision is None


def test_very_many_touched_zones_are_sent_whole(installation, monkeypatch):
    monkeypatch.setattr(compiling, "MOST_TOUCHED", 2)
    since = installation.revision
    for name in ("a", "b"):
        installation.zone(f"{name}.example.com")
    assert compiled(installation, since).base_revision == since
    installation.zone("c.example.com")
    assert compiled(installation, since).base_revision is None


def test_differences_one_after_another_lead_where_the_whole_leads(installation):
    plane = FakeDataPlane()
    plane.apply(compiled(installation))

    def follow() -> None:
        plane.apply(compiled(installation, plane.status().revision))

    pool_id = installation.pool("127.77.0.1")
    zone_id = installation.zone("example.com")
    follow()
    installation.aegis(zone_id, pool_id)
    record_id = installation.record(zone_id, "www.example.com", "127.0.0.2")
    follow()
    other = installation.zone("example.net")
    installation.set(other, "ssl", "off")
    installation.certificate(zone_id, "example.com")
    follow()
    installation.remove_record(zone_id, record_id)
    installation.pause(other)
    follow()
    installation.pause(other, paused=False)
    follow()
    with installation.store.read() as read:
        whole = compile_whole(read, SERVER)
    assert plane.status().revision == whole.revision
    assert [plane.zone(zone.id) for zone in whole.zones] == list(whole.zones)
    assert plane.status().zones == len(whole.zones) == 2
