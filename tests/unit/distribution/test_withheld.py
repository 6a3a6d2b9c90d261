"""Zones that are kept back: released by a change, whatever that costs in the long run."""

from __future__ import annotations

from egressway.distribution.withheld import WithheldZones


class Reading:
    """A store read that notes from where the journal was asked for."""

    def __init__(self, installation) -> None:
        self.installation = installation
        self.asked: list[int] = []

    def release(self, withheld: WithheldZones) -> None:
        with self.installation.store.read() as read:
            changes = read.changes_since
            read.changes_since = lambda since: self.asked.append(since) or changes(since)
            withheld.release_changed(read)


def test_zone_is_released_by_its_own_change_however_much_else_has_changed(installation):
    zone_id, other_id = installation.zone("example.com"), installation.zone("example.net")
    withheld, reading = WithheldZones(), Reading(installation)
    refused_at = installation.revision
    assert withheld.add(zone_id, refused_at, "bad")
    reading.release(withheld)
    installation.record(other_id, "www.example.net", "127.0.0.1")
    later = installation.revision
    reading.release(withheld)
    reading.release(withheld)
    assert withheld.ids == {zone_id}
    installation.record(zone_id, "www.example.com", "127.0.0.1")
    reading.release(withheld)
    assert withheld.ids == frozenset()
    assert reading.asked == [refused_at, refused_at, later, later], "nothing is read twice"


def test_zone_that_is_refused_again_waits_for_the_next_change(installation):
    zone_id = installation.zone("example.com")
    withheld, reading = WithheldZones(), Reading(installation)
    withheld.add(zone_id, installation.revision, "bad")
    installation.record(zone_id, "www.example.com", "127.0.0.1")
    reading.release(withheld)
    withheld.add(zone_id, installation.revision, "still bad")
    reading.release(withheld)
    assert withheld.ids == {zone_id}
