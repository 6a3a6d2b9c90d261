"""Lines as ExaBGP 5 writes them."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from egressway.node.announce.exabgp_events import Answer, Sent, SessionChange, read

PEER = ip_address("10.1.0.9")


def line(kind: str, **neighbor: Any) -> str:
    about = {"address": {"local": "10.1.0.1", "peer": "10.1.0.9"}, **neighbor}
    return json.dumps({"exabgp": "5.0.0", "type": kind, "neighbor": about})


def test_answers():
    assert read("done") == Answer(is_done=True)
    assert read("error") == Answer(is_done=False)


def test_session_changes():
    assert read(line("state", state="up")) == SessionChange(PEER, "up")
    down = line("state", state="down", reason="peer reset")
    assert read(down) == SessionChange(PEER, "down", "peer reset")
    assert read(line("state", state="connected")) is None


def test_what_was_sent():
    update = {
        "attribute": {"origin": "igp"},
        "announce": {"ipv4 unicast": {"10.1.0.1": [{"nlri": "192.0.2.1/32"}]}},
        "withdraw": {"ipv6 unicast": [{"nlri": "2001:db8:1::/48"}]},
    }
    assert read(line("update", direction="send", message={"update": update})) == Sent(
        PEER,
        frozenset({ip_network("192.0.2.1/32")}),
        frozenset({ip_network("2001:db8:1::/48")}),
    )


def test_end_of_table_is_a_message_without_routes():
    told = line("update", direction="send", message={"eor": {"afi": "ipv4", "safi": "unicast"}})
    assert read(told) == Sent(PEER, frozenset(), frozenset())


@pytest.mark.parametrize(
    "told",
    [
        "",
        "shutdown in progress",
        "{",
        "{}",
        '{"neighbor": 5, "type": "state"}',
        '{"neighbor": {"address": {"peer": "x"}}, "type": "state"}',
        line("notification"),
        line("update", direction="receive", message={}),
    ],
)
def test_the_rest_is_of_no_interest(told: str):
    assert read(told) is None
