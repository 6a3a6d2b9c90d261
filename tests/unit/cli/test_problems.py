"""What a person is told when a command cannot be carried out, and what is asked before a loss."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.scripted_api import ScriptedApi, failure, success
from tests.unit.cli.conftest import CommandLine, Golden
from tests.unit.cli.world import EXAMPLE, OTHER, OTHER_POOL, POOL, THE_ZONE, ZONE, usage_row

FAULT = {"code": 1004, "message": "The address is not leased.", "source": {"pointer": "/ips/0"}}
AMBIGUOUS = {
    "ambiguous_account": "lease add 192.0.2.9",
    "ambiguous_pool": "pool show edge",
    "ambiguous_record": "record delete example.com www --yes",
    "unknown_account": "account show Nobody",
    "unknown_certificate": "certificate show example.com other.example.com",
    "unknown_permission": "token create ci --allow Everything --zone example.com",
    "unknown_pool": "pool show none",
    "unknown_zone": "record list example.org",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_name_that_fits_none_or_several_changes_nothing(
    name: str, cli: CommandLine, golden: Golden
) -> None:
    outcome = cli.run(*shlex.split(AMBIGUOUS[name]))
    assert (outcome.code, outcome.stdout, outcome.sent) == (1, "", [])
    golden.check(name, outcome.transcript())


def test_a_refusal_is_told_in_the_apis_words_with_the_field(
    api: ScriptedApi, cli: CommandLine, golden: Golden
) -> None:
    api.on("POST", f"/accounts/{OTHER}/egressway/pools", failure(400, FAULT, FAULT))
    outcome = cli.run("pool", "create", "core", "192.0.2.9", "--account", "Other")
    assert (outcome.code, outcome.stdout) == (1, "")
    golden.check("refused", outcome.transcript())


def test_an_unknown_pool_of_a_setting_is_asked_of_the_api_and_then_explained_with_names(
    api: ScriptedApi, cli: CommandLine, golden: Golden
) -> None:
    api.on("PATCH", f"/zones/{ZONE}/settings/aegis", failure(400, FAULT))
    outcome = cli.run("setting", "set", "example.com", "aegis", "--pool", "egde", "--on")
    assert (outcome.code, outcome.stdout) == (1, "")
    golden.check("unknown_pool_of_a_setting", outcome.transcript())


def test_a_pool_granted_by_another_account_is_linked_by_its_id(
    api: ScriptedApi, cli: CommandLine
) -> None:
    outcome = cli.run("setting", "set", "example.com", "aegis", "--pool", OTHER_POOL)
    assert outcome.code == 0
    assert api.sent("PATCH")[0].body == {"value": {"pool_id": OTHER_POOL}}


@pytest.mark.parametrize(
    "line",
    [
        "setting set example.com aegis",
        "setting set example.com aegis on",
        "setting set example.com ssl",
        "setting set example.com ssl full --on",
        "record add example.com www not-an-address",
        "record edit example.com www",
        "record add example.com www 192.0.2.1 --scheme gopher",
        "pool edit edge --account Example",
        "pool edit edge --account Example --remove-ip 192.0.2.77",
        "token create ci --allow 'DNS Write'",
        "usage --watch",
        "certificate add example.com --cert /nowhere.pem --key /nowhere.pem",
        "zone create",
    ],
)
def test_a_command_line_that_makes_no_sense_exits_with_two_and_changes_nothing(
    line: str, cli: CommandLine
) -> None:
    outcome = cli.run(*shlex.split(line))
    assert (outcome.code, outcome.stdout, outcome.sent) == (2, "", [])
    assert "Usage:" in outcome.stderr


DELETES = [
    "account delete Example",
    "zone delete example.com",
    "record delete example.com @",
    "certificate delete example.com example.com",
    "lease delete 192.0.2.2",
    "pool delete edge --account Example",
    "pool revoke edge Other --account Example",
    "token delete deploy",
    "token roll deploy",
]


@pytest.mark.parametrize("line", DELETES)
@pytest.mark.parametrize("answer", ["n\n", ""])
def test_what_destroys_asks_first_and_does_nothing_without_a_yes(
    line: str, answer: str, cli: CommandLine
) -> None:
    outcome = cli.run(*shlex.split(line), answer=answer)
    assert (outcome.code, outcome.stdout, outcome.sent) == (1, "", [])
    assert "Nothing was done." in outcome.stderr


def test_what_destroys_does_it_after_a_yes(cli: CommandLine) -> None:
    outcome = cli.run("zone", "delete", "example.com", answer="y\n")
    assert (outcome.code, len(outcome.sent)) == (0, 1)
    assert "Deleted the zone" in outcome.stdout


def test_a_private_key_is_sent_and_never_printed(
    api: ScriptedApi, cli: CommandLine, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text("the certificate\n")
    key.write_text("the private key\n")
    files = ("--cert", str(cert), "--key", str(key))
    added = cli.run("certificate", "add", "example.com", *files)
    replaced = cli.run("certificate", "replace", "example.com", "example.com", *files)
    for outcome, method in ((added, "POST"), (replaced, "PATCH")):
        assert outcome.code == 0
        assert "private key" not in outcome.stdout + outcome.stderr
        [sent] = api.sent(method)
        assert sent.body == {"certificate": "the certificate\n", "private_key": "the private key\n"}


def test_a_binary_certificate_is_refused_with_the_way_to_convert_it(
    cli: CommandLine, tmp_path: Path
) -> None:
    der = tmp_path / "cert.der"
    der.write_bytes(b"\x30\x82\x01\xff")
    outcome = cli.run("certificate", "add", "example.com", "--cert", str(der), "--key", str(der))
    assert (outcome.code, outcome.sent) == (2, [])
    assert "openssl" in outcome.stderr


def test_an_empty_list_is_a_sentence_for_people_and_an_empty_array_for_programs(
    api: ScriptedApi, cli: CommandLine
) -> None:
    api.paged("/zones", [])
    for_people = cli.run("zone", "list")
    assert (for_people.stdout, for_people.stderr) == ("", "There is no zone yet.\n")
    assert cli.run("zone", "list", "--json").stdout == "[]\n"


def test_a_hostile_name_cannot_paint_the_terminal(api: ScriptedApi, cli: CommandLine) -> None:
    api.paged("/zones", [{**THE_ZONE, "name": "a\x1b[2Jb"}])
    assert "\x1b" not in cli.run("zone", "list").stdout


def test_usage_covers_all_accounts_unless_one_is_named(api: ScriptedApi, cli: CommandLine) -> None:
    api.paged(
        f"/accounts/{OTHER}/egressway/usage", [usage_row("198.51.100.7", "203.0.113.1:80", 1)]
    )
    assert "198.51.100.7" in cli.run("usage").stdout
    assert "198.51.100.7" not in cli.run("usage", "--account", "Example").stdout


def test_options_of_the_connection_beat_the_environment(
    api: ScriptedApi, cli: CommandLine, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("from-the-file\n")
    assert cli.run("zone", "list", "--token-file", str(token)).code == 0
    assert api.received[-1].headers["Authorization"] == "Bearer from-the-file"


def test_status_needs_no_token_of_the_operator(api: ScriptedApi, cli: CommandLine) -> None:
    api.on("GET", "/egressway/status", failure(403, FAULT))
    outcome = cli.run("status")
    assert outcome.code == 0
    assert "Workers" not in outcome.stdout


def test_the_settings_pool_may_be_an_id(api: ScriptedApi, cli: CommandLine) -> None:
    api.on("PATCH", f"/zones/{ZONE}/settings/aegis", success({"id": "aegis", "value": {}}))
    assert cli.run("setting", "set", "example.com", "aegis", "--pool", POOL).code == 0


@pytest.mark.parametrize("status", [403, 404])
def test_a_token_that_may_not_see_pools_links_one_by_its_id(
    api: ScriptedApi, cli: CommandLine, status: int
) -> None:
    api.on("GET", f"/accounts/{EXAMPLE}/egressway/pools", failure(status, FAULT))
    assert cli.run("setting", "set", "example.com", "aegis", "--pool", POOL, "--on").code == 0
    assert api.sent("PATCH")[0].body == {"value": {"enabled": True, "pool_id": POOL}}


def test_a_token_that_may_not_see_accounts_names_one_by_its_id(
    api: ScriptedApi, cli: CommandLine
) -> None:
    api.paged("/accounts", [])
    assert "192.0.2.1" in cli.run("lease", "list", "--account", EXAMPLE).stdout
    api.on("GET", "/accounts", failure(403, FAULT))
    assert "192.0.2.1" in cli.run("lease", "list", "--account", EXAMPLE).stdout


@pytest.mark.parametrize("line", ["lease list", "pool list --json", "usage", "lease add 192.0.2.9"])
def test_a_token_that_sees_no_account_is_not_told_that_there_is_nothing(
    line: str, api: ScriptedApi, cli: CommandLine
) -> None:
    api.paged("/accounts", [])
    outcome = cli.run(*shlex.split(line))
    assert (outcome.code, outcome.stdout, outcome.sent) == (1, "", [])
    assert "may not list them" in outcome.stderr
    assert "`--account`" in outcome.stderr
