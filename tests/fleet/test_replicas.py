"""Two control planes on one store and one bus: each does everything, either may end."""

from __future__ import annotations

import pytest

from tests.support.fleet_processes import Fleet
from tests.support.postgres import Postgres
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with Postgres() as postgres:
        directory = tmp_path_factory.mktemp("fleet")
        with Fleet(directory, EGRESSWAY_STORE=postgres.empty_url()) as running:
            running.place("lisbon", "lis1", "s1", "s2")
            yield running


def test_replicas_work_side_by_side_and_one_is_enough(fleet, origin):
    first, second = fleet.control, fleet.start_control("second")
    # The token is the store's, and each data directory holds what its own first start has made.
    (second.data / "admin-token").write_bytes((first.data / "admin-token").read_bytes())
    urls = f"{first.enrolment_url},{second.enrolment_url}"
    node = fleet.node("s1", join=urls)
    fleet.zone("first.example.com", origin.port)
    fleet.control = second
    fleet.zone("second.example.com", origin.port)
    eventually(lambda: node.answers("first.example.com") and node.answers("second.example.com"))
    eventually(lambda: fleet.servers()["s1"]["revision"] is not None)

    first.kill()
    late = fleet.node("s2", join=urls)
    fleet.zone("third.example.com", origin.port)
    eventually(lambda: node.answers("third.example.com") and late.answers("third.example.com"))
