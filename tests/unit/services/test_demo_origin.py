"""The demo origin tells how each request arrived, and stays in step on one connection."""

from __future__ import annotations

import http.client

import msgspec
import pytest

from egressway.services.demo_origin import DemoOrigin


@pytest.fixture
def connection():
    origin = DemoOrigin()
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=10)
    yield connection
    connection.close()
    origin.stop()


def ask(connection, method="GET", path="/", **more) -> dict:
    connection.request(method, path, **more)
    answer = connection.getresponse()
    assert answer.status == 200
    return msgspec.json.decode(answer.read())


def test_answer_tells_address_host_path_and_headers(connection):
    told = ask(connection, path="/a?b=1", headers={"Host": "demo.example.com", "X-One": "1"})
    assert (told["seen_ip"], told["host"], told["path"]) == (
        *("127.0.0.1", "demo.example.com"),
        "/a?b=1",
    )
    assert told["seen_port"] == connection.sock.getsockname()[1]
    assert told["headers"]["x-one"] == "1"


@pytest.mark.parametrize("body", [b"x" * 100_000, [b"one", b"two"]], ids=["length", "chunked"])
def test_connection_carries_the_next_request_after_a_body(connection, body):
    ask(connection, "POST", body=body, encode_chunked=isinstance(body, list))
    local = connection.sock.getsockname()
    assert ask(connection)["seen_port"] == local[1]


def test_head_has_no_body(connection):
    connection.request("HEAD", "/")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert ask(connection)["path"] == "/"
