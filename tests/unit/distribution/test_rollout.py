"""A rollout is changed by one step at a time, and stops by itself when it does harm."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from egressway.bus.bus import ALL
from egressway.bus.in_process import InProcessBus
from egressway.distribution.rollout import Rollouts, RolloutWatch, Tally, verdict
from egressway.model.errors import Conflict, StoreUnavailable
from egressway.model.rollout import IMMEDIATE, RolloutState, RolloutStep, Stage
from egressway.wire.acknowledgement import Acknowledgement
from egressway.wire.usage_report import UsageReport, encode
from tests.support.waiting import eventually

AHEAD = IMMEDIATE.start(10).advance(Stage(15, servers=("a",)))
GOOD = (Acknowledgement(15, server="a"), Acknowledgement(10, server="b"))


@pytest.fixture
def bus():
    made = InProcessBus()
    yield made
    made.close()


@pytest.fixture
def rollouts(bus) -> Rollouts:
    return Rollouts(bus)


def step(**body) -> RolloutStep:
    return RolloutStep.parse(body)


def publish(bus, revision: int) -> None:
    bus.publish_config(ALL, b"", revision=revision, base_revision=None, expect_last=None)


# Steps.


def test_nothing_said_is_immediate(rollouts):
    assert rollouts.read() == IMMEDIATE


def test_steps_are_about_the_newest_revision_that_is_published(bus, rollouts):
    publish(bus, 10)
    rollouts.take(step(action="start"))
    publish(bus, 15)
    assert rollouts.take(step(action="advance", servers=["a"])) == AHEAD
    assert rollouts.read() == AHEAD


def test_step_at_the_same_time_as_anothers_is_taken_after_it(bus, rollouts, monkeypatch):
    rollouts.take(step(action="start"))
    read = bus.get_gate

    def another_comes_first():
        value = read()
        monkeypatch.undo()
        Rollouts(bus).take(step(action="advance", servers=["b"]))
        return value

    monkeypatch.setattr(bus, "get_gate", another_comes_first)
    changed = rollouts.take(step(action="advance", servers=["a"]))
    assert [stage.servers for stage in changed.stages] == [("b",), ("a",)]


def test_senseless_step_changes_nothing(rollouts):
    with pytest.raises(Conflict):
        rollouts.take(step(action="back"))
    assert rollouts.read() == IMMEDIATE


def test_bus_that_is_away_is_told_as_such(bus, rollouts):
    bus.close()
    for call in (rollouts.read, lambda: rollouts.take(step(action="start"))):
        with pytest.raises(StoreUnavailable, match="Try again later"):
            call()


# The verdict.


def test_nothing_speaks_against_servers_that_do_as_well_as_the_others():
    tallies = {"a": Tally(1_000, 30), "b": Tally(1_000, 30)}
    assert verdict(AHEAD, GOOD, tallies) is None


def test_server_ahead_with_many_more_errors_stops_it():
    tallies = {"a": Tally(1_000, 50), "b": Tally(9_000, 90)}
    assert "5.0%" in verdict(AHEAD, GOOD, tallies)


def test_errors_of_servers_that_stayed_do_not():
    tallies = {"a": Tally(1_000, 50), "b": Tally(1_000, 500)}
    assert verdict(AHEAD, GOOD, tallies) is None


def test_few_errors_do_not():
    assert verdict(AHEAD, GOOD, {"a": Tally(20, 19)}) is None


def test_refusal_stops_it():
    told = (Acknowledgement(10, "slices overlap", server="a"), GOOD[1])
    assert "slices overlap" in verdict(AHEAD, told, {})


def test_zone_that_only_servers_ahead_do_not_take_stops_it():
    ahead = Acknowledgement(15, server="a", withheld={"zone-1": "no"})
    assert "zone-1" in verdict(AHEAD, (ahead, GOOD[1]), {})
    both = Acknowledgement(10, server="b", withheld={"zone-1": "no"})
    assert verdict(AHEAD, (ahead, both), {}) is None


def test_without_a_rollout_there_is_nothing_to_stop():
    bad = (Acknowledgement(1, "no", server="a"),)
    for rollout in (IMMEDIATE, AHEAD.stop(), AHEAD.back()):
        assert verdict(rollout, bad, {"a": Tally(100, 100)}) is None


# Watching.


def report(bus, server: str, requests: int, errors: int) -> None:
    told = UsageReport(server, datetime.now(UTC), (), requests=requests, errors=errors)
    bus.report(server, encode(told))


def test_watch_stops_a_rollout_whose_errors_rise(bus, rollouts):
    rollouts.change(lambda _: AHEAD)
    watch = RolloutWatch(bus, rollouts)
    watch.start()
    for told in GOOD:
        bus.acknowledge(told)
    report(bus, "b", 10_000, 0)
    report(bus, "a", 1_000, 400)
    eventually(lambda: rollouts.read().state is RolloutState.STOPPED)
    assert "40.0%" in rollouts.read().reason
    watch.stop()


def test_errors_of_before_a_step_are_not_held_against_it(bus, rollouts):
    rollouts.change(lambda _: IMMEDIATE.start(10))
    watch = RolloutWatch(bus, rollouts)
    watch.start()
    for told in GOOD:
        bus.acknowledge(told)
    report(bus, "a", 1_000, 400)
    rollouts.change(lambda _: AHEAD)
    heard = []
    bus.reports(lambda server, _: heard.append(server))
    report(bus, "b", 1, 0)
    eventually(lambda: heard)
    assert watch.look() is None
    assert rollouts.read() == AHEAD
    watch.stop()
