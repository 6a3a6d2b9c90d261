"""The proxies whose slice is filled: Egressway picks ports, the others leave it to the kernel.

HAProxy comes twice: it can also keep a list of ports of its own (`source address:first-last`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import origin, snapshot
from bench.cases import ZONE
from bench.targets import envoy
from bench.targets.target import THREADS

PORT = 18800
HELD_PORT = 9001
SOURCE = "127.0.0.20"
STREAMS = 128
"""Requests in flight per client connection; proxies allow so many streams."""

ACCESS_LOG = "fill.access"
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class FillPlace:
    """Scratch directory, ports to use, and the limit of open descriptors of one process."""

    work: Path
    ports: snapshot.Slice
    descriptors: int


@dataclass(frozen=True, slots=True)
class FillTarget:
    """One proxy; `configure` writes its configuration and returns the command."""

    name: str
    title: str
    configure: Callable[[FillPlace], list[str]]


def _egressway(place: FillPlace) -> list[str]:
    settings = {
        "h2_max_streams": STREAMS,
        "first_byte_ms": _HOUR_MS,
        "body_ms": _HOUR_MS,
        "queue_ms": 60_000,
        "queue_length": place.ports.ports,
    }
    path = place.work / "fill.snapshot"
    path.write_bytes(
        snapshot.snapshot(
            [snapshot.zone(ZONE, "slice", origin_port=HELD_PORT)],
            [
                snapshot.pool(snapshot.SHARED_POOL, "127.0.0.99", snapshot.Slice()),
                snapshot.pool("slice", SOURCE, place.ports),
            ],
            [snapshot.Listener(PORT)],
            settings,
        )
    )
    health = place.work / "fill.health.json"
    return [
        *(sys.executable, "-m", "bench.serve_egressway", "--snapshot", str(path)),
        *("--access-log", str(place.work / ACCESS_LOG), "--health", str(health)),
        *("--workers", str(THREADS)),
    ]


def _haproxy_kernel(place: FillPlace) -> list[str]:
    return _haproxy(SOURCE, place)


def _haproxy_range(place: FillPlace) -> list[str]:
    return _haproxy(f"{SOURCE}:{place.ports.first}-{place.ports.last}", place)


def _haproxy(source: str, place: FillPlace) -> list[str]:
    config = place.work / "fill.cfg"
    config.write_text(
        f"global\n    nbthread {THREADS}\n    cpu-map auto:1/1-{THREADS} 0-{THREADS - 1}\n"
        f"    ulimit-n {place.descriptors}\n    maxconn {(place.descriptors - 200) // 2}\n"
        f"    tune.h2.max-concurrent-streams {STREAMS}\n"
        "defaults\n    mode http\n    timeout client 1h\n    timeout server 1h\n"
        "    timeout connect 60s\n    retries 0\n    http-reuse always\n"
        f"frontend ingress\n    bind 127.0.0.1:{PORT} proto h2 backlog 4096\n"
        "    default_backend held\nbackend held\n"
        f"    server origin {origin.ADDRESS}:{HELD_PORT} source {source}\n"
    )
    return ["haproxy", "-q", "-db", "-f", str(config)]


def _nginx(place: FillPlace) -> list[str]:
    work = place.work
    config = work / "fill.conf"
    config.write_text(
        f"daemon off;\npid {work}/fill.pid;\nworker_processes {THREADS};\n"
        "worker_cpu_affinity auto;\n"
        f"worker_rlimit_nofile {place.descriptors};\n"
        f"error_log stderr error;\n{origin.nginx_user_directive()}\n"
        f"events {{ worker_connections {place.descriptors}; multi_accept on; }}\n"
        "http {\naccess_log off;\nkeepalive_requests 1000000000;\n"
        f"client_body_temp_path {work}/fill-body;\nproxy_temp_path {work}/fill-proxy;\n"
        f"upstream held {{ server {origin.ADDRESS}:{HELD_PORT} max_fails=0; keepalive 64; }}\n"
        f"server {{\nlisten 127.0.0.1:{PORT} http2 backlog=4096;\n"
        f"http2_max_concurrent_streams {STREAMS};\n"
        f"location / {{\nproxy_pass http://held;\nproxy_bind {SOURCE};\n"
        'proxy_http_version 1.1;\nproxy_set_header Connection "";\n'
        "proxy_connect_timeout 60s;\nproxy_read_timeout 1h;\n}\n}\n}\n"
    )
    return ["nginx", "-p", str(work), "-e", "stderr", "-c", str(config)]


def _envoy(place: FillPlace) -> list[str]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "held", "timeout": "0s"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    listener = envoy.plain_listener(
        PORT, {"name": "held", "virtual_hosts": hosts}, streams=STREAMS, idle="3600s"
    )
    cluster = envoy.cluster("held", SOURCE, port=HELD_PORT, patience="60s")
    config = place.work / "fill.json"
    config.write_text(
        json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}})
    )
    return envoy.command(config)


FILL_TARGETS = (
    FillTarget("egressway", "Egressway, port table", _egressway),
    FillTarget("haproxy", "HAProxy, ports by the kernel", _haproxy_kernel),
    FillTarget("haproxy", "HAProxy, port list of its own", _haproxy_range),
    FillTarget("nginx", "nginx, ports by the kernel", _nginx),
    FillTarget("envoy", "Envoy, ports by the kernel", _envoy),
)
