"""Log lines are for people or machines, and secrets never get through."""

from __future__ import annotations

import io
import logging

import msgspec
import pytest

from egressway.services.configuration.types import Log
from egressway.services.log import set_up_logging


@pytest.fixture(autouse=True)
def root_logger_stays_as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(log: Log, say) -> str:
    stream = io.StringIO()
    set_up_logging(log, stream)
    say(logging.getLogger("egressway.node.report"))
    return stream.getvalue()


def test_text_line_names_level_and_place():
    line = written(Log(), lambda logger: logger.warning("disk is %s", "full"))
    assert line.endswith("Z WARNING node.report: disk is full\n")


def test_json_line_is_one_object_with_the_trace():
    def fail(logger):
        try:
            raise ValueError("no\nway")
        except ValueError:
            logger.exception("failed")

    text = written(Log(format="json"), fail)
    assert text.count("\n") == 1
    line = msgspec.json.decode(text)
    assert (line["level"], line["message"]) == ("error", "failed")
    assert "ValueError: no\nway" in line["trace"]


def test_lines_below_the_level_are_not_written():
    assert written(Log(level="warning"), lambda logger: logger.info("x")) == ""


@pytest.mark.parametrize("log", [Log(), Log(format="json")], ids=["text", "json"])
def test_tokens_and_keys_are_masked(log):
    key = "-----BEGIN PRIVATE KEY-----\nsecret2\n-----END PRIVATE KEY-----"
    text = written(log, lambda logger: logger.error("Authorization: Bearer secret1 %s", key))
    assert "secret1" not in text
    assert "secret2" not in text
    assert "***" in text
