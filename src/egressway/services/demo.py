"""The demo: an account with two dedicated addresses and two zones, made through the real HTTP API.

Everything a newcomer would do by hand, once; a second start finds what is there. Addresses are
loopback ones, which every machine can send from without any setup.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from egressway.client import Access, Client, ClientError, Transport, UnknownNameError
from egressway.client.objects import Account, Pool, Zone
from egressway.identity.private_file import write_private
from egressway.services.demo_certificate import self_signed

__all__ = [
    "DEDICATED",
    "DEDICATED_ZONE",
    "SHARED_ZONE",
    "Demo",
    "curl_lines",
    "set_up_demo",
]

DEDICATED: Final = ("127.77.0.1", "127.77.0.2")
DEDICATED_ZONE: Final = "demo.example.com"
SHARED_ZONE: Final = "shared.example.com"
TOKEN_FILE: Final = "demo-token"  # noqa: S105 - the name of a file
ACCOUNT: Final = "Demo"
POOL: Final = "dedicated"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Demo:
    """What was made, as far as the printed lines need it."""

    account_id: str
    zone_id: str
    pool_id: str
    token_file: Path


def set_up_demo(api_url: str, operator_token: str, origin_port: int, data: Path) -> Demo:
    """Make, or find, everything; the origin's port is set anew each time."""
    with Client(Transport(Access(api_url, operator_token))) as client:
        account = _account(client)
        pool = _pool(client, account)
        dedicated = _zone(client, account, DEDICATED_ZONE, origin_port)
        client.settings.set_aegis(dedicated.id, enabled=True, pool_id=pool.id)
        _zone(client, account, SHARED_ZONE, origin_port)
        token_file = _token(client, account, api_url, data / TOKEN_FILE)
        return Demo(account.id, dedicated.id, pool.id, token_file)


def _account(client: Client) -> Account:
    return _found(
        lambda: client.accounts.find(ACCOUNT), or_made=lambda: client.accounts.create(ACCOUNT)
    )


def _pool(client: Client, account: Account) -> Pool:
    leased = {lease.ip for lease in client.leased_ips.list(account.id)}
    for ip in DEDICATED:
        if ip not in leased:
            client.leased_ips.create(account.id, ip)
    return _found(
        lambda: client.pools.find(account.id, POOL),
        or_made=lambda: client.pools.create(account.id, name=POOL, ips=DEDICATED),
    )


def _zone(client: Client, account: Account, name: str, origin_port: int) -> Zone:
    zone = _found(
        lambda: client.zones.find(name), or_made=lambda: client.zones.create(name, account.id)
    )
    client.settings.set_ssl(zone.id, "flexible")
    settings = {"origin_port": origin_port, "origin_scheme": "http"}
    records = [each for each in client.records.list(zone.id) if each.type == "A"]
    if records:
        client.records.edit(zone.id, records[0].id, {"settings": settings})
    else:
        client.records.create(zone.id, type="A", name=name, content="127.0.0.1", settings=settings)
    if not client.certificates.list(zone.id):
        made = self_signed(name)
        client.certificates.create(
            zone.id, certificate=made.certificate, private_key=made.private_key
        )
    return zone


def _token(client: Client, account: Account, api_url: str, path: Path) -> Path:
    """A token for the demo's account alone; kept while it works."""
    if path.exists() and _works(api_url, path):
        return path
    groups = [group.id for group in client.tokens.permission_groups()]
    issued = client.tokens.create(
        "demo",
        permission_group_ids=groups,
        resources={f"com.cloudflare.api.account.{account.id}": "*"},
    )
    write_private(path, issued.value)
    return path


def _works(api_url: str, path: Path) -> bool:
    try:
        with Client.open(api_url, token_file=path) as client:
            return client.tokens.verify().status == "active"
    except ClientError:
        return False


def _found(find: Callable[[], T], *, or_made: Callable[[], T]) -> T:
    try:
        return find()
    except UnknownNameError:
        return or_made()


def curl_lines(
    demo: Demo, api_url: str, plain: Sequence[tuple[str, int]], secure: Sequence[tuple[str, int]]
) -> list[str]:
    """Lines to copy, each below what its answer will show."""
    v4 = f"{api_url}/client/v4"
    aegis = f"{v4}/zones/{demo.zone_id}/settings/aegis"
    bearer = f'-H "Authorization: Bearer $(cat {demo.token_file})"'
    told: list[tuple[str, str]] = []
    if plain:
        http = "http://{}:{}/".format(*plain[0])
        told += [
            (
                f"a zone with dedicated addresses: seen_ip is {' or '.join(DEDICATED)}",
                f"curl -H 'Host: {DEDICATED_ZONE}' {http}",
            ),
            (
                "a zone without: seen_ip is the shared address",
                f"curl -H 'Host: {SHARED_ZONE}' {http}",
            ),
        ]
    if secure:
        address, port = secure[0]
        resolve = f"--resolve {DEDICATED_ZONE}:{port}:{address}"
        told.append(
            (
                "over TLS and HTTP/2, with a self-signed certificate",
                f"curl -k {resolve} https://{DEDICATED_ZONE}:{port}/",
            )
        )
    for value, text in (("false", "off: seen_ip becomes the shared address"), ("true", "on again")):
        body = f'-d \'{{"value":{{"enabled":{value}}}}}\''
        told.append((f"switch it {text}", f"curl -X PATCH {bearer} {body} {aegis}"))
    usage = f"{v4}/accounts/{demo.account_id}/egressway/usage"
    told.append(("connections per egress address and origin", f"curl {bearer} {usage}"))
    client = f"EGRESSWAY_URL={api_url} EGRESSWAY_TOKEN_FILE={demo.token_file} {_program()}"
    told.append(("the same as a live table", f"{client} usage --watch"))
    return [line for text, command in told for line in ("", f"# {text}", command)]


def _program() -> str:
    """As this process was started, so that the line works where the program is not on the path."""
    return sys.argv[0] if Path(sys.argv[0]).name == "egressway" else "egressway"
