"""A join token is told once, whole."""

from __future__ import annotations

import hashlib

import pytest

from egressway.identity.join_token import JoinToken

PIN = hashlib.sha256(b"authority").hexdigest()


def test_told_token_is_read_again():
    token = JoinToken.new(PIN)
    assert JoinToken.parse(f" {token}\n") == token
    assert str(token).endswith(f".{PIN}")


def test_no_two_tokens_are_the_same():
    assert JoinToken.new(PIN).digest != JoinToken.new(PIN).digest


@pytest.mark.parametrize("cut", ["", "secret", f"short.{PIN}", f"{'s' * 43}.{PIN[:-1]}", f"{PIN}"])
def test_part_of_a_token_is_none(cut):
    assert JoinToken.parse(cut) is None


def test_secret_is_not_shown_by_repr():
    token = JoinToken.new(PIN)
    assert token.secret not in repr(token)
