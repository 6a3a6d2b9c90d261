"""HAProxy in HTTP mode, with and without access log, and in TCP mode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench import origin
from bench.cases import Protocol
from bench.targets.target import EVERY_PROTOCOL, THREADS, Place, Ports, Target

_GLOBAL = """\
global
    nbthread {threads}
    cpu-map auto:1/1-{threads} 0-{last_cpu}
    maxconn 8192
    stats timeout 1s
{log}
defaults
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    timeout http-keep-alive 60s
"""

_HTTP = """
frontend ingress
    mode http
    bind 127.0.0.1:{plain}
    bind 127.0.0.1:{h2c} proto h2
    bind 127.0.0.1:{tls} ssl crt {certificate} alpn h2,http/1.1
{features}
    use_backend %[req.hdr(host),field(1,:),lower,map({table},unknown)]

backend origin
    mode http
    http-reuse always
    server origin {origin} source {source} pool-max-conn -1

backend unknown
    mode http
    http-request deny deny_status 404
"""

_TCP = """
frontend ingress
    mode tcp
    bind 127.0.0.1:{plain}
    bind 127.0.0.1:{tls} ssl crt {certificate}
    default_backend origin

backend origin
    mode tcp
    server origin {origin} source {source}
"""

_LOG_FORMAT = (
    '{"ts":"%tr","client":"%ci:%cp","host":"%[capture.req.hdr(0),json(utf8s)]","method":"%HM",'
    '"path":"%[capture.req.uri,json(utf8s)]","status":%ST,"request_id":"%ID","source":"%bi",'
    '"bytes_in":%U,"bytes_out":%B,"dial_ms":%Tc,"first_byte_ms":%Tr,"total_ms":%Ta}'
)

_LOGGING = f"""\
    log global
    option forwardfor
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
    unique-id-header X-Request-ID
    http-request capture req.hdr(host) len 64
    log-format '{_LOG_FORMAT}'
"""


def _configure_http(target: Target, place: Place) -> list[str]:
    table = place.work / f"{target.name}.map"
    table.write_text("".join(f"{name} origin\n" for name in place.names))
    body = _HTTP.format(
        plain=target.ports.plain,
        h2c=target.ports.h2c,
        tls=target.ports.tls,
        certificate=place.certificate,
        features=_LOGGING if target.logs else "",
        table=table,
        origin=f"{origin.ADDRESS}:{origin.PORT}",
        source=target.source,
    )
    return _command(target, place.work, body)


def _configure_tcp(target: Target, place: Place) -> list[str]:
    body = _TCP.format(
        plain=target.ports.plain,
        tls=target.ports.tls,
        certificate=place.certificate,
        origin=f"{origin.ADDRESS}:{origin.PORT}",
        source=target.source,
    )
    return _command(target, place.work, body)


def _command(target: Target, work: Path, body: str) -> list[str]:
    log = "    log stdout format raw local0 info\n" if target.logs else ""
    head = _GLOBAL.format(threads=THREADS, last_cpu=THREADS - 1, log=log)
    config = work / f"{target.name}.cfg"
    config.write_text(head + body)
    return ["haproxy", "-q", "-db", "-f", str(config)]


HTTP = Target(
    name="haproxy",
    title="HAProxy HTTP",
    source="127.0.0.11",
    ports=Ports.starting_at(18010),
    logs=False,
    protocols=EVERY_PROTOCOL,
    configure=_configure_http,
    in_chains=True,
)

HTTP_LOGGING = replace(
    HTTP,
    name="haproxy-log",
    title="HAProxy HTTP, with log",
    source="127.0.0.12",
    ports=Ports.starting_at(18020),
    logs=True,
    log_files=("haproxy-log.out",),
    in_chains=False,
)

TCP = Target(
    name="haproxy-tcp",
    title="HAProxy TCP mode",
    source="127.0.0.13",
    ports=Ports.starting_at(18030),
    logs=False,
    protocols=frozenset({Protocol.HTTP1, Protocol.HTTP1_TLS}),
    configure=_configure_tcp,
)
