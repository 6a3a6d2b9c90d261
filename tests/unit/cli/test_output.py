"""What every command prints, word by word; the files are in `golden`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.support.scripted_api import ScriptedApi
from tests.unit.cli.conftest import CommandLine, Golden
from tests.unit.cli.world import SECRET, UNBINDABLE, readiness

READS = {
    "account_list": "account list",
    "account_show": "account show Example",
    "certificate_list": "certificate list example.com",
    "certificate_show": "certificate show example.com *.example.com",
    "lease_list": "lease list",
    "lease_show": "lease show 2001:db8::1",
    "pool_list": "pool list",
    "pool_show": "pool show edge --account Example",
    "pool_shared": "pool shared",
    "record_list": "record list example.com",
    "record_show": "record show example.com @",
    "setting_get": "setting get example.com aegis",
    "setting_list": "setting list example.com",
    "status": "status",
    "token_list": "token list",
    "token_permissions": "token permissions",
    "token_show": "token show deploy",
    "token_verify": "token verify",
    "usage": "usage",
    "zone_list": "zone list",
    "zone_show": "zone show example.com",
}
WRITES = {
    "account_create": "account create New --type standard",
    "account_delete": "account delete Example --yes",
    "account_rename": "account rename Example Renamed",
    "certificate_add": "certificate add example.com --cert cert.pem --key key.pem",
    "certificate_replace": "certificate replace example.com example.com --cert cert.pem --key key.pem",
    "certificate_delete": "certificate delete example.com example.com --yes",
    "lease_add": "lease add 192.0.2.9 --account Example",
    "lease_delete": "lease delete 192.0.2.2 --yes",
    "pool_create": "pool create core 192.0.2.1 192.0.2.2 --account Example",
    "pool_delete": "pool delete edge --account Example --yes",
    "pool_edit": "pool edit edge --account Example --add-ip 192.0.2.2 --remove-ip 192.0.2.1",
    "pool_grant": "pool grant edge Other --account Example",
    "pool_revoke": "pool revoke edge Other --account Example --yes",
    "record_add": "record add example.com api 203.0.113.20 --port 8443 --scheme https --verify strict",
    "record_add_txt": "record add example.com @ 'some words' --type txt",
    "record_delete": f"record delete example.com {'c1' * 16} --yes",
    "record_edit": f"record edit example.com {'c1' * 16} --no-proxied --ttl 300 --no-http2",
    "setting_set_aegis": "setting set example.com aegis --pool edge --on",
    "setting_set_aegis_off": "setting set example.com aegis --off",
    "setting_set_number": "setting set example.com origin_h2_max_streams 10",
    "setting_set_ssl": "setting set example.com ssl strict",
    "token_create": "token create ci --allow 'DNS Write' --zone example.com --expires 2027-01-01",
    "token_delete": "token delete deploy --yes",
    "token_roll": "token roll deploy --yes",
    "zone_create": "zone create example.net --account Other",
    "zone_delete": "zone delete example.com --yes",
}
SHOW_A_SECRET = ("token_create", "token_roll")


@pytest.mark.parametrize("name", READS)
def test_a_read_prints_a_table_for_people(name: str, cli: CommandLine, golden: Golden) -> None:
    outcome = cli.run(*shlex.split(READS[name]))
    assert (outcome.code, outcome.sent) == (0, [])
    assert SECRET not in outcome.transcript()
    golden.check(name, outcome.transcript())


@pytest.mark.parametrize("name", READS)
def test_a_read_prints_json_and_nothing_else_for_programs(
    name: str, cli: CommandLine, golden: Golden
) -> None:
    outcome = cli.run(*shlex.split(READS[name]), "--json")
    json.loads(outcome.stdout)
    assert SECRET not in outcome.transcript()
    assert (outcome.code, outcome.stderr) == (0, "")
    golden.check(f"{name}_json", outcome.transcript())


@pytest.mark.parametrize("name", WRITES)
def test_a_write_sends_what_was_asked_and_says_what_was_done(
    name: str,
    cli: CommandLine,
    golden: Golden,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cert.pem").write_text("the certificate\n")
    Path("key.pem").write_text("the private key\n")
    outcome = cli.run(*shlex.split(WRITES[name]))
    assert outcome.code == 0
    assert outcome.sent
    assert (SECRET in outcome.transcript()) is (name in SHOW_A_SECRET)
    golden.check(name, outcome.transcript())


def test_a_machine_that_is_not_ready_says_why_and_exits_with_one(
    api: ScriptedApi, cli: CommandLine, golden: Golden
) -> None:
    readiness(api, [UNBINDABLE])
    outcome = cli.run("status")
    assert outcome.code == 1
    golden.check("status_not_ready", outcome.transcript())


def test_every_command_is_among_those_whose_output_is_kept(cli: CommandLine) -> None:
    kept = {" ".join(shlex.split(line)[:2]) for line in (READS | WRITES).values()}
    assert set(cli.commands()) == kept


def test_markup_in_a_name_is_printed_as_it_is(cli: CommandLine) -> None:
    assert "v=spf1 [bold]-all" in cli.run("record", "list", "example.com").stdout


def test_a_narrow_terminal_gets_blocks_and_no_value_is_broken_in_two(
    cli: CommandLine, golden: Golden
) -> None:
    outcome = cli.run("record", "list", "example.com", width=60)
    golden.check("record_list_narrow", outcome.transcript())
