"""Where URL and token come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from egressway.client import NotConfiguredError, find_access


def test_without_anything_the_api_of_this_machine_is_meant(tmp_path: Path) -> None:
    access = find_access(environment={"EGRESSWAY_DATA": str(tmp_path)})
    assert access.url == "http://127.0.0.1:8600"
    assert access.token is None
    assert str(tmp_path / "admin-token") in access.why_missing


def test_the_admin_token_of_the_data_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "admin-token").write_text("from-the-data-directory\n")
    access = find_access(environment={"EGRESSWAY_DATA": str(tmp_path)})
    assert access.token == "from-the-data-directory"


def test_an_argument_beats_the_environment_and_a_value_beats_a_file(tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text("from-the-named-file")
    variable = {"EGRESSWAY_TOKEN_FILE": str(named), "EGRESSWAY_DATA": str(tmp_path)}
    assert find_access(environment=variable).token == "from-the-named-file"
    variable["EGRESSWAY_TOKEN"] = "from-the-variable"
    assert find_access(environment=variable).token == "from-the-variable"
    assert find_access(token_file=named, environment=variable).token == "from-the-named-file"
    assert find_access(token="given", environment=variable).token == "given"


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(NotConfiguredError, match="does not exist") as raised:
        find_access(environment={"EGRESSWAY_TOKEN_FILE": str(missing)})
    assert str(missing) in raised.value.what


@pytest.mark.parametrize("given", ["http://h.example.com/client/v4/", "http://h.example.com/"])
def test_the_api_path_may_be_part_of_the_url(given: str) -> None:
    assert find_access(given, "t", environment={}).url == "http://h.example.com"


@pytest.mark.parametrize(
    "given", ["h.example.com:8600", "ftp://h.example.com", "http://", "http://h:x"]
)
def test_what_is_no_url_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(NotConfiguredError, match=r"http://127\.0\.0\.1:8600"):
        find_access(given, "t", environment={})


@pytest.mark.parametrize("token", ["  ", "two words", "zeile\nzwei", "schlüssel"])
def test_a_token_that_fits_no_header_is_refused_without_printing_it(token: str) -> None:
    with pytest.raises(NotConfiguredError) as raised:
        find_access("http://h.example.com", token, environment={})
    assert not token.strip() or token not in str(raised.value)


def test_a_token_never_shows_in_a_repr() -> None:
    assert "secret-value" not in repr(find_access(token="secret-value", environment={}))


@pytest.mark.parametrize(
    ("url", "is_loopback"),
    [
        ("http://127.0.0.1:8600", True),
        ("http://[::1]:8600", True),
        ("http://localhost", True),
        ("https://192.0.2.1", False),
        ("https://egress.example.com", False),
    ],
)
def test_loopback_is_known_by_its_address(url: str, is_loopback: bool) -> None:
    assert find_access(url, "t", environment={}).is_loopback is is_loopback
