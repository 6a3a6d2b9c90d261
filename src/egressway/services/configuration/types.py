"""The configuration as the rest of the product sees it: frozen, parsed, with a good value
everywhere.

Each key carries its kind, its default and its meaning here and nowhere else; loading, messages and
the reference page are made from them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, is_dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

from egressway.model.address import DENIED_ORIGINS, IPAddress, IPNetwork
from egressway.services.configuration.announce import Announce, PeerSettings
from egressway.services.configuration.fleet import Bus, Fleet, Node
from egressway.services.configuration.key import Key, keys_of
from egressway.services.configuration.values import (
    ADDRESS,
    ADDRESSES,
    BOOLEAN,
    NETWORKS,
    OPTIONAL_TEXT,
    PATH,
    PORT,
    TEXT,
    Kind,
    choice,
    number,
    seconds,
)
from egressway.wire.snapshot import Settings as Limits

__all__ = [
    "ENTRIES",
    "LIMIT_MEANINGS",
    "AccessLog",
    "Announce",
    "Api",
    "Bus",
    "Configuration",
    "DataPlane",
    "Egress",
    "Entries",
    "Fleet",
    "Ingress",
    "Key",
    "Limits",
    "ListenerSettings",
    "Log",
    "Node",
    "PeerSettings",
    "Store",
    "default_data_directory",
    "keys_of",
    "limit_kind",
    "sections",
]

MEBIBYTE: Final = 1024 * 1024
_LOOPBACK: Final[IPAddress] = ip_address("127.0.0.1")


def default_data_directory() -> Path:
    """The same place where the command line client looks for the operator token."""
    return Path.home() / ".local" / "share" / "egressway"


def sections() -> dict[str, type[Any]]:
    """The sections that are dataclasses: all but `limits`."""
    hints = get_type_hints(Configuration)
    return {
        name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)
    }


@dataclass(frozen=True, slots=True)
class Store:
    """Where the configuration of accounts is kept."""

    url: Annotated[
        str,
        Key(
            OPTIONAL_TEXT,
            "URL of the store; empty is the file `store.sqlite` in `data`, "
            "`postgresql://USER@HOST/DATABASE` is shared by several replicas.",
        ),
    ] = ""


@dataclass(frozen=True, slots=True)
class Api:
    """Where the HTTP API answers; health and metrics are there too."""

    address: Annotated[IPAddress, Key(ADDRESS, "Address the API listens on.")] = _LOOPBACK
    port: Annotated[int, Key(PORT, "Port of the API; 0 lets the kernel choose.")] = 8600


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """One entry of `[[ingress.listeners]]`."""

    address: Annotated[IPAddress, Key(ADDRESS, "Address to listen on.")] = _LOOPBACK
    port: Annotated[int, Key(PORT, "Port to listen on; 0 lets the kernel choose.")] = 0
    tls: Annotated[bool, Key(BOOLEAN, "Whether clients speak TLS.")] = False
    proxy_protocol_from: Annotated[
        tuple[IPNetwork, ...],
        Key(
            NETWORKS,
            "Networks of the load balancers in front. When given, every connection "
            "must come from one of them and begin with a PROXY protocol header.",
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class Ingress:
    """Where clients connect."""

    address: Annotated[
        IPAddress, Key(ADDRESS, 'Address clients connect to. "0.0.0.0" or "::" serves the network.')
    ] = _LOOPBACK
    http_port: Annotated[int, Key(PORT, "Port for HTTP; 0 lets the kernel choose.")] = 8680
    https_port: Annotated[int, Key(PORT, "Port for HTTPS; 0 lets the kernel choose.")] = 8643
    trusted_clients: Annotated[
        tuple[IPNetwork, ...],
        Key(
            NETWORKS,
            "`X-Forwarded-For` of clients in these networks is kept and appended to; "
            "others' is replaced.",
        ),
    ] = ()
    server_name: Annotated[str, Key(TEXT, "Name of this server in `Via` and in reports.")] = (
        "egressway"
    )
    listeners: tuple[ListenerSettings, ...] = ()
    """When given, instead of the two ports above."""


@dataclass(frozen=True, slots=True)
class Egress:
    """What requests leave from, and where they may not go."""

    shared_ips: Annotated[
        tuple[IPAddress, ...],
        Key(
            ADDRESSES,
            "Addresses of the shared pool, for zones without dedicated ones. They "
            "must be local to this machine.",
        ),
    ] = (_LOOPBACK, ip_address("::1"))
    first_port: Annotated[
        int, Key(number(1_024, 65_535), "First source port of each egress address.")
    ] = 20_000
    last_port: Annotated[
        int, Key(number(1_024, 65_535), "Last source port of each egress address.")
    ] = 59_999
    connection_cap: Annotated[
        int, Key(number(1, 64_512), "Concurrent connections per egress address and origin ip:port.")
    ] = 40_000
    allowed_origins: Annotated[
        tuple[IPNetwork, ...],
        Key(NETWORKS, "Exceptions to `denied_origins`: networks whose owner you are."),
    ] = ()
    denied_origins: Annotated[
        tuple[IPNetwork, ...],
        Key(
            NETWORKS, "Networks no record may lead to, so that an account never reaches the inside."
        ),
    ] = DENIED_ORIGINS
    trust_roots: Annotated[
        str,
        Key(
            OPTIONAL_TEXT,
            "PEM file of certificates trusted for origins, beside the system's; empty: none.",
        ),
    ] = ""


@dataclass(frozen=True, slots=True)
class DataPlane:
    """The process part that carries requests."""

    workers: Annotated[int, Key(number(0, 1_024), "Worker threads; 0 is one per core.")] = 0
    drain_seconds: Annotated[
        float,
        Key(seconds(0, 3_600), "At a stop, open requests may take this long before they are cut."),
    ] = 10.0


@dataclass(frozen=True, slots=True)
class AccessLog:
    """One JSON line per request."""

    to: Annotated[
        str, Key(choice("file", "stdout", "off"), "`file` is `access.log` in the data directory.")
    ] = "file"
    max_bytes: Annotated[
        int, Key(number(64 * 1024, 1 << 40), "The file is rotated when it is longer.")
    ] = 100 * MEBIBYTE
    keep: Annotated[
        int, Key(number(0, 1_000), "Rotated files kept: `access.log.1` is the newest.")
    ] = 5
    buffer_bytes: Annotated[
        int,
        Key(
            number(64 * 1024, 1 << 32),
            "Lines waiting to be written; beyond it they are dropped and counted, "
            "requests never wait.",
        ),
    ] = 64 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Log:
    """What the process says about itself, on standard error."""

    format: Annotated[str, Key(choice("text", "json"), "For people or for machines.")] = "text"
    level: Annotated[
        str, Key(choice("debug", "info", "warning", "error"), "Lines below this are not written.")
    ] = "info"


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it."""

    data: Annotated[
        Path, Key(PATH, "Directory of the store, the operator token and the access log.")
    ] = field(default_factory=default_data_directory)
    store: Store = field(default_factory=Store)
    api: Api = field(default_factory=Api)
    ingress: Ingress = field(default_factory=Ingress)
    egress: Egress = field(default_factory=Egress)
    data_plane: DataPlane = field(default_factory=DataPlane)
    access_log: AccessLog = field(default_factory=AccessLog)
    log: Log = field(default_factory=Log)
    bus: Bus = field(default_factory=Bus)
    fleet: Fleet = field(default_factory=Fleet)
    node: Node = field(default_factory=Node)
    announce: Announce = field(default_factory=Announce)
    limits: Limits = field(default_factory=Limits)
    """Only its whole numbers are read from `[limits]`; the rest has keys of its own."""

    @property
    def store_url(self) -> str:
        """URL of the store, with the default filled in."""
        return self.store.url or f"sqlite:///{self.data / 'store.sqlite'}"

    @property
    def listeners(self) -> tuple[ListenerSettings, ...]:
        """Those given, or one for each of the two ports."""
        ingress = self.ingress
        return ingress.listeners or (
            ListenerSettings(ingress.address, ingress.http_port, tls=False),
            ListenerSettings(ingress.address, ingress.https_port, tls=True),
        )

    def with_data(self, data: Path) -> Configuration:
        """The same in another directory."""
        return dataclasses.replace(self, data=data)


