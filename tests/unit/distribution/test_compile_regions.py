"""Regional hostnames in what is distributed: hosts, regions in use, and keys that are confined."""

from __future__ import annotations

from egressway.distribution.compile import compile_since, compile_whole
from egressway.model.location import LocationChange, LocationName
from egressway.model.regional_hostname import RegionalHostnameDraft
from egressway.wire.fleet import FleetSnapshot, decode, encode
from egressway.wire.fleet_consistency import fleet_inconsistencies
from egressway.wire.fleet_state import FleetState
from egressway.wire.region_class import classes, for_class
from egressway.wire.snapshot import Settings
from tests.support.installation import Installation

SETTINGS = Settings()


def compiled(installation: Installation, since: int | None = None) -> FleetSnapshot:
    with installation.store.read() as read:
        made = compile_since(read, SETTINGS, since)
        whole = compile_whole(read, SETTINGS)
    assert list(fleet_inconsistencies(FleetState(whole), made)) == []
    return made


def confine(installation: Installation, zone_id, hostname: str, region_key: str = "eu") -> None:
    draft = RegionalHostnameDraft.parse({"hostname": hostname, "region_key": region_key})
    with installation.write() as write:
        write.regional_hostnames.create(zone_id, draft)


def test_a_new_regional_hostname_brings_its_region_with_it(installation):
    zone_id = installation.zone("example.com")
    since = installation.revision
    assert compiled(installation).topology.regions == ()
    confine(installation, zone_id, "example.com")
    change = compiled(installation, since)
    assert change.base_revision == since
    assert change.topology.regions == ("eu",)
    assert [host.region for zone in change.zones for host in zone.hosts] == ["eu"]


def test_the_last_hostname_takes_its_region_with_it(installation):
    zone_id = installation.zone("example.com")
    confine(installation, zone_id, "example.com", "jp")
    since = installation.revision
    with installation.write() as write:
        (regional,) = write.regional_hostnames.list(zone_id)
        write.regional_hostnames.delete(zone_id, regional.hostname)
    change = compiled(installation, since)
    assert change.topology.regions == ()
    assert [host.region for zone in change.zones for host in zone.hosts] == [None]


def test_a_location_lies_in_the_regions_around_those_it_names(installation):
    with installation.write() as write:
        write.locations.edit(LocationName("local"), LocationChange(regions=("fr",)))
    (local,) = compiled(installation).topology.locations
    assert set(local.regions) == {"fr", "eu", "nato", "not-hk-mo", "not-ru-by"}


def test_keys_of_regional_names_are_confined_before_there_is_a_record(installation):
    zone_id = installation.zone("example.com")
    for name in ("example.com", "later.example.com"):
        installation.certificate(zone_id, name)
    confine(installation, zone_id, "later.example.com")
    made = compiled(installation)
    (zone,) = made.zones
    confined = {each.id: each.hosts for each in zone.certificates if each.id in made.confined}
    assert list(made.confined.values()) == [("eu",)]
    assert list(confined.values()) == [("later.example.com",)]
    outside, inside = (for_class(made, cls).zones[0].certificates for cls in ("all", "eu"))
    assert [each.hosts for each in outside] == [("example.com",)]
    assert inside == zone.certificates
    assert all(
        each.key not in encode(for_class(made, "all")) for each in inside if each.id in confined
    )


def test_what_a_class_is_sent_is_consistent_by_itself(installation):
    zone_id = installation.zone("example.com")
    installation.certificate(zone_id, "example.com")
    with installation.write() as write:
        write.locations.edit(LocationName("local"), LocationChange(regions=("fr",)))
    confine(installation, zone_id, "example.com")
    made = compiled(installation)
    assert classes(made.topology) == ("all", "eu")
    for cls in classes(made.topology):
        state = FleetState(decode(encode(for_class(made, cls))))
        assert list(fleet_inconsistencies(state)) == []
