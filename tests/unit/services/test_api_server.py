"""The API's own server: whom it takes for the client."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import httpx
from litestar import Litestar, Request, get

from egressway.services.api_server import ApiServer, listen


@get("/")
async def tell_client(request: Request[Any, Any, Any]) -> str:
    return request.client.host if request.client else ""


def test_a_header_cannot_choose_the_address_that_tokens_and_quotas_are_held_to():
    server = ApiServer(Litestar([tell_client]), listen(ip_address("127.0.0.1"), 0))
    server.start()
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"}
    try:
        told = httpx.get(f"http://127.0.0.1:{server.port}/", headers=forged)
    finally:
        server.stop()
    assert told.text == "127.0.0.1"
