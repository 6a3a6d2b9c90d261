"""The operator's configuration arrives in snapshots, the store and the API."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import msgspec
import pytest

from egressway.services.configuration.types import (
    Configuration,
    Egress,
    Ingress,
    Limits,
    ListenerSettings,
)
from egressway.services.server_settings import (
    api_settings,
    fleet_settings,
    node_settings,
    origin_networks,
    placement_rules,
)
from egressway.services.start_error import StartError
from egressway.wire.snapshot import Listener, Settings

LAN = ip_network("10.1.0.0/16")
SHARED = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))


def test_defaults_are_those_of_the_wire():
    assert fleet_settings(Configuration()) == Settings()


def test_every_setting_is_in_the_snapshot(tmp_path):
    roots = tmp_path / "roots.pem"
    roots.write_text("-----BEGIN CERTIFICATE-----", encoding="ascii")
    configuration = Configuration(
        ingress=Ingress(server_name="server-1", trusted_clients=(LAN,)),
        egress=Egress(allowed_origins=(LAN,), trust_roots=str(roots)),
        limits=msgspec.structs.replace(Limits(), head_ms=5),
    )
    settings = fleet_settings(configuration)
    assert node_settings(configuration).server_name == "server-1"
    assert (settings.server_name, settings.head_ms) == ("server-1", 5)
    assert settings.trusted_clients == settings.allowed_origins == ("10.1.0.0/16",)
    assert settings.extra_trust_roots == "-----BEGIN CERTIFICATE-----"


def test_listeners_keep_their_networks_and_none_means_no_header():
    ingress = Ingress(
        listeners=(
            ListenerSettings(ip_address("::"), 80),
            ListenerSettings(ip_address("::"), 443, tls=True, proxy_protocol_from=(LAN,)),
        )
    )
    assert node_settings(Configuration(ingress=ingress)).listeners == (
        Listener("::", 80, tls=False, proxy_protocol_from=None),
        Listener("::", 443, tls=True, proxy_protocol_from=("10.1.0.0/16",)),
    )


def test_slice_and_cap_are_the_configured_ones():
    egress = Egress(shared_ips=SHARED, first_port=30_000, last_port=30_099, connection_cap=50)
    configuration = Configuration(egress=egress)
    rules = placement_rules(configuration)
    assert node_settings(configuration).shared_ips == SHARED
    assert (rules.ports.low, rules.ports.high, rules.connection_cap) == (30_000, 30_099, 50)


def test_store_refuses_and_allows_the_same_networks_as_the_data_plane():
    networks = origin_networks(Configuration(egress=Egress(allowed_origins=(LAN,))))
    assert networks.allowed == (LAN,)
    assert tuple(map(str, networks.denied)) == Settings().denied_origins


def test_api_publishes_the_shared_addresses_by_family():
    settings = api_settings(Configuration(egress=Egress(shared_ips=SHARED)))
    assert settings.shared_ipv4_cidrs == (ip_network("192.0.2.1/32"),)
    assert settings.shared_ipv6_cidrs == (ip_network("2001:db8::1/128"),)


def test_trust_roots_that_are_absent_are_told():
    with pytest.raises(StartError, match=r"`egress\.trust_roots` is `/absent\.pem`"):
        fleet_settings(Configuration(egress=Egress(trust_roots="/absent.pem")))
