"""Configuration to what snapshots, the API and the store are told about this server."""

from __future__ import annotations

import logging
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Final

import msgspec

from egressway.api.settings import ApiSettings
from egressway.model.address import IPAddress, OriginNetworks
from egressway.model.placement import PlacementRules
from egressway.model.port_slice import PortRange
from egressway.model.server import LOCAL
from egressway.node.settings import NodeSettings
from egressway.services.configuration import Configuration
from egressway.services.configuration.types import Egress, ListenerSettings
from egressway.services.start_error import StartError
from egressway.wire.snapshot import Link, Listener, Settings

__all__ = [
    "api_settings",
    "fleet_settings",
    "node_settings",
    "origin_networks",
    "placement_rules",
]

_LOOPBACK6: Final = ip_address("::1")
_log = logging.getLogger(__name__)


def node_settings(
    configuration: Configuration,
    *,
    server: str = LOCAL,
    epoch: int = 0,
    link: Link | None = None,
) -> NodeSettings:
    """What a server has of its own."""
    return NodeSettings(
        server=server,
        epoch=epoch,
        listeners=tuple(_listener(each) for each in configuration.listeners),
        server_name=configuration.ingress.server_name,
        shared_ips=_shared_ips(configuration.egress),
        link=link,
    )


def fleet_settings(configuration: Configuration) -> Settings:
    """Limits of every server of a fleet."""
    return _settings(configuration)


def origin_networks(configuration: Configuration) -> OriginNetworks:
    """For the store, which refuses records that lead elsewhere."""
    egress = configuration.egress
    return OriginNetworks(egress.denied_origins, egress.allowed_origins)


def placement_rules(configuration: Configuration) -> PlacementRules:
    """For the store, which refuses placements beyond them."""
    egress = configuration.egress
    return PlacementRules(PortRange(egress.first_port, egress.last_port), egress.connection_cap)


def api_settings(configuration: Configuration) -> ApiSettings:
    """For the API."""
    shared = _shared_ips(configuration.egress)
    return ApiSettings(
        shared_ipv4_cidrs=tuple(IPv4Network(ip) for ip in shared if isinstance(ip, IPv4Address)),
        shared_ipv6_cidrs=tuple(IPv6Network(ip) for ip in shared if isinstance(ip, IPv6Address)),
    )


def _listener(listener: ListenerSettings) -> Listener:
    networks = tuple(str(network) for network in listener.proxy_protocol_from)
    return Listener(str(listener.address), listener.port, listener.tls, networks or None)


def _settings(configuration: Configuration) -> Settings:
    egress, ingress = configuration.egress, configuration.ingress
    return msgspec.structs.replace(
        configuration.limits,
        server_name=ingress.server_name,
        denied_origins=tuple(str(network) for network in egress.denied_origins),
        allowed_origins=tuple(str(network) for network in egress.allowed_origins),
        trusted_clients=tuple(str(network) for network in ingress.trusted_clients),
        extra_trust_roots=_trust_roots(egress.trust_roots),
    )


def _trust_roots(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as failure:
        raise StartError(
            f"`egress.trust_roots` is `{path}`, which cannot be read: {failure}. "
            "Name a file of PEM certificates."
        ) from failure


def _shared_ips(egress: Egress) -> tuple[IPAddress, ...]:
    """As configured; of the default, IPv6 loopback only where this machine has IPv6."""
    if egress.shared_ips != Egress().shared_ips or _is_local(_LOOPBACK6):
        return egress.shared_ips
    _log.info("this machine has no IPv6 loopback: the shared pool is IPv4 only")
    return tuple(ip for ip in egress.shared_ips if ip != _LOOPBACK6)


def _is_local(ip: IPAddress) -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True
