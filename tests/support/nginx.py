"""A real nginx in front of a real origin: the rival whose verdicts and answers ours are compared with."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.addresses import listening_port
from tests.support.h1_client import connect
from tests.support.waiting import eventually

_CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_header_timeout 1s;
  client_body_timeout 1s;
  keepalive_timeout 1s;
  lingering_close off;
  large_client_header_buffers 4 16k;
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{h2_port} http2;
    location / {{
      proxy_pass http://127.0.0.1:{origin_port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
      proxy_buffering off;
    }}
  }}
}}
"""


class Nginx:
    """Runs for as long as its block lasts."""

    def __init__(self, folder: Path, origin_port: int) -> None:
        self._folder = folder
        self.address = ("127.0.0.1", listening_port())
        self.h2_address = ("127.0.0.1", listening_port())
        """HTTP/2 by prior knowledge."""
        text = _CONFIGURATION.format(
            folder=folder,
            port=self.address[1],
            h2_port=self.h2_address[1],
            origin_port=origin_port,
        )
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self._folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                ["nginx", "-c", str(self._configuration), "-p", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        eventually(self._is_listening, why="nginx listens")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)

    def _is_listening(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "output.log").read_text()
        try:
            connect(self.address).close()
        except ConnectionRefusedError:
            return False
        return True
