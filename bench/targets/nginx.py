"""nginx from the distribution, with and without access log."""

from __future__ import annotations

from dataclasses import replace

from bench import origin
from bench.targets.target import EVERY_PROTOCOL, THREADS, Place, Ports, Target

_CONFIG = """\
daemon off;
pid {work}/{name}.pid;
worker_processes {threads};
worker_cpu_affinity auto;
worker_rlimit_nofile 16384;
error_log stderr error;
{user}
events {{ worker_connections 8192; }}
http {{
    {logging}
    client_body_temp_path {work}/{name}-body;
    proxy_temp_path {work}/{name}-proxy;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    server_names_hash_max_size 8192;
    server_names_hash_bucket_size 128;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    ssl_session_cache shared:tls:8m;
    upstream origin {{
        server {origin};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{plain} default_server;
        listen 127.0.0.1:{h2c} http2 default_server;
        listen 127.0.0.1:{tls} ssl http2 default_server;
        return 404;
    }}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{h2c} http2;
        listen 127.0.0.1:{tls} ssl http2;
        server_name
            {names};
        location / {{
            proxy_pass http://origin;
            proxy_bind {source};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            {forwarded}
            # Answers stay in memory, whatever the client's pace.
            proxy_buffers 16 16k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"""

_LOG_FORMAT = (
    'log_format line escape=json \'{"ts":"$time_iso8601","client":"$remote_addr:$remote_port",'
    '"host":"$host","method":"$request_method","path":"$request_uri","status":$status,'
    '"request_id":"$request_id","origin":"$upstream_addr","bytes_in":$request_length,'
    '"bytes_out":$bytes_sent,"dial":"$upstream_connect_time","first_byte":"$upstream_header_time",'
    '"total":$request_time}\';'
)

_FORWARDED = """\
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Request-ID $request_id;"""


def _configure(target: Target, place: Place) -> list[str]:
    log = place.work / f"{target.name}.access"
    logging = f"{_LOG_FORMAT}\n    access_log {log} line buffer=64k flush=1s;"
    config = place.work / f"{target.name}.conf"
    config.write_text(
        _CONFIG.format(
            work=place.work,
            name=target.name,
            threads=THREADS,
            user=origin.nginx_user_directive(),
            logging=logging if target.logs else "access_log off;",
            forwarded=_FORWARDED if target.logs else "",
            certificate=place.certificate,
            origin=f"{origin.ADDRESS}:{origin.PORT}",
            source=target.source,
            names="\n            ".join(place.names),
            plain=target.ports.plain,
            h2c=target.ports.h2c,
            tls=target.ports.tls,
        )
    )
    return ["nginx", "-p", str(place.work), "-e", "stderr", "-c", str(config)]


PLAIN = Target(
    name="nginx",
    title="nginx",
    source="127.0.0.14",
    ports=Ports.starting_at(18040),
    logs=False,
    protocols=EVERY_PROTOCOL,
    configure=_configure,
    in_chains=True,
)

LOGGING = replace(
    PLAIN,
    name="nginx-log",
    title="nginx, with log",
    source="127.0.0.15",
    ports=Ports.starting_at(18050),
    logs=True,
    log_files=("nginx-log.access",),
    in_chains=False,
)
