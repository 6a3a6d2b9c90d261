"""Every bad setting is told by key, value and fix; every good one arrives parsed."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec
import pytest

from egressway.services.configuration import Configuration, ConfigurationError, load_configuration
from egressway.services.configuration.page import settings_page
from egressway.services.configuration.types import LIMIT_MEANINGS, Limits


def load(tmp_path: Path, text: str, **environment: str) -> Configuration:
    path = tmp_path / "given.toml"
    path.write_text(text, encoding="utf-8")
    return load_configuration(config=path, environment=environment)


def problem(tmp_path: Path, text: str = "", **environment: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, text, **environment)
    return str(refused.value)


def test_empty_file_is_the_defaults(tmp_path):
    configuration = load(tmp_path, "")
    assert configuration == Configuration()
    assert [(str(each.address), each.port, each.tls) for each in configuration.listeners] == [
        ("127.0.0.1", 8680, False),
        ("127.0.0.1", 8643, True),
    ]
    assert (configuration.api.port, configuration.egress.connection_cap) == (8600, 40_000)


def test_every_section_is_read(tmp_path):
    configuration = load(
        tmp_path,
        """
        data = "/var/lib/egressway"
        [store]
        url = "sqlite:///elsewhere.sqlite"
        [api]
        address = "::1"
        port = 1
        [ingress]
        trusted_clients = ["192.0.2.0/24"]
        [[ingress.listeners]]
        address = "0.0.0.0"
        port = 443
        tls = true
        proxy_protocol_from = ["198.51.100.0/24"]
        [egress]
        shared_ips = ["192.0.2.1"]
        first_port = 30000
        last_port = 30099
        allowed_origins = ["10.1.0.0/16"]
        [data_plane]
        workers = 2
        drain_seconds = 1.5
        [access_log]
        to = "stdout"
        [log]
        format = "json"
        [limits]
        head_ms = 5
        """,
    )
    assert configuration.store_url == "sqlite:///elsewhere.sqlite"
    (listener,) = configuration.listeners
    assert (listener.port, listener.tls) == (443, True)
    assert listener.proxy_protocol_from == (ip_network("198.51.100.0/24"),)
    assert configuration.egress.shared_ips == (ip_address("192.0.2.1"),)
    assert configuration.ingress.trusted_clients == (ip_network("192.0.2.0/24"),)
    assert configuration.limits == msgspec.structs.replace(Limits(), head_ms=5)
    assert (configuration.data_plane.drain_seconds, configuration.log.format) == (1.5, "json")
    assert configuration.api.address == ip_address("::1")


def test_store_lies_in_the_data_directory_unless_told_otherwise(tmp_path):
    assert load_configuration(data=tmp_path).store_url == f"sqlite:///{tmp_path}/store.sqlite"


def test_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path):
    text = '[api]\nport = 1\n[egress]\nallowed_origins = ["10.0.0.0/8"]'
    configuration = load(
        tmp_path,
        text,
        EGRESSWAY_API_PORT="2",
        EGRESSWAY_EGRESS_ALLOWED_ORIGINS="192.0.2.0/24, 2001:db8::/32",
        EGRESSWAY_LIMITS_HEAD_MS="7",
    )
    assert configuration.api.port == 2
    assert configuration.egress.allowed_origins == (
        ip_network("192.0.2.0/24"),
        ip_network("2001:db8::/32"),
    )
    assert configuration.limits.head_ms == 7
    elsewhere = {"EGRESSWAY_DATA": "/elsewhere"}
    assert load_configuration(data=tmp_path, environment=elsewhere).data == tmp_path


def test_what_a_fleet_runs_on_is_chosen_by_short_names(tmp_path):
    configuration = load(
        tmp_path,
        '[bus]\nurl = "nats://192.0.2.1:4222"\n[fleet]\ncertificate_hours = 1.5',
        EGRESSWAY_BUS="tls://192.0.2.2:4222",
        EGRESSWAY_STORE="postgresql://192.0.2.3/egressway",
        EGRESSWAY_NODE_LINK_ADDRESS="2001:db8::1",
    )
    assert configuration.bus.url == "tls://192.0.2.2:4222"
    assert configuration.store_url == "postgresql://192.0.2.3/egressway"
    assert configuration.node.link_address == ip_address("2001:db8::1")
    assert configuration.fleet.certificate_hours == 1.5
    told = problem(tmp_path, "[fleet]\ncertificate_hours = 0")
    assert "`fleet.certificate_hours` is `0`, but it must be a number of hours" in told


def test_routers_are_read(tmp_path):
    configuration = load(
        tmp_path,
        """
        [announce]
        asn = 64512
        router_id = "192.0.2.9"
        communities = ["64512:100"]
        [[announce.peers]]
        address = "2001:db8::1"
        asn = 64500
        families = "both"
        """,
        EGRESSWAY_ANNOUNCE_MED="7",
    )
    announce = configuration.announce
    assert (announce.asn, announce.med, announce.communities) == (64512, 7, ("64512:100",))
    (peer,) = announce.peers
    assert (peer.address, peer.asn, peer.families) == (ip_address("2001:db8::1"), 64500, "both")
    assert (peer.port, peer.local_address) == (179, None)


def test_file_in_the_data_directory_is_found(tmp_path):
    (tmp_path / "egressway.toml").write_text("[api]\nport = 7\n", encoding="utf-8")
    assert load_configuration(data=tmp_path).api.port == 7
    assert load_configuration(environment={"EGRESSWAY_DATA": str(tmp_path)}).api.port == 7


def test_variables_of_the_client_are_not_settings(tmp_path):
    environment = {
        "EGRESSWAY_TOKEN": "t",
        "EGRESSWAY_URL": "u",
        "EGRESSWAY_TOKEN_FILE": "f",
        "EGRESSWAY_JOIN_TOKEN": "j",
    }
    assert load_configuration(data=tmp_path, environment=environment).data == tmp_path


BAD = {
    "port out of range": ("[api]\nport = 70000", "`api.port` is `70000`", "0 to 65,535"),
    "port as text": ('[api]\nport = "86"', '`api.port` is `"86"`', "a whole number"),
    "number as boolean": ("[api]\nport = true", "`api.port` is `true`", "a whole number"),
    "address that is a name": ('[api]\naddress = "localhost"', '`"localhost"`', "an IP address"),
    "network with host bits": (
        '[egress]\nallowed_origins = ["192.0.2.1/24"]',
        "`egress.allowed_origins`",
        "without host bits",
    ),
    "address twice": (
        '[egress]\nshared_ips = ["192.0.2.1", "192.0.2.1"]',
        "`egress.shared_ips`",
        "a list of different IP addresses",
    ),
    "shared address that nothing can be sent from": (
        '[egress]\nshared_ips = ["0.0.0.0"]',
        "`egress.shared_ips` holds `0.0.0.0`",
        "an address of this machine",
    ),
    "one port for two listeners": (
        "[ingress]\nhttp_port = 80\nhttps_port = 80",
        "`ingress.http_port` and `ingress.https_port` name the port `80`",
        "its own",
    ),
    "no shared address": ("[egress]\nshared_ips = []", "`egress.shared_ips`", "at least one"),
    "slice backwards": (
        "[egress]\nfirst_port = 40000\nlast_port = 30000",
        "`egress.first_port` is `40000`",
        "exchange them",
    ),
    "cap of nothing": ("[egress]\nconnection_cap = 0", "`egress.connection_cap`", "from 1"),
    "unknown word": ('[log]\nformat = "xml"', '`"xml"`', 'one of "text", "json"'),
    "deadline of nothing": ("[limits]\nhead_ms = 0", "`limits.head_ms`", "from 1"),
    "misspelt key": ("[api]\nprot = 1", "`api.prot` is not a setting", "`port`"),
    "misspelt section": ("[egres]\n", "`egres` is not a setting", "`egress`"),
    "misspelt limit": ("[limits]\nhead_sm = 1", "`limits.head_sm`", "`head_ms`"),
    "section that is no table": ("api = 8600", "`api` is `8600`", "`[api]`"),
    "listener without port": (
        '[[ingress.listeners]]\naddress = "0.0.0.0"',
        "`ingress.listeners[0].port` is missing",
        "add the port",
    ),
    "listener with unknown key": (
        "[[ingress.listeners]]\nport = 1\ntsl = true",
        "`ingress.listeners[0].tsl`",
        "`tls`",
    ),
    "router without AS": (
        '[[announce.peers]]\naddress = "192.0.2.1"',
        "`announce.peers[0].asn` is missing",
        "add the router's AS number",
    ),
    "announcing to nobody": (
        '[announce]\nasn = 64512\nrouter_id = "192.0.2.9"',
        "`announce.asn` is set",
        "`[[announce.peers]]`",
    ),
    "announcing as nobody": (
        '[announce]\nasn = 64512\n[[announce.peers]]\naddress = "192.0.2.1"\nasn = 64500',
        "`announce.router_id`",
        "an IPv4 address",
    ),
    "not TOML": ("[api", "is not TOML", "Correct the file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_setting_is_told_with_key_value_and_fix(tmp_path, case):
    text, *expected = BAD[case]
    told = problem(tmp_path, text)
    assert all(part in told for part in expected), told


def test_bad_variable_is_told_by_its_own_name(tmp_path):
    told = problem(tmp_path, EGRESSWAY_API_PORT="many")
    assert '`EGRESSWAY_API_PORT` is `"many"`, but it must be a whole number' in told


def test_misspelt_variable_is_refused_with_the_nearest(tmp_path):
    told = problem(tmp_path, EGRESSWAY_API_PROT="1")
    assert "`EGRESSWAY_API_PROT` is not a setting: did you mean `EGRESSWAY_API_PORT`?" in told


def test_all_problems_are_told_at_once(tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "[api]\nport = -1\n[egress]\nconnection_cap = 0", EGRESSWAY_X="1")
    assert len(refused.value.problems) == 3


def test_missing_file_is_told_with_its_name(tmp_path):
    with pytest.raises(ConfigurationError, match=r"absent\.toml.*cannot be read"):
        load_configuration(config=tmp_path / "absent.toml")


def test_every_number_of_the_wire_settings_is_a_limit_with_a_meaning():
    numbers = [each.name for each in msgspec.structs.fields(Limits) if each.type is int]
    assert list(LIMIT_MEANINGS) == numbers


def test_page_has_every_key():
    page = settings_page()
    assert "`EGRESSWAY_EGRESS_CONNECTION_CAP`" in page
    assert all(f"| `{key}` |" in page for key in LIMIT_MEANINGS)
