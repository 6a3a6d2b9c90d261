"""Configurations with one zone per (origin, source address), for measuring memory per zone.

Every proxy gets what it needs so that each zone leaves from an address of its own and keeps its
connections: HAProxy a backend, nginx a server and an upstream (one upstream for all would hand
connections of one address to zones of another), Envoy a cluster and a virtual host, Egressway a
zone with its pool. HAProxy and nginx come a second time as lean as they can be: with a map from
hostname to address.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import origin, snapshot
from bench.origin import nginx_user_directive
from bench.targets import envoy
from bench.targets.target import THREADS

PORT = 18900
_ORIGIN = f"{origin.ADDRESS}:{origin.PORT}"


@dataclass(frozen=True, slots=True)
class MemoryTarget:
    """One proxy; `configure` writes the configuration for so many zones and returns the command."""

    name: str
    title: str
    configure: Callable[[Path, int], list[str]]


def source_of(number: int) -> str:
    """A loopback address for each zone, from 127.16.0.1 on."""
    number += 1
    return f"127.{16 + (number >> 16)}.{(number >> 8) & 255}.{number & 255}"


def _name(number: int) -> str:
    return f"z{number:06}.bench.example"


def _haproxy(work: Path, zones: int) -> list[str]:
    table = work / "memory.map"
    table.write_text("".join(f"{_name(number)} b{number}\n" for number in range(zones)))
    backends = "".join(
        f"backend b{number}\n    server origin {_ORIGIN} source {source_of(number)}\n"
        for number in range(zones)
    )
    route = f"    use_backend %[req.hdr(host),field(1,:),lower,map({table},b0)]\n"
    return _haproxy_command(work, route + backends)


def _haproxy_map(work: Path, zones: int) -> list[str]:
    """One backend that takes its source address from a header: needs CAP_NET_ADMIN."""
    table = work / "memory.map"
    _write_address_map(table, zones, end="")
    return _haproxy_command(
        work,
        f"    http-request set-header x-egress %[req.hdr(host),field(1,:),lower,map({table})]\n"
        "    default_backend origin\nbackend origin\n"
        f"    server origin {_ORIGIN} source 0.0.0.0 usesrc hdr_ip(x-egress)\n",
    )


def _haproxy_command(work: Path, routes: str) -> list[str]:
    config = work / "memory.cfg"
    config.write_text(
        f"global\n    nbthread {THREADS}\n    maxconn 4096\n"
        "defaults\n    mode http\n    http-reuse always\n"
        "    timeout client 60s\n    timeout server 60s\n    timeout connect 5s\n"
        f"frontend ingress\n    bind 127.0.0.1:{PORT}\n" + routes
    )
    return ["haproxy", "-q", "-db", "-f", str(config)]


def _nginx(work: Path, zones: int) -> list[str]:
    servers = "".join(
        f"upstream o{number} {{ server {_ORIGIN}; keepalive 8; }}\n"
        f"server {{ listen 127.0.0.1:{PORT}; server_name {_name(number)};"
        f" location / {{ proxy_pass http://o{number}; proxy_bind {source_of(number)}; }} }}\n"
        for number in range(zones)
    )
    return _nginx_command(work, servers)


def _nginx_map(work: Path, zones: int) -> list[str]:
    """One server whose bind is looked up; without connection reuse, which ignores the bind."""
    table = work / "memory.map"
    _write_address_map(table, zones, end=";")
    return _nginx_command(
        work,
        "map_hash_max_size 1048576;\nmap_hash_bucket_size 128;\n"
        f"map $host $egress {{ include {table}; }}\n"
        f"server {{ listen 127.0.0.1:{PORT};"
        f" location / {{ proxy_pass http://{_ORIGIN}; proxy_bind $egress; }} }}\n",
    )


def _nginx_command(work: Path, servers: str) -> list[str]:
    config = work / "memory.conf"
    config.write_text(
        f"daemon off;\npid {work}/memory.pid;\nworker_processes {THREADS};\n"
        f"error_log stderr error;\n{nginx_user_directive()}\n"
        "events { worker_connections 1024; }\nhttp {\naccess_log off;\n"
        f"client_body_temp_path {work}/memory-body;\nproxy_temp_path {work}/memory-proxy;\n"
        "server_names_hash_max_size 1048576;\nserver_names_hash_bucket_size 128;\n"
        'proxy_http_version 1.1;\nproxy_set_header Connection "";\nproxy_set_header Host $host;\n'
        f"{servers}}}\n"
    )
    return ["nginx", "-p", str(work), "-e", "stderr", "-c", str(config)]


def _write_address_map(path: Path, zones: int, *, end: str) -> None:
    lines = (f"{_name(number)} {source_of(number)}{end}\n" for number in range(zones))
    path.write_text("".join(lines))


def _envoy(work: Path, zones: int) -> list[str]:
    clusters = [envoy.cluster(f"c{number}", source_of(number)) for number in range(zones)]
    hosts = [
        {
            "name": f"v{number}",
            "domains": [_name(number)],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": f"c{number}"}}],
        }
        for number in range(zones)
    ]
    listener = envoy.plain_listener(PORT, {"name": "table", "virtual_hosts": hosts})
    config = work / "memory.json"
    config.write_text(
        json.dumps({"static_resources": {"listeners": [listener], "clusters": clusters}})
    )
    return envoy.command(config)


def _egressway_dedicated(work: Path, zones: int) -> list[str]:
    pools = [
        snapshot.pool(f"pool-{number:06}", source_of(number), snapshot.Slice())
        for number in range(zones)
    ]
    entries = [snapshot.zone(_name(number), f"pool-{number:06}") for number in range(zones)]
    return _egressway(work, entries, pools)


def _egressway_shared(work: Path, zones: int) -> list[str]:
    return _egressway(work, [snapshot.zone(_name(number)) for number in range(zones)], [])


def _egressway(
    work: Path, zones: list[dict[str, object]], pools: list[dict[str, object]]
) -> list[str]:
    shared = snapshot.pool(snapshot.SHARED_POOL, "127.0.0.99", snapshot.Slice())
    path = work / "memory.snapshot"
    listeners = [snapshot.Listener(PORT)]
    path.write_bytes(snapshot.snapshot(zones, [shared, *pools], listeners))
    return [
        *(sys.executable, "-m", "bench.serve_egressway", "--snapshot", str(path)),
        *("--health", str(work / "memory.health.json"), "--workers", str(THREADS)),
    ]


MEMORY_TARGETS = (
    MemoryTarget("egressway", "Egressway, own pool and address per zone", _egressway_dedicated),
    MemoryTarget("egressway", "Egressway, zones on the shared pool", _egressway_shared),
    MemoryTarget("haproxy", "HAProxy, a backend per zone", _haproxy),
    MemoryTarget("haproxy", "HAProxy, a map, source by header", _haproxy_map),
    MemoryTarget("nginx", "nginx, a server and upstream per zone", _nginx),
    MemoryTarget("nginx", "nginx, a map, no connection reuse", _nginx_map),
    MemoryTarget("envoy", "Envoy, a cluster per zone", _envoy),
)
