"""Every change is on the bus soon, whatever goes wrong once, and whoever else publishes."""

from __future__ import annotations

import threading

import pytest

from egressway.bus.bus import ALL, ConfigMessage, Unavailable
from egressway.bus.in_process import InProcessBus
from egressway.distribution import publish as publishing
from egressway.distribution.publish import Publisher
from egressway.model.location import LocationChange, LocationName
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.fleet import decode
from egressway.wire.fleet_state import FleetState
from egressway.wire.snapshot import Settings
from tests.support.waiting import eventually
from tests.unit.distribution.test_compile_regions import confine


class Bus(InProcessBus):
    """Remembers what was published, and can be made to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[ConfigMessage] = []
        self.wholes_put = 0
        self.failures: list[Exception] = []
        self.watch_config(ALL, 0, self.published.append)

    def publish_config(self, cls, content, **more):
        if self.failures:
            raise self.failures.pop()
        return super().publish_config(cls, content, **more)

    def put_whole(self, cls, whole):
        self.wholes_put += 1
        super().put_whole(cls, whole)

    def seen(self, number: int) -> list[ConfigMessage]:
        eventually(lambda: len(self.published) >= number)
        return self.published

    def state(self) -> FleetState:
        """What a server comes to that reads everything."""
        whole = self.get_whole(ALL)
        state = FleetState(decode(whole.content))
        for message in list(self.published):
            if message.sequence > whole.sequence and message.content:
                state.apply(decode(message.content))
        return state


@pytest.fixture
def bus():
    made = Bus()
    yield made
    made.close()


@pytest.fixture
def publisher(installation, bus) -> Publisher:
    return Publisher(installation.store, bus, Settings(), poll_seconds=None)


@pytest.fixture
def started(installation, publisher):
    unsubscribe = installation.store.on_change(lambda _: publisher.wake())
    publisher.start()
    yield publisher
    unsubscribe()
    publisher.stop()


def is_published(bus: Bus, revision: int) -> bool:
    last = bus.last_config(ALL)
    return last is not None and last.revision == revision


def test_first_is_a_whole_to_fetch_and_the_next_a_difference(installation, bus, publisher):
    assert publisher.publish_once()
    since = installation.revision
    zone_id = installation.zone("example.com")
    assert publisher.publish_once()
    first, second = bus.seen(2)
    assert (first.content, first.base_revision, first.revision) == (b"", None, since)
    assert (second.base_revision, second.revision) == (since, installation.revision)
    assert [zone.id for zone in decode(second.content).zones] == [zone_id]
    assert set(bus.state().zones) == {zone_id}


def test_without_a_change_nothing_is_published(bus, publisher):
    publisher.publish_once()
    assert publisher.publish_once()
    assert bus.last_config(ALL).sequence == 1


def test_second_replica_goes_on_where_the_first_has_stopped(installation, bus, publisher):
    publisher.publish_once()
    since = installation.revision
    zone_id = installation.zone("example.com")
    other = Publisher(installation.store, bus, Settings(), poll_seconds=None)
    assert other.publish_once()
    assert publisher.publish_once()
    messages = bus.seen(2)
    assert [each.base_revision for each in messages] == [None, since]
    assert set(bus.state().zones) == {zone_id}


def test_replicas_that_publish_at_the_same_time_lose_nothing(installation, bus):
    replicas = [Publisher(installation.store, bus, Settings(), poll_seconds=0.01) for _ in range(3)]
    stops = [installation.store.on_change(lambda _, each=each: each.wake()) for each in replicas]
    for each in replicas:
        each.start()
    zones = {installation.zone(f"z{number}.example.com") for number in range(20)}
    eventually(lambda: is_published(bus, installation.revision))
    for stop, each in zip(stops, replicas, strict=True):
        stop()
        each.stop()
    eventually(lambda: bus.published[-1].revision == installation.revision)
    assert set(bus.state().zones) == zones


def test_replica_with_other_limits_tells_them_at_its_start(installation, bus, publisher):
    publisher.publish_once()
    Publisher(installation.store, bus, Settings(head_ms=5), poll_seconds=None).publish_once()
    assert decode(bus.seen(2)[-1].content).topology.settings.head_ms == 5


def test_change_of_another_replica_is_noticed_without_being_told(installation, bus):
    publisher = Publisher(installation.store, bus, Settings(), poll_seconds=0.01)
    publisher.start()
    installation.zone("example.com")
    eventually(lambda: is_published(bus, installation.revision))
    publisher.stop()


def test_each_change_is_published_by_itself(installation, bus, started):
    for number in range(5):
        installation.zone(f"z{number}.example.com")
        eventually(lambda: is_published(bus, installation.revision))
    assert len(bus.state().zones) == 5


def test_many_changes_at_once_are_few_messages_and_none_is_lost(installation, bus, started):
    zones = {installation.zone(f"z{number}.example.com") for number in range(30)}
    eventually(lambda: is_published(bus, installation.revision))
    eventually(lambda: bus.published[-1].revision == installation.revision)
    assert set(bus.state().zones) == zones
    assert len(bus.published) <= 31


def test_failed_publication_is_tried_again_without_another_change(
    installation, bus, started, monkeypatch
):
    monkeypatch.setattr(publishing, "FIRST_PAUSE_SECONDS", 0.01)
    installation.zone("a.example.com")
    eventually(lambda: is_published(bus, installation.revision))
    bus.failures.append(Unavailable("the bus does not answer"))
    installation.zone("b.example.com")
    eventually(lambda: is_published(bus, installation.revision))
    assert bus.failures == []


def test_failure_is_told_until_it_is_over(installation, bus, publisher):
    bus.failures.append(Unavailable("the bus does not answer"))
    assert not publisher.publish_once()
    assert publisher.failure == "the bus does not answer"
    assert publisher.publish_once()
    assert publisher.failure is None


def test_message_that_was_kept_without_an_answer_is_not_published_twice(
    installation, bus, publisher, monkeypatch
):
    publisher.publish_once()
    installation.zone("example.com")
    publish = InProcessBus.publish_config

    def kept_but_not_answered(cls, content, **more):
        publish(bus, cls, content, **more)
        raise Unavailable("the answer was lost")

    monkeypatch.setattr(bus, "publish_config", kept_but_not_answered)
    assert not publisher.publish_once()
    monkeypatch.undo()
    assert publisher.publish_once()
    revisions = [each.revision for each in bus.seen(2)]
    assert revisions[1] == installation.revision
    assert len(bus.state().zones) == 1


def test_change_too_long_for_a_message_goes_as_a_whole(installation, bus, publisher, monkeypatch):
    publisher.publish_once()
    monkeypatch.setattr(Bus, "largest_message", 300)
    zones = {installation.zone(f"z{number}.example.com") for number in range(10)}
    assert publisher.publish_once()
    assert bus.seen(2)[-1].content == b""
    assert set(bus.state().zones) == zones


def test_store_that_was_restored_from_a_backup_is_published_whole(installation, bus, publisher):
    ahead = installation.revision + 100
    bus.publish_config(ALL, b"", revision=ahead, base_revision=None, expect_last=None)
    assert publisher.publish_once()
    assert bus.seen(2)[-1].base_revision is None
    assert is_published(bus, installation.revision)


def test_whole_is_put_again_when_it_has_fallen_behind(installation, bus):
    publisher = Publisher(installation.store, bus, Settings(), poll_seconds=0.01, whole_every=5)
    publisher.start()
    for number in range(10):
        installation.zone(f"z{number}.example.com")
    eventually(lambda: is_published(bus, installation.revision))
    installation.zone("last.example.com")
    eventually(lambda: bus.get_whole(ALL).revision > installation.revision - 10)
    eventually(lambda: is_published(bus, installation.revision))
    publisher.stop()
    eventually(lambda: len(bus.state().zones) == 11)


def test_whole_that_a_server_misses_is_put_again(installation, bus, started):
    installation.zone("example.com")
    eventually(lambda: is_published(bus, installation.revision))
    before = bus.wholes_put
    bus.acknowledge(Acknowledgement(0, server="ams-1", wants_whole=True))
    eventually(lambda: bus.wholes_put > before)
    assert len(bus.state().zones) == 1


def test_zone_that_contradicts_itself_does_not_hold_up_the_others(
    installation, bus, publisher, monkeypatch
):
    good = installation.zone("good.example.com")
    bad = installation.zone("bad.example.com")
    found = publishing.check
    defects = {bad}

    def check(state, change=None):
        zones = (
            {*state.zones, *(zone.id for zone in change.zones if change)}
            if change
            else {*state.zones}
        )
        for zone_id in zones & defects:
            raise publishing.InconsistentSnapshotError(state.revision, [f"zone {zone_id}: no"])
        found(state, change)

    monkeypatch.setattr(publishing, "check", check)
    assert publisher.publish_once()
    assert set(publisher.withheld) == {bad}
    assert set(bus.state().zones) == {good}
    defects.clear()
    installation.zone("other.example.com")
    publisher.publish_once()
    assert set(publisher.withheld) == {bad}, "it has not changed"
    installation.set(bad, "ssl", "off")
    publisher.publish_once()
    assert publisher.withheld == {}
    bus.seen(3)
    assert bad in bus.state().zones


def test_stopped_publisher_publishes_nothing_more(installation, bus, publisher):
    publisher.start()
    publisher.stop()
    publisher.wake()
    installation.zone("example.com")
    assert bus.last_config(ALL) is None
    assert "distribution" not in {thread.name for thread in threading.enumerate()}


# Classes of servers.


def test_keys_of_a_regional_hostname_are_sent_to_its_region_only(installation, bus, publisher):
    with installation.write() as write:
        write.locations.edit(LocationName("local"), LocationChange(regions=("eu",)))
    zone_id = installation.zone("example.com")
    installation.certificate(zone_id, "example.com")
    publisher.publish_once()
    confine(installation, zone_id, "example.com")
    publisher.publish_once()
    outside = decode(bus.seen(2)[-1].content)
    assert [each.certificates for each in outside.zones] == [()]
    (inside,) = decode(bus.get_whole("eu").content).zones
    assert len(inside.certificates) == 1
    other = installation.zone("example.net")
    publisher.publish_once()
    heard = []
    bus.watch_config("eu", 0, heard.append)
    eventually(lambda: len(heard) == 2)
    assert [zone.id for zone in decode(heard[-1].content).zones] == [other]
    assert bus.last_config("eu").revision == bus.last_config(ALL).revision


def test_class_that_was_left_behind_is_brought_on_with_the_others(installation, bus, publisher):
    with installation.write() as write:
        write.locations.edit(LocationName("local"), LocationChange(regions=("eu",)))
    zone_id = installation.zone("example.com")
    confine(installation, zone_id, "example.com")
    publisher.publish_once()
    installation.zone("example.net")
    publish = InProcessBus.publish_config
    refused = []

    def only_all(cls, content, **more):
        if cls != ALL and not refused:
            refused.append(cls)
            raise Unavailable("the bus does not answer")
        return publish(bus, cls, content, **more)

    bus.publish_config = only_all
    assert not publisher.publish_once()
    assert publisher.publish_once()
    assert bus.last_config("eu").revision == installation.revision


def regional(installation):
    """A hostname that is confined to the region where the only server is."""
    with installation.write() as write:
        write.locations.edit(LocationName("local"), LocationChange(regions=("eu",)))
    zone_id = installation.zone("example.com")
    confine(installation, zone_id, "example.com")
    return zone_id


def end_of_region(installation, zone_id):
    with installation.write() as write:
        (confined,) = write.regional_hostnames.list(zone_id)
        write.regional_hostnames.delete(zone_id, confined.hostname)


def test_servers_of_a_class_that_ends_are_told_so(installation, bus, publisher):
    zone_id = regional(installation)
    publisher.publish_once()
    end_of_region(installation, zone_id)
    publisher.publish_once()
    assert bus.last_config("eu").revision == installation.revision
    installation.zone("example.net")
    publisher.publish_once()
    assert bus.last_config("eu").revision < installation.revision, "nobody reads it any more"
    assert bus.last_config(ALL).revision == installation.revision


def test_class_that_ends_is_told_so_also_when_the_bus_was_away(installation, bus, publisher):
    zone_id = regional(installation)
    publisher.publish_once()
    end_of_region(installation, zone_id)
    bus.failures.append(Unavailable("the bus does not answer"))
    assert not publisher.publish_once()
    assert publisher.publish_once()
    assert bus.last_config("eu").revision == installation.revision


def test_class_that_ended_while_no_control_plane_ran_is_told_so(installation, bus, publisher):
    zone_id = regional(installation)
    publisher.publish_once()
    end_of_region(installation, zone_id)
    Publisher(installation.store, bus, Settings(), poll_seconds=None).publish_once()
    assert bus.last_config("eu").revision == installation.revision
