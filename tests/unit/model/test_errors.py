"""The error tree and the proxy's answers."""

from __future__ import annotations

import inspect

import pytest

from egressway.model import errors
from egressway.model.errors import PROXY_ERRORS, EgresswayError, Invalid, StoreUnavailable


def every_error() -> list[type[EgresswayError]]:
    return [
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, EgresswayError)
    ]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_is_in_the_drawing_and_has_a_code_the_envelope_allows(
    kind: type[EgresswayError],
) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind("text").code >= 1000


def test_default_codes_tell_the_kinds_apart() -> None:
    codes = [kind.default_code for kind in every_error()]
    assert len(set(codes)) == len(codes)


def test_an_error_below_a_member_points_there_and_keeps_its_code() -> None:
    error = Invalid("no", pointer="/name", code=1234).below("/posts/3")
    assert (error.text, error.pointer, error.code) == ("no", "/posts/3/name", 1234)


def test_only_an_unavailable_store_is_worth_a_retry() -> None:
    assert [kind for kind in every_error() if kind.retry] == [StoreUnavailable]


def test_proxy_codes_are_unique_and_statuses_are_errors() -> None:
    assert len({each.code for each in PROXY_ERRORS}) == len(PROXY_ERRORS)
    assert all(400 <= each.status <= 599 for each in PROXY_ERRORS)
    assert all(each.message.endswith(".") for each in PROXY_ERRORS)
