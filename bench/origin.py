"""The one origin behind all targets: nginx with a single worker and endless keep-alive."""

from __future__ import annotations

import os
from pathlib import Path

from bench.process import ProcessTree

ADDRESS = "127.0.0.2"
PORT = 9000

_CONFIG = """\
daemon off;
master_process off;
pid {work}/origin.pid;
error_log stderr error;
{user}
events {{ worker_connections 16384; multi_accept on; }}
http {{
    access_log off;
    default_type text/plain;
    client_body_temp_path {work}/origin-body;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    sendfile on;
    tcp_nodelay on;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    server {{
        listen {address}:{port} backlog=16384;
        root {work}/www;
        location = /small {{ return 200 "thirty-two bytes for one answer\\n"; }}
        location = /source {{ return 200 "$remote_addr"; }}
        location = /body {{ }}
        # More may follow as far as nginx knows, so it answers in chunks: 10,000 bytes and the end.
        location = /chunked {{
            sendfile off;
            output_buffers 1 32k;
            addition_types *;
            add_after_body /nothing;
        }}
        location = /nothing {{ return 200 ""; }}
    }}
}}
"""


def origin(work: Path) -> ProcessTree:
    """The origin, not started yet; its files and configuration are written below `work`.

    Paths: `/small` 32 bytes, `/body` 64 KiB with a length, `/chunked` 10,000 bytes in chunks,
    `/source` the address that the request came from.
    """
    files = work / "www"
    files.mkdir(exist_ok=True)
    (files / "body").write_bytes(b"0123456789abcdef" * 4096)
    (files / "chunked").write_bytes(b"ten bytes\n" * 1000)
    config = work / "origin.conf"
    config.write_text(
        _CONFIG.format(work=work, address=ADDRESS, port=PORT, user=nginx_user_directive())
    )
    command = ["nginx", "-p", str(work), "-e", "stderr", "-c", str(config)]
    return ProcessTree("origin", command, work)


def nginx_user_directive() -> str:
    """nginx started by root gives up its rights and could not read our files; keep it as it is."""
    return "user root;" if os.geteuid() == 0 else ""
