"""Names of hosts."""

from __future__ import annotations

import pytest

from egressway.model.errors import Invalid
from egressway.model.hostname import covers, is_within, parse_hostname, wildcard_over


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM.", "www.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("1.example.com", "1.example.com"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_name_is_kept_in_one_spelling(given: str, kept: str) -> None:
    assert parse_hostname(given, "/name") == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        ".",
        "example..com",
        ".example.com",
        "-a.example.com",
        "a-.example.com",
        "a b.example.com",
        "a/b.example.com",
        "example.com:80",
        "192.0.2.1",
        "example.0x7f",
        "2001:db8::1",
        "a" * 64 + ".example",
        "a." * 130 + "example",
        "x" * 5000,
        "*.example.com",
        "www.*.example.com",
        "xn--a.example",
        "www\n.example.com",
        "www.example.com\n",
        "\u3002example.com",
        "a\u3002b.example.com",
        7,
        None,
        ["example.com"],
    ],
)
def test_what_is_not_a_name_is_refused_where_it_stands(given: object) -> None:
    with pytest.raises(Invalid) as caught:
        parse_hostname(given, "/name")
    assert caught.value.pointer == "/name"


def test_a_wildcard_is_the_whole_first_label() -> None:
    assert parse_hostname("*.Example.com", "/name", wildcard=True) == "*.example.com"
    for given in ("*", "*.*.example.com", "w*.example.com", "www.*.com", "*."):
        with pytest.raises(Invalid):
            parse_hostname(given, "/name", wildcard=True)


def test_a_wildcard_covers_one_level() -> None:
    assert covers("*.example.com", "www.example.com")
    assert not covers("*.example.com", "example.com")
    assert not covers("*.example.com", "a.b.example.com")
    assert not covers("*.example.com", "*.example.org")
    assert covers("*.example.com", "*.example.com")
    assert wildcard_over("com") is None


def test_within_a_zone_means_at_or_below_a_dot() -> None:
    assert is_within("example.com", "example.com")
    assert is_within("a.b.example.com", "example.com")
    assert not is_within("badexample.com", "example.com")
    assert not is_within("com", "example.com")
