"""Two of the same proxy, one behind the other over mutual TLS: what forwarding costs.

Only the second one may reach the origin, from the target's source address. Egressway's first server
has no address of the pool, so its requests take the ladder's second rung; HAProxy and nginx are told
to pass everything on. All keep their connections open. HAProxy speaks HTTP/2 between the two, as
Egressway does; nginx can speak only HTTP/1.1 to what is behind it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from bench import origin, snapshot
from bench.cases import Protocol
from bench.fleet_identity import both_file, host_of, identity_files, write_identities
from bench.targets.target import THREADS, Place, Ports, Target

Configure = Callable[[Target, Place], list[str]]

_POOL = "dedicated"
_LINK_OFFSET = 5
"""From the first port of a target to the port of its second proxy."""

_HAPROXY = """\
global
    nbthread {threads}
    maxconn 8192
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    timeout http-keep-alive 60s
frontend ingress
    {bind}
    use_backend %[req.hdr(host),field(1,:),lower,map({table},unknown)]
backend next
    http-reuse always
    {server}
backend unknown
    http-request deny deny_status 404
"""

_NGINX = """\
daemon off;
pid {work}/{name}.pid;
worker_processes {threads};
worker_rlimit_nofile 16384;
error_log stderr error;
{user}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {work}/{name}-body;
    proxy_temp_path {work}/{name}-proxy;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    server_names_hash_max_size 8192;
    server_names_hash_bucket_size 128;
    upstream next {{
        server {next};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen {listen} default_server;
        {certificates}
        return 404;
    }}
    server {{
        listen {listen};
        {certificates}
        server_name {names};
        location / {{
            proxy_pass {scheme}://next;
            {towards}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffers 16 16k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"""


def _servers(target: Target) -> tuple[str, str]:
    return f"{target.name}-first", f"{target.name}-second"


def _link_port(target: Target) -> int:
    return target.inner_ports[0]


def _together(target: Target, place: Place, commands: list[list[str]]) -> list[str]:
    path = place.work / f"{target.name}.commands.json"
    path.write_text(json.dumps(commands))
    return [sys.executable, "-m", "bench.together", str(path)]


def _egressway(target: Target, place: Place) -> list[str]:
    first, second = _servers(target)
    write_identities(place.work, [first, second])
    zones = [snapshot.zone(name, _POOL) for name in place.names]
    shared = snapshot.pool(snapshot.SHARED_POOL, "127.0.0.98", snapshot.Slice())
    elsewhere = [{"rung": "data_center", "location": "bench", "servers": [second]}]
    nothing_here = {"id": _POOL, "addresses": [], "elsewhere": elsewhere}
    here = snapshot.pool(_POOL, str(target.source), snapshot.Slice())
    listener = snapshot.Listener(target.ports.plain)
    bytes_of = {
        first: snapshot.snapshot(
            zones, [shared, nothing_here], [listener], fleet=_fleet(target, first, second)
        ),
        second: snapshot.snapshot(zones, [shared, here], [], fleet=_fleet(target, second, first)),
    }
    return _together(
        target, place, [_egressway_command(place, name, each) for name, each in bytes_of.items()]
    )


def _fleet(target: Target, server: str, peer: str) -> dict[str, object]:
    """The second server listens for the first; nobody dials the first."""
    address = {"address": "127.0.0.1", "port": _link_port(target)}
    place = {"data_center": "bench", "location": "bench"}
    is_second = server == _servers(target)[1]
    return {
        **place,
        "server": server,
        "link": address if is_second else None,
        "peers": [{**place, "server": peer, **address}],
    }


def _egressway_command(place: Place, server: str, content: bytes) -> list[str]:
    path = place.work / f"{server}.snapshot"
    path.write_bytes(content)
    return [
        *(sys.executable, "-m", "bench.serve_egressway", "--snapshot", str(path)),
        *("--access-log", str(place.work / f"{server}.access")),
        *("--health", str(place.work / f"{server}.health.json")),
        *("--workers", str(THREADS), "--identity", str(place.work / server)),
    ]


def _haproxy(target: Target, place: Place) -> list[str]:
    first, second = _servers(target)
    write_identities(place.work, [first, second])
    table = place.work / f"{target.name}.map"
    table.write_text("".join(f"{name} next\n" for name in place.names))
    link = f"127.0.0.1:{_link_port(target)}"
    authority = identity_files(place.work / first)[0]
    tls = f"ssl verify required ca-file {authority} crt"
    towards = f"{tls} {both_file(place.work / first)} verifyhost {host_of(second)} alpn h2"
    parts = {
        first: (f"bind 127.0.0.1:{target.ports.plain}", f"server next {link} {towards}"),
        second: (
            f"bind {link} {tls} {both_file(place.work / second)} alpn h2",
            f"server origin {origin.ADDRESS}:{origin.PORT} source {target.source} pool-max-conn -1",
        ),
    }
    commands = []
    for name, (bind, server) in parts.items():
        config = place.work / f"{name}.cfg"
        config.write_text(_HAPROXY.format(threads=THREADS, table=table, bind=bind, server=server))
        commands.append(["haproxy", "-q", "-db", "-f", str(config)])
    return _together(target, place, commands)


def _nginx(target: Target, place: Place) -> list[str]:
    first, second = _servers(target)
    write_identities(place.work, [first, second])
    link = f"127.0.0.1:{_link_port(target)}"
    authority, chain, key = identity_files(place.work / first)
    _, second_chain, second_key = identity_files(place.work / second)
    towards = (
        f"proxy_ssl_certificate {chain}; proxy_ssl_certificate_key {key}; proxy_ssl_verify on; "
        f"proxy_ssl_trusted_certificate {authority}; proxy_ssl_name {host_of(second)};"
    )
    certificates = (
        f"ssl_certificate {second_chain}; ssl_certificate_key {second_key}; "
        f"ssl_verify_client on; ssl_client_certificate {authority};"
    )
    plain = f"127.0.0.1:{target.ports.plain}"
    home = f"{origin.ADDRESS}:{origin.PORT}"
    return _together(
        target,
        place,
        [
            _nginx_command(place, first, (plain, "", link, "https", towards)),
            _nginx_command(
                place,
                second,
                (f"{link} ssl", certificates, home, "http", f"proxy_bind {target.source};"),
            ),
        ],
    )


def _nginx_command(place: Place, name: str, parts: tuple[str, str, str, str, str]) -> list[str]:
    listen, certificates, following, scheme, towards = parts
    config = place.work / f"{name}.conf"
    config.write_text(
        _NGINX.format(
            work=place.work,
            name=name,
            threads=THREADS,
            user=origin.nginx_user_directive(),
            names=" ".join(place.names),
            listen=listen,
            certificates=certificates,
            next=following,
            scheme=scheme,
            towards=towards,
        )
    )
    return ["nginx", "-p", str(place.work), "-e", "stderr", "-c", str(config)]


def _chain(single: str, title: str, source: str, first_port: int, configure: Configure) -> Target:
    """Two of the target `single`; the first port is the first proxy's, a later one the second's."""
    name = f"{single}-chain"
    logs = configure is _egressway
    return Target(
        name=name,
        title=title,
        source=source,
        ports=Ports.starting_at(first_port),
        inner_ports=(first_port + _LINK_OFFSET,),
        logs=logs,
        protocols=frozenset({Protocol.HTTP1}),
        configure=configure,
        log_files=(f"{name}-first.access",) if logs else (),
        chained=True,
        single=single,
    )


EGRESSWAY = _chain("egressway", "Egressway, forwarded", "127.0.0.20", 18100, _egressway)
HAPROXY = _chain("haproxy", "HAProxy behind HAProxy", "127.0.0.21", 18110, _haproxy)
NGINX = _chain("nginx", "nginx behind nginx", "127.0.0.22", 18120, _nginx)