@dataclass(frozen=True, slots=True)
class Entries:
    """A list of tables inside a section."""

    key: str
    entry: type[Any]
    required: dict[str, str]
    """Keys without a default, and what to add."""
    meaning: str


ENTRIES: dict[type[Any], Entries] = {
    Ingress: Entries(
        "listeners",
        ListenerSettings,
        {"port": "add the port to listen on"},
        "Instead of `http_port` and `https_port`: any number of these.",
    ),
    Announce: Entries(
        "peers",
        PeerSettings,
        {"address": "add the router's address", "asn": "add the router's AS number"},
        "The routers that are told: any number of these.",
    ),
}
"""Sections that hold one."""

LIMIT_MEANINGS: dict[str, str] = {
    "tls_handshake_ms": "A client's TLS handshake.",
    "head_ms": "From the first byte of a request to the end of its header.",
    "idle_h1_ms": "A client connection without a request, HTTP/1.",
    "idle_h2_ms": "A client connection without a stream, HTTP/2.",
    "body_ms": "Between two pieces of a body, either direction.",
    "tunnel_idle_ms": "A WebSocket without a byte in either direction.",
    "dial_ms": "Connecting to an origin.",
    "origin_tls_ms": "The TLS handshake with an origin.",
    "first_byte_ms": "From the sent request to the first byte of the origin's answer.",
    "origin_idle_ms": "An origin connection without a request is closed after this.",
    "origin_max_age_ms": "An origin connection takes no new request after this.",
    "queue_ms": "A request waits this long for a connection when the cap is reached.",
    "queue_length": "Requests waiting per origin ip:port; more are refused at once.",
    "max_head_bytes": "Bytes of a request header.",
    "max_headers": "Fields of a request header.",
    "h2_max_streams": "Concurrent HTTP/2 streams a client may open per connection.",
    "h2_max_resets": "Streams a client may reset per connection within ten seconds.",
    "max_connections_per_client": "Open connections per client address.",
    "max_requests_per_connection": "Requests per client connection; the last answer closes it.",
    "port_quarantine_ms": "A freed source port rests this long while a never-used one is left.",
    "link_dial_ms": "Connecting to another server of the fleet, TLS included.",
    "link_ping_ms": "Another server is asked this often whether it is alive.",
    "link_dead_ms": "Another server that has not answered for this long is not used.",
}
"""Keys of `[limits]`, in the order of the page."""

_MAY_BE_ZERO = frozenset({"queue_length", "port_quarantine_ms"})


def limit_kind(key: str) -> Kind[int]:
    """No waiting and no quarantine are choices; a deadline of zero would refuse everything."""
    return number(0 if key in _MAY_BE_ZERO else 1, 2**32 - 1)
