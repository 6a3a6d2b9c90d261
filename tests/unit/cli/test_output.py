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
    "data_center_list": "data-center list",
    "data_center_show": "data-center show lisbon-1",
    "fleet_show": "fleet show",
    "lease_list": "lease list",
    "lease_show": "lease show 2001:db8::1",
    "location_list": "location list",
    "location_show": "location show lisbon",
    "placement_get": "placement get 192.0.2.1",
    "placement_list": "placement list",
    "placement_moves": "placement moves 192.0.2.1",
    "pool_list": "pool list",
    "pool_show": "pool show edge --account Example",
    "pool_shared": "pool shared",
    "record_list": "record list example.com",
    "record_show": "record show example.com @",
    "regional_hostname_list": "regional-hostname list example.com",
    "regional_hostname_regions": "regional-hostname regions",
    "regional_hostname_show": "regional-hostname show example.com *.example.com",
    "rollout_show": "rollout show",
    "server_list": "server list",
    "server_show": "server show lis1",
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
    "data_center_activate": "data-center activate lisbon-1",
    "data_center_create": "data-center create lisbon-1 --location lisbon",
    "data_center_delete": "data-center delete lisbon-1 --yes",
    "data_center_drain": "data-center drain lisbon-1",
    "data_center_edit": "data-center edit lisbon-1 --location madrid",
    "lease_add": "lease add 192.0.2.9 --account Example",
    "lease_delete": "lease delete 192.0.2.2 --yes",
    "location_create": "location create lisbon --latitude 38.72 --longitude -9.14 --region eu",
    "location_delete": "location delete lisbon --yes",
    "location_edit": "location edit lisbon --region eu --region pt",
    "placement_activate": "placement activate 192.0.2.1",
    "placement_drain": "placement drain 192.0.2.1",
    "placement_finish": f"placement finish 192.0.2.1 {'e1' * 16} --yes",
    "placement_move": "placement move 192.0.2.1 lis1 mad1 --ports 20000-20999 --deadline 60",
    "placement_set": "placement set 192.0.2.1 --server lis1=30000 --data-center madrid-1=10000",
    "placement_set_slices": "placement set 192.0.2.1 --slice lis1=20000-49999 --slice mad1=50000-59999",
    "placement_set_nobody": "placement set 192.0.2.1 --nobody --deadline 0",
    "pool_create": "pool create core 192.0.2.1 192.0.2.2 --account Example",
    "pool_delete": "pool delete edge --account Example --yes",
    "pool_edit": "pool edit edge --account Example --add-ip 192.0.2.2 --remove-ip 192.0.2.1",
    "pool_edit_overflow": "pool edit edge --account Example --overflow",
    "pool_grant": "pool grant edge Other --account Example",
    "pool_revoke": "pool revoke edge Other --account Example --yes",
    "record_add": "record add example.com api 203.0.113.20 --port 8443 --scheme https --verify strict",
    "record_add_txt": "record add example.com @ 'some words' --type txt",
    "record_delete": f"record delete example.com {'c1' * 16} --yes",
    "record_edit": f"record edit example.com {'c1' * 16} --no-proxied --ttl 300 --no-http2",
    "regional_hostname_add": "regional-hostname add example.com *.example.com eu",
    "regional_hostname_delete": "regional-hostname delete example.com *.example.com --yes",
    "regional_hostname_edit": "regional-hostname edit example.com *.example.com us",
    "rollout_advance": "rollout advance --server lis1 --data-center madrid-1",
    "rollout_back": "rollout back --yes",
    "rollout_finish": "rollout finish --yes",
    "rollout_resume": "rollout resume",
    "rollout_start": "rollout start",
    "rollout_stop": "rollout stop",
    "server_activate": "server activate lis1",
    "server_create": "server create lis1 --data-center lisbon-1 --link 192.0.2.99:8644",
    "server_delete": "server delete lis1 --yes",
    "server_drain": "server drain lis1",
    "server_edit": "server edit lis1 --link 192.0.2.98:8644",
    "server_revoke": "server revoke lis1 --yes",
    "server_token": "server token lis1 --expires-in 60",
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
SHOW_A_SECRET = ("server_token", "token_create", "token_roll")


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
