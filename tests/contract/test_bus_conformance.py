"""Every bus keeps the contract: the one inside the process, and NATS, straight and through a leaf node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from egressway.bus.bus import Bus, Conflict, Position, Unavailable, Whole
from egressway.bus.in_process import InProcessBus
from egressway.bus.nats import NatsBus
from egressway.wire.acknowledgement import Acknowledgement
from tests.support.nats import NatsServer, free_port
from tests.support.waiting import eventually

KINDS = ("in_process", "nats", "nats_leaf")
Ends = tuple[Bus, Bus]
"""As the control plane sees the bus, and as a server does."""


@pytest.fixture(params=KINDS)
def ends(request, tmp_path) -> Iterator[Ends]:
    with ExitStack() as started:
        if request.param == "in_process":
            bus = InProcessBus()
            started.callback(bus.close)
            yield bus, bus
            return
        is_leaf = request.param == "nats_leaf"
        yield _over_nats(started, tmp_path, is_leaf=is_leaf)


def _over_nats(started: ExitStack, tmp_path, *, is_leaf: bool) -> Ends:
    leaf_port = free_port()
    hub = started.enter_context(
        NatsServer.with_jetstream(
            tmp_path / "hub", domain="hub", leafnodes={"host": "127.0.0.1", "port": leaf_port}
        )
    )
    control = NatsBus(f"{hub.url}?domain=hub", manage=True)
    started.callback(control.close)
    connected(control)
    url = hub.url
    if is_leaf:
        remote = {"url": f"nats-leaf://127.0.0.1:{leaf_port}"}
        leaf = started.enter_context(NatsServer(tmp_path / "leaf", leafnodes={"remotes": [remote]}))
        url = leaf.url
    node = NatsBus(f"{url}?domain=hub")
    started.callback(node.close)
    connected(node)
    eventually(lambda: reaches(node), why="the hub through the leaf node")
    return control, node


def connected(bus: Bus) -> None:
    eventually(lambda: bus.is_connected)


def reaches(bus: Bus) -> bool:
    try:
        bus.get_gate()
    except Unavailable:
        return False
    return True


@pytest.fixture
def control(ends) -> Bus:
    return ends[0]


@pytest.fixture
def node(ends) -> Bus:
    return ends[1]


def publish(bus: Bus, revision: int, content: bytes = b"x", *, cls: str = "all") -> int:
    last = bus.last_config(cls)
    return bus.publish_config(
        cls,
        content,
        revision=revision,
        base_revision=last.revision if last else None,
        expect_last=last.sequence if last else 0,
    )


class Seen(list):
    """What a handler was called with."""

    def revisions(self) -> list[int]:
        return [message.revision for message in self]

    def are(self, *revisions: int) -> Callable[[], bool]:
        return lambda: self.revisions() == list(revisions)


# Configuration.


def test_there_is_no_position_and_no_whole_before_the_first(control, node):
    assert control.last_config("all") is None
    assert node.get_whole("all") is None
    assert node.last_whole("all") is None


def test_published_message_is_the_last_and_its_number_is_given(control, node):
    first = publish(control, 7)
    second = publish(control, 9)
    assert second > first > 0
    assert node.last_config("all") == Position(second, 9)


def test_watcher_gets_all_that_was_and_all_that_comes_in_order(control, node):
    publish(control, 1, b"one")
    publish(control, 2, b"two")
    seen = Seen()
    node.watch_config("all", 0, seen.append)
    eventually(seen.are(1, 2))
    publish(control, 3, b"three")
    eventually(seen.are(1, 2, 3))
    assert [each.content for each in seen] == [b"one", b"two", b"three"]
    assert [each.base_revision for each in seen] == [None, 1, 2]
    assert [each.sequence for each in seen] == sorted(each.sequence for each in seen)


def test_watcher_begins_after_its_position(control, node):
    publish(control, 1)
    position = publish(control, 2)
    publish(control, 3)
    seen = Seen()
    node.watch_config("all", position, seen.append)
    eventually(seen.are(3))
    publish(control, 4)
    eventually(seen.are(3, 4))


def test_position_of_a_bus_that_was_lost_is_no_position(control, node):
    publish(control, 1)
    seen = Seen()
    node.watch_config("all", 4_711, seen.append)
    eventually(seen.are(1))


def test_many_messages_in_a_row_arrive_once_each_in_order(control, node):
    seen = Seen()
    node.watch_config("all", 0, seen.append)
    last = 0
    for revision in range(1, 101):
        last = control.publish_config(
            "all", b"", revision=revision, base_revision=revision - 1, expect_last=last
        )
    eventually(lambda: len(seen) >= 100)
    assert seen.revisions() == list(range(1, 101))


def test_publisher_that_has_missed_a_message_is_refused_and_nobody_hears_it(control, node):
    seen = Seen()
    node.watch_config("all", 0, seen.append)
    first = publish(control, 1)
    for expected in (0, first + 1):
        with pytest.raises(Conflict):
            control.publish_config(
                "all", b"", revision=66, base_revision=None, expect_last=expected
            )
    publish(control, 2)
    eventually(seen.are(1, 2))


def test_publisher_that_does_not_care_is_not_refused(control):
    publish(control, 1)
    control.publish_config("all", b"", revision=2, base_revision=1, expect_last=None)
    assert control.last_config("all").revision == 2


def test_classes_do_not_hear_each_other(control, node):
    seen = {cls: Seen() for cls in ("all", "eu")}
    for cls, each in seen.items():
        node.watch_config(cls, 0, each.append)
    publish(control, 1)
    publish(control, 2, cls="eu")
    publish(control, 3)
    publish(control, 4, cls="eu")
    eventually(seen["all"].are(1, 3))
    eventually(seen["eu"].are(2, 4))


def test_classes_that_were_published_for_are_known_to_who_comes_later(control):
    assert control.classes() <= {"all"}
    publish(control, 1)
    publish(control, 2, cls="eu=us")
    assert control.classes() == {"all", "eu=us"}


def test_newest_instance_of_a_server_is_heard_now_and_later(control, node):
    node.put_instance("s1", b"first")
    heard: list[bytes] = []
    node.watch_instance("s1", heard.append)
    eventually(lambda: heard == [b"first"])
    control.put_instance("s2", b"another server's")
    control.put_instance("s1", b"second")
    eventually(lambda: heard == [b"first", b"second"])


def test_cancelled_watch_hears_nothing_more(control, node):
    cancelled, kept = Seen(), Seen()
    cancel = node.watch_config("all", 0, cancelled.append)
    node.watch_config("all", 0, kept.append)
    publish(control, 1)
    eventually(lambda: cancelled and kept)
    cancel()
    publish(control, 2)
    eventually(kept.are(1, 2))
    assert cancelled.revisions() == [1]


def test_whole_of_any_size_comes_back_as_it_was(control, node):
    content = bytes(range(256)) * 12_000
    control.put_whole("all", Whole(5, 17, content))
    assert node.get_whole("all") == Whole(5, 17, content)
    assert node.last_whole("all") == Position(17, 5)
    control.put_whole("all", Whole(6, 18, b""))
    assert node.get_whole("all") == Whole(6, 18, b"")
    publish(control, 1, cls="eu")
    assert node.get_whole("eu") is None


def test_wholes_put_again_and_again_leave_only_the_newest(control, node):
    for revision in range(1, 6):
        control.put_whole("all", Whole(revision, revision, bytes([revision]) * 600_000))
    assert node.get_whole("all") == Whole(5, 5, bytes([5]) * 600_000)


def test_a_message_of_the_largest_size_gets_through(control, node):
    content = b"x" * min(control.largest_message, 1_000_000)
    seen = Seen()
    node.watch_config("all", 0, seen.append)
    publish(control, 1, content)
    eventually(seen.are(1))
    assert seen[0].content == content


# Back from the servers.


def test_acknowledgement_reaches_the_control_plane_with_all_its_fields(control, node):
    sent = Acknowledgement(
        7, "no", "zone-1", server="ams-1", epoch=2, withheld={"zone-1": "no"}, wants_whole=True
    )
    heard = []
    control.acknowledgements(heard.append)

    def arrives() -> bool:
        node.acknowledge(sent)  # what was sent before the subscription is lost, as it may be
        return sent in heard

    eventually(arrives)


def test_report_comes_with_the_name_of_its_server(control, node):
    heard = []
    control.reports(lambda server, content: heard.append((server, content)))

    def arrives() -> bool:
        node.report("ams-1", b"report")
        return ("ams-1", b"report") in heard

    eventually(arrives)


# Values.


def test_gate_is_empty_before_it_is_put(control):
    assert control.get_gate().number == 0


def test_gate_reaches_those_who_watch_and_those_who_come_later(control, node):
    early, late = [], []
    node.watch_gate(early.append)
    number = control.put_gate(b"one", expect=0)
    eventually(lambda: [each.content for each in early] == [b"one"])
    control.put_gate(b"two", expect=number)
    eventually(lambda: early[-1].content == b"two")
    node.watch_gate(late.append)
    eventually(lambda: late and late[-1] == control.get_gate())


def test_gate_is_replaced_only_by_who_has_seen_it(control):
    number = control.put_gate(b"one", expect=0)
    with pytest.raises(Conflict):
        control.put_gate(b"late", expect=0)
    assert control.put_gate(b"two", expect=number) > number
    assert control.get_gate().content == b"two"


def test_held_connections_are_told_by_server(control, node):
    ams, fra = [], []
    control.watch_held("ams-1", ams.append)
    node.put_held("ams-1", b"one")
    node.put_held("fra-1", b"other")
    eventually(lambda: ams and ams[-1] == b"one")
    control.watch_held("fra-1", fra.append)
    eventually(lambda: fra == [b"other"])
    node.put_held("ams-1", b"two")
    eventually(lambda: ams[-1] == b"two")
    assert b"other" not in ams


# Itself.


def test_handler_that_fails_is_called_again(control, node):
    heard = []

    def fails(message) -> None:
        heard.append(message.revision)
        raise RuntimeError("a defect of the handler")

    node.watch_config("all", 0, fails)
    publish(control, 1)
    publish(control, 2)
    eventually(lambda: heard == [1, 2])


def test_closed_bus_says_so(control):
    control.close()
    control.close()
    assert not control.is_connected
    with pytest.raises(Unavailable):
        control.last_config("all")
