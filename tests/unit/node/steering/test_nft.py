"""The packet filter's text, word by word; the files are in `testdata/steering`."""

from __future__ import annotations

from egressway.node.steering.desired import steering_state
from egressway.node.steering.nft import Surroundings, render_change, render_gone, render_whole
from tests.support.golden import check_golden
from tests.unit.node.steering.situations import OTHER, of_one, owner, pin

HOST = Surroundings(tunnel_port=8645, tunnel_mtu=1450, forwards_for_others=False)
BEFORE = steering_state(
    of_one(
        owner(20_000, 29_999, "one"),
        owner(30_000, 39_999, "two"),
        owner(40_000, 49_999, "three"),
        pinned=(pin(30_001, "one"),),
    )
)
AFTER = steering_state(
    of_one(
        owner(20_000, 29_999, "one"),
        owner(30_000, 39_999, "one"),
        owner(40_000, 49_999, "two"),
        owner(20_000, 29_999, "two", OTHER),
        pinned=(pin(30_001, "one"), pin(30_002, "two"), pin(40_001, "three")),
    )
)
NOTHING = steering_state(of_one())


def test_whole_table():
    check_golden("steering/whole.nft", render_whole(BEFORE, HOST))


def test_whole_table_of_a_router():
    router = Surroundings(tunnel_port=9000, tunnel_mtu=1400, forwards_for_others=True)
    check_golden("steering/router.nft", render_whole(NOTHING, router))


def test_change_touches_what_differs_only():
    check_golden("steering/change.nft", render_change(BEFORE, AFTER))


def test_change_back():
    check_golden("steering/change_back.nft", render_change(AFTER, BEFORE))


def test_change_to_nothing():
    check_golden("steering/change_to_nothing.nft", render_change(AFTER, NOTHING))


def test_no_difference_is_no_transaction():
    assert render_change(AFTER, AFTER) == ""


def test_gone():
    check_golden("steering/gone.nft", render_gone())
