"""A small world: two accounts, three leases, two pools, a zone with records, settings and all.

Ids and times are fixed, so that what is printed about them can be compared word by word.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.scripted_api import Received, Reply, ScriptedApi, success

SINCE = "2026-01-02T03:04:05.678901Z"
EXPIRES = "2027-01-02T03:04:05Z"
EXAMPLE, OTHER = "a1" * 16, "a2" * 16
ZONE, POOL, OTHER_POOL = "f1" * 16, "b1" * 16, "b2" * 16
CERTIFICATE, TOKEN, GROUP = "ce" * 16, "70" * 16, "9a" * 16
SECRET = "the-secret-that-is-shown-once"
TIMES = {"created_on": SINCE, "modified_on": SINCE}

ACCOUNTS = [
    {"id": EXAMPLE, "name": "Example", "type": "enterprise", **TIMES},
    {"id": OTHER, "name": "Other", "type": "standard", **TIMES},
]
LEASES = [
    {"id": "1" * 32, "ip": "192.0.2.1", "account_id": EXAMPLE, **TIMES},
    {"id": "2" * 32, "ip": "192.0.2.2", "account_id": EXAMPLE, **TIMES},
    {"id": "3" * 32, "ip": "2001:db8::1", "account_id": EXAMPLE, **TIMES},
]
POOLS = [
    {
        "id": POOL,
        "name": "edge",
        "source": "leased",
        "ips": ["192.0.2.1", "2001:db8::1"],
        "account_id": EXAMPLE,
        **TIMES,
    },
]
OTHER_POOLS = [
    {
        "id": OTHER_POOL,
        "name": "edge",
        "source": "byoip",
        "ips": ["198.51.100.7"],
        "account_id": OTHER,
        **TIMES,
    },
]
THE_ZONE = {
    "id": ZONE,
    "name": "example.com",
    "account": {"id": EXAMPLE, "name": "Example"},
    "status": "active",
    "paused": False,
    "type": "full",
    **TIMES,
}
RECORDS: list[dict[str, Any]] = [
    {
        "id": "c1" * 16,
        "name": "www.example.com",
        "type": "A",
        "content": "203.0.113.10",
        "proxied": True,
        "ttl": 1,
        "settings": {"origin_port": 8080, "origin_scheme": "http"},
        **TIMES,
    },
    {
        "id": "c2" * 16,
        "name": "www.example.com",
        "type": "AAAA",
        "content": "2001:db8:1::10",
        "proxied": True,
        "ttl": 1,
        "settings": {},
        **TIMES,
    },
    {
        "id": "c3" * 16,
        "name": "example.com",
        "type": "TXT",
        "content": "v=spf1 [bold]-all",
        "proxied": False,
        "ttl": 300,
        "comment": "no mail",
        **TIMES,
    },
]
REGIONAL_HOSTNAME = {
    "hostname": "*.example.com",
    "region_key": "eu",
    "routing": "dns",
    "created_on": SINCE,
}
REGIONS = [{"key": "ca", "label": "Canada"}, {"key": "eu", "label": "Europe"}]
LOCATION = {
    "name": "lisbon",
    "latitude": 38.72,
    "longitude": -9.14,
    "regions": ["eu"],
    **TIMES,
}
DATA_CENTER = {"name": "lisbon-1", "location": "lisbon", **TIMES}
SERVER = {
    "name": "lis1",
    "number": 3,
    "data_center": "lisbon-1",
    "link": "192.0.2.99:8644",
    "state": "active",
    "epoch": 1,
    **TIMES,
}
SLICES = [
    {
        "ports": ports,
        "server": server,
        "data_center": f"{location}-1",
        "location": location,
    }
    for ports, server, location in (
        ("20000-49999", "lis1", "lisbon"),
        ("50000-59999", "mad1", "madrid"),
    )
]
PLACEMENT = {
    "ip": "192.0.2.1",
    "account_id": EXAMPLE,
    "ports": 40_000,
    "slices": SLICES,
    "is_default": False,
    "is_draining": False,
}
PLACEMENTS = [
    PLACEMENT,
    {**PLACEMENT, "ip": "192.0.2.2", "ports": 0, "slices": [], "is_draining": True},
    {**PLACEMENT, "ip": "2001:db8::1", "ports": 0, "slices": []},
]
MOVE = {
    "id": "e1" * 16,
    "ip": "192.0.2.1",
    "ports": "20000-20999",
    "source": "lis1",
    "target": "mad1",
    "deadline": EXPIRES,
    "created_on": SINCE,
}
GIVEN_UP = {**MOVE, "id": "e2" * 16, "ports": "30000-30009", "target": "lis1"}
AEGIS = {
    "id": "aegis",
    "value": {"enabled": True, "pool_id": POOL},
    "editable": True,
    "modified_on": SINCE,
}
SSL = {"id": "ssl", "value": "full", "editable": True, "modified_on": None}
STREAMS = {"id": "origin_h2_max_streams", "value": 100, "editable": True, "modified_on": None}
THE_CERTIFICATE = {
    "id": CERTIFICATE,
    "zone_id": ZONE,
    "hosts": ["example.com", "*.example.com"],
    "issuer": "Example CA",
    "signature": "ECDSA-SHA256",
    "status": "active",
    "expires_on": EXPIRES,
    "uploaded_on": SINCE,
    "modified_on": SINCE,
}
GROUPS = [{"id": GROUP, "name": "Zone Settings Write"}, {"id": "9b" * 16, "name": "DNS Write"}]
THE_TOKEN = {
    "id": TOKEN,
    "name": "deploy",
    "status": "active",
    "policies": [
        {
            "id": "d" * 32,
            "effect": "allow",
            "permission_groups": GROUPS,
            "resources": {f"com.cloudflare.api.account.zone.{ZONE}": "*"},
        }
    ],
    "expires_on": None,
    "issued_on": SINCE,
    "modified_on": SINCE,
    "last_used_on": SINCE,
}


def usage_row(ip: str, origin: str, current: int, **more: int) -> dict[str, Any]:
    """A row of usage with a capacity of 40,000."""
    counts = {"peak": current, "capacity": 40_000, "opened": current, "refused": 0, "reused": 0}
    return {
        "egress_ip": ip,
        "origin": origin,
        "current": current,
        **counts,
        **more,
        "utilization": 100 * current / 40_000,
    }


USAGE = [
    usage_row("192.0.2.2", "203.0.113.10:443", 4_000, reused=123_456),
    usage_row("192.0.2.10", "203.0.113.10:443", 24_000),
    usage_row("192.0.2.1", "203.0.113.10:443", 40_000, peak=40_000, refused=17),
    usage_row("2001:db8::1", "[2001:db8:1::10]:8443", 32_400, peak=33_000),
    usage_row("192.0.2.1", "203.0.113.11:80", 0, opened=9),
]
NODE = {
    "revision": 42,
    "zones": 1,
    "hosts": 2,
    "workers": 2,
    "connections": 64,
    "origin_connections": 12,
    "waiting": 0,
    "panics": 0,
    "foreign_egress": 0,
    "log_dropped": 0,
    "is_draining": False,
    "listeners": [
        {"address": "0.0.0.0", "port": 8680, "tls": False},
        {"address": "::", "port": 8643, "tls": True},
    ],
    "unbindable": [],
}
UNBINDABLE = {
    "code": "egress_address_unbindable",
    "message": "egress address 192.0.2.7 cannot be bound: it is on no interface",
    "subject": "192.0.2.7",
}


def build_world(api: ScriptedApi) -> None:
    """Tell the server of it; writes answer with the object they are about."""
    _accounts(api)
    _egress(api)
    _fleet(api)
    _regional_hostnames(api)
    _zone(api)
    _tokens(api)
    readiness(api, [])


def readiness(api: ScriptedApi, reasons: list[dict[str, str]]) -> None:
    """Ready, or not for these reasons."""
    body = {"is_ready": not reasons, "reasons": reasons}
    api.on("GET", "/readyz", Reply(503 if reasons else 200, json.dumps(body).encode()))
    api.on("GET", "/egressway/status", success({**body, "node": NODE}))


def _accounts(api: ScriptedApi) -> None:
    api.paged("/accounts", ACCOUNTS)
    api.on("POST", "/accounts", lambda sent: success({**ACCOUNTS[0], **sent.body}))
    api.on("PUT", f"/accounts/{EXAMPLE}", lambda sent: success({**ACCOUNTS[0], **sent.body}))
    api.on("DELETE", f"/accounts/{EXAMPLE}", success({"id": EXAMPLE}))


def _egress(api: ScriptedApi) -> None:
    own, other = (f"/accounts/{account}/egressway" for account in (EXAMPLE, OTHER))
    api.paged(f"{own}/leased_ips", LEASES)
    api.paged(f"{other}/leased_ips", [])
    api.on("POST", f"{own}/leased_ips", lambda sent: success({**LEASES[0], **sent.body}))
    api.on("DELETE", f"{own}/leased_ips/{'2' * 32}", success({"id": "2" * 32}))
    api.paged(f"{own}/pools", POOLS)
    api.paged(f"{other}/pools", OTHER_POOLS)
    api.on("POST", f"{own}/pools", lambda sent: success({**POOLS[0], **sent.body}))
    api.on("PATCH", f"{own}/pools/{POOL}", lambda sent: success({**POOLS[0], **sent.body}))
    api.on("DELETE", f"{own}/pools/{POOL}", success({"id": POOL}))
    grant = {"pool_id": POOL, "account_id": OTHER, "created_on": SINCE}
    api.paged(f"{own}/pools/{POOL}/grants", [grant])
    api.on("POST", f"{own}/pools/{POOL}/grants", success(grant))
    api.on("DELETE", f"{own}/pools/{POOL}/grants/{OTHER}", success({"id": OTHER}))
    api.paged(f"{own}/usage", USAGE)
    api.paged(f"{other}/usage", [])
    ranges = {"ipv4_cidrs": ["198.51.100.0/28"], "ipv6_cidrs": ["2001:db8:5::/64"], "etag": "e"}
    api.on("GET", "/ips", success(ranges))


ROLLOUT = {
    "mode": "staged",
    "state": "rolling",
    "stable": 41,
    "stages": [
        {"revision": 57, "servers": ["lis1"], "data_centers": [], "all": False},
        {"revision": 60, "servers": [], "data_centers": ["lisbon-1", "madrid-1"], "all": False},
    ],
    "reason": None,
}
ROLLOUT_STEPS: dict[str, dict[str, object]] = {
    "start": {"stages": []},
    "advance": {},
    "stop": {"state": "stopped"},
    "resume": {},
    "back": {"state": "back"},
    "finish": {"mode": "immediate", "stable": 0, "stages": []},
}
"""What each step changes of it."""


def _rollout(api: ScriptedApi) -> None:
    api.on("GET", "/egressway/rollout", success(ROLLOUT))
    api.on(
        "POST",
        "/egressway/rollout",
        lambda sent: success({**ROLLOUT, **ROLLOUT_STEPS[sent.body["action"]]}),
    )


FLEET = {
    "is_bus_connected": True,
    "revision": 60,
    "failure": None,
    "servers": [
        {
            "name": "lis1",
            "data_center": "lisbon-1",
            "state": "active",
            "epoch": 1,
            "revision": 57,
            "acknowledged_on": SINCE,
            "reason": "listener 192.0.2.99:443: address already in use",
        },
        {
            "name": "mad1",
            "data_center": "madrid-1",
            "state": "draining",
            "epoch": 1,
            "revision": None,
            "acknowledged_on": None,
            "reason": None,
        },
    ],
    "withheld": {"d1" * 16: "its certificate cannot be read"},
}


def _fleet(api: ScriptedApi) -> None:
    api.on("GET", "/egressway/fleet", success(FLEET))
    _rollout(api)
    for kind, thing in (
        ("locations", LOCATION),
        ("data_centers", DATA_CENTER),
        ("servers", SERVER),
    ):
        path = f"/egressway/{kind}/{thing['name']}"
        api.paged(f"/egressway/{kind}", [thing])
        api.on("POST", f"/egressway/{kind}", _merged(thing))
        api.on("GET", path, success(thing))
        api.on("PATCH", path, _merged(thing))
        api.on("DELETE", path, success({"id": thing["name"]}))
    server, data_center = "/egressway/servers/lis1", "/egressway/data_centers/lisbon-1"
    for verb, state in (("drain", "draining"), ("activate", "active"), ("revoke", "revoked")):
        api.on("POST", f"{server}/{verb}", success({**SERVER, "state": state}))
        changed = ["lis1", "lis2"] if verb == "drain" else []
        api.on(
            "POST",
            f"{data_center}/{verb}",
            success({"data_center": "lisbon-1", "servers": changed}),
        )
    token = {"server": "lis1", "token": SECRET, "expires_on": EXPIRES}
    api.on("POST", f"{server}/join_tokens", success(token))
    placement = "/egressway/placements/192.0.2.1"
    api.paged("/egressway/placements", PLACEMENTS)
    api.on("GET", placement, success(PLACEMENT))
    api.on("PUT", placement, success(PLACEMENT))
    api.on("POST", f"{placement}/drain", success({**PLACEMENT, "is_draining": True}))
    api.on("POST", f"{placement}/activate", success(PLACEMENT))
    api.paged(f"{placement}/moves", [MOVE, GIVEN_UP])
    api.on("POST", f"{placement}/moves", success([MOVE]))
    api.on("DELETE", f"{placement}/moves/{MOVE['id']}", success({"id": MOVE["id"]}))


def _merged(thing: dict[str, Any]) -> Any:
    return lambda sent: success({**thing, **sent.body})


def _regional_hostnames(api: ScriptedApi) -> None:
    for account in (EXAMPLE, OTHER):
        api.paged(f"/accounts/{account}/addressing/regional_hostnames/regions", REGIONS)
    path = f"/zones/{ZONE}/addressing/regional_hostnames"
    one = f"{path}/{REGIONAL_HOSTNAME['hostname']}"
    api.paged(path, [REGIONAL_HOSTNAME])
    api.on("POST", path, _merged(REGIONAL_HOSTNAME))
    api.on("GET", one, success(REGIONAL_HOSTNAME))
    api.on("PATCH", one, _merged(REGIONAL_HOSTNAME))
    api.on("DELETE", one, success(None))


def _zone(api: ScriptedApi) -> None:
    api.paged("/zones", [THE_ZONE])
    api.on("POST", "/zones", lambda sent: success({**THE_ZONE, "name": sent.body["name"]}))
    zone = f"/zones/{ZONE}"
    api.on("DELETE", zone, success({"id": ZONE}))
    api.paged(f"{zone}/dns_records", RECORDS)
    api.on("POST", f"{zone}/dns_records", lambda sent: success({**RECORDS[0], **sent.body}))
    first = f"{zone}/dns_records/{RECORDS[0]['id']}"
    api.on("PATCH", first, lambda sent: success({**RECORDS[0], **sent.body}))
    api.on("DELETE", first, success({"id": RECORDS[0]["id"]}))
    api.on("GET", f"{zone}/settings", success([AEGIS, SSL, STREAMS]))
    for setting in (AEGIS, SSL, STREAMS):
        api.on("GET", f"{zone}/settings/{setting['id']}", success(setting))
        api.on("PATCH", f"{zone}/settings/{setting['id']}", _edited(setting))
    api.paged(f"{zone}/custom_certificates", [THE_CERTIFICATE])
    api.on("POST", f"{zone}/custom_certificates", success(THE_CERTIFICATE))
    certificate = f"{zone}/custom_certificates/{CERTIFICATE}"
    api.on("PATCH", certificate, success(THE_CERTIFICATE))
    api.on("DELETE", certificate, success({"id": CERTIFICATE}))


def _edited(setting: dict[str, Any]) -> Any:
    def reply(sent: Received) -> Reply:
        return success({**setting, "value": sent.body["value"], "modified_on": SINCE})

    return reply


def _tokens(api: ScriptedApi) -> None:
    api.paged("/user/tokens", [THE_TOKEN])
    api.on("GET", "/user/tokens/permission_groups", success(GROUPS))
    api.on("GET", "/user/tokens/verify", success({"id": TOKEN, "status": "active"}))
    api.on("POST", "/user/tokens", success({**THE_TOKEN, "value": SECRET}))
    api.on("PUT", f"/user/tokens/{TOKEN}/value", success(SECRET))
    api.on("DELETE", f"/user/tokens/{TOKEN}", success({"id": TOKEN}))
