"""The rollout document permits what its stages say, and refuses steps that make no sense."""

from __future__ import annotations

import pytest

from egressway.model.errors import Conflict, Invalid
from egressway.model.rollout import IMMEDIATE, RolloutStep, Stage

STARTED = IMMEDIATE.start(10)
AHEAD = STARTED.advance(Stage(15, servers=("ams-1-1",)))


def test_immediate_permits_everything():
    assert IMMEDIATE.permitted("ams-1-1", "ams-1") is None


def test_started_keeps_everybody_at_the_stable_revision():
    assert STARTED.permitted("ams-1-1", "ams-1") == 10


def test_stage_lets_its_servers_and_data_centers_go_and_nobody_else():
    wider = AHEAD.advance(Stage(12, data_centers=("fra-1",)))
    assert wider.permitted("ams-1-1", "ams-1") == 15
    assert wider.permitted("fra-1-7", "fra-1") == 12
    assert wider.permitted("ams-1-2", "ams-1") == 10


def test_stage_with_everyone_is_the_new_stable_revision():
    done = AHEAD.advance(Stage(15, is_everyone=True))
    assert (done.stable, done.stages) == (15, ())


def test_taken_back_permits_nobody_more_and_begins_anew_when_resumed():
    back = AHEAD.back()
    assert back.permitted("ams-1-1", "ams-1") == 10
    assert back.resume().permitted("ams-1-1", "ams-1") == 10


def test_stopped_keeps_those_ahead_where_they_are_and_goes_on_when_resumed():
    stopped = AHEAD.stop("it does harm")
    assert stopped.permitted("ams-1-1", "ams-1") == 15
    with pytest.raises(Conflict, match="stopped"):
        stopped.advance(Stage(20, is_everyone=True))
    assert stopped.resume() == AHEAD


def test_steps_without_a_rollout_and_a_second_start_are_refused():
    for step in (IMMEDIATE.stop, IMMEDIATE.resume, IMMEDIATE.back):
        with pytest.raises(Conflict, match="start one first"):
            step()
    with pytest.raises(Conflict, match="under way"):
        AHEAD.start(20)


@pytest.mark.parametrize("action", ["start", "stop", "resume", "back", "finish"])
def test_only_an_advance_is_about_somebody(action):
    assert RolloutStep.parse({"action": action}).action == action
    with pytest.raises(Invalid):
        RolloutStep.parse({"action": action, "all": True})
    with pytest.raises(Invalid):
        RolloutStep.parse({"action": "advance"})


def test_steps_lead_from_start_to_finish():
    rollout = IMMEDIATE
    for body, newest in (
        ({"action": "start"}, 10),
        ({"action": "advance", "servers": ["ams-1-1"]}, 15),
        ({"action": "stop"}, 15),
        ({"action": "resume"}, 15),
    ):
        rollout = RolloutStep.parse(body).taken(rollout, newest)
    assert rollout == AHEAD
    assert RolloutStep.parse({"action": "back"}).taken(rollout, 15) == AHEAD.back()
    assert RolloutStep.parse({"action": "finish"}).taken(rollout, 15) == IMMEDIATE
