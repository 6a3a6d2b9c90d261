"""Records and origins."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from egressway.model.errors import Invalid
from egressway.model.origin import OriginDetails, OriginScheme, OriginVerify, resolve_origin
from egressway.model.record import RecordBatch, RecordDraft, RecordType
from egressway.model.setting import SslMode


def body(**members: Any) -> dict[str, Any]:
    return {"type": "A", "name": "www", "content": "192.0.2.9"} | members


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"type": "SRV"}, "/type"),
        ({"type": None}, "/type"),
        ({"type": ["A"]}, "/type"),
        ({"name": None}, "/name"),
        ({"name": "a b"}, "/name"),
        ({"content": "2001:db8::1"}, "/content"),
        ({"type": "AAAA"}, "/content"),
        ({"content": None}, "/content"),
        ({"type": "CNAME", "content": "192.0.2.1"}, "/content"),
        ({"type": "TXT", "content": "x" * 2049}, "/content"),
        ({"type": "MX", "content": "mail.example.com"}, "/priority"),
        ({"type": "CNAME", "content": "a.example.com", "proxied": True}, "/proxied"),
        ({"type": "TXT", "content": "x", "proxied": True}, "/proxied"),
        ({"proxied": "yes"}, "/proxied"),
        ({"proxied": 1}, "/proxied"),
        ({"ttl": 0}, "/ttl"),
        ({"ttl": 29}, "/ttl"),
        ({"ttl": 86401}, "/ttl"),
        ({"ttl": 60.5}, "/ttl"),
        ({"ttl": False}, "/ttl"),
        ({"ttl": True}, "/ttl"),
        ({"comment": "x" * 501}, "/comment"),
        ({"comment": "a\nb"}, "/comment"),
        ({"tags": "team"}, "/tags"),
        ({"tags": [1]}, "/tags/0"),
        ({"settings": []}, "/settings"),
        ({"settings": {"origin_port": 0}}, "/settings/origin_port"),
        ({"settings": {"origin_port": 65536}}, "/settings/origin_port"),
        ({"settings": {"origin_port": "80"}}, "/settings/origin_port"),
        ({"settings": {"origin_scheme": "ftp"}}, "/settings/origin_scheme"),
        ({"settings": {"origin_verify": "some"}}, "/settings/origin_verify"),
        ({"settings": {"origin_sni": "*.example.com"}}, "/settings/origin_sni"),
        ({"settings": {"origin_host": "a b"}}, "/settings/origin_host"),
        ({"settings": {"origin_http2": 1}}, "/settings/origin_http2"),
        ({"settings": {"origin_scheme": "h2c", "origin_http2": False}}, "/settings/origin_http2"),
        ({"settings": {"origin_prot": 80}}, "/settings/origin_prot"),
        ({"settings": {"a/b~": 1}}, "/settings/a~1b~0"),
        ({"type": "TXT", "content": "x", "settings": {"origin_port": 80}}, "/settings"),
        ({"proxyed": True}, "/proxyed"),
    ],
)
def test_a_bad_member_is_pointed_at(members: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        RecordDraft.parse(body(**members))
    assert caught.value.pointer == pointer


def test_json_has_one_kind_of_number() -> None:
    draft = RecordDraft.parse(body(ttl=300.0, settings={"origin_port": 8080.0}))
    assert (draft.ttl, draft.details.port) == (300, 8080)
    assert isinstance(draft.ttl, int)
    for bad in (300.5, 1e300, float("inf"), float("nan"), True):
        with pytest.raises(Invalid) as caught:
            RecordDraft.parse(body(ttl=bad))
        assert caught.value.pointer == "/ttl"


def test_what_is_proxied_has_an_automatic_ttl() -> None:
    assert RecordDraft.parse(body(ttl=300)).ttl == 300
    assert RecordDraft.parse(body(ttl=300, proxied=True)).ttl == 1


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("@", "example.com"),
        ("*", "*.example.com"),
        ("www", "www.example.com"),
        ("10", "10.example.com"),
        ("a.b", "a.b.example.com"),
        ("*.a", "*.a.example.com"),
        ("WWW.example.com.", "www.example.com"),
        ("example.com", "example.com"),
        ("badexample.com", "badexample.com.example.com"),
    ],
)
def test_a_name_is_completed_within_its_zone(given: str, whole: str) -> None:
    assert RecordDraft.parse(body(name=given)).within("example.com").name == whole


def test_a_draft_written_and_parsed_again_is_the_same() -> None:
    draft = RecordDraft.parse(
        body(
            proxied=True,
            comment="c",
            tags=["a:b"],
            settings={"origin_port": 8080, "origin_scheme": "http", "ipv4_only": True},
        )
    )
    assert RecordDraft.parse(draft.members()) == draft


def test_a_patch_changes_only_what_it_names() -> None:
    draft = RecordDraft.parse(body(settings={"origin_port": 8080, "origin_scheme": "http"}))
    changed = draft.changed({"settings": {"origin_port": None, "origin_http2": False}})
    assert changed.details == OriginDetails(scheme=OriginScheme.HTTP, http2=False)
    assert changed.content == draft.content
    assert draft.changed({"comment": "x"}).changed({"comment": None}) == draft
    with pytest.raises(Invalid):
        draft.changed({"type": "AAAA"})


def test_a_batch_points_at_the_item_and_member() -> None:
    with pytest.raises(Invalid) as caught:
        RecordBatch.parse({"posts": [body(), body(ttl=2)]})
    assert caught.value.pointer == "/posts/1/ttl"
    with pytest.raises(Invalid) as caught:
        RecordBatch.parse({"deletes": [{}]})
    assert caught.value.pointer == "/deletes/0/id"


def test_a_batch_is_taken_apart() -> None:
    batch = RecordBatch.parse(
        {
            "deletes": [{"id": "1"}],
            "patches": [{"id": "2", "ttl": 60}],
            "puts": [body(id="3")],
            "posts": [body()],
        }
    )
    assert list(batch.deletes) == ["1"]
    assert list(batch.patches) == [("2", {"ttl": 60})]
    assert [(record_id, draft.type) for record_id, draft in batch.puts] == [("3", RecordType.A)]
    assert len(batch.posts) == 1


@pytest.mark.parametrize(
    ("ssl", "scheme", "port", "verify"),
    [
        (SslMode.OFF, "http", 80, "full"),
        (SslMode.FLEXIBLE, "http", 80, "full"),
        (SslMode.FULL, "https", 443, "full"),
        (SslMode.STRICT, "https", 443, "strict"),
        (SslMode.ORIGIN_PULL, "https", 443, "strict"),
    ],
)
def test_the_zone_decides_what_the_record_leaves_open(
    ssl: SslMode, scheme: str, port: int, verify: str
) -> None:
    origin = resolve_origin(
        ip_address("192.0.2.9"), OriginDetails(), ssl=ssl, max_http_version="2", h2_max_streams=7
    )
    assert (origin.scheme, origin.port, origin.verify) == (scheme, port, verify)
    assert origin.http2
    assert origin.h2_max_streams == 7


def test_the_record_wins_over_the_zone() -> None:
    details = OriginDetails(port=8443, scheme=OriginScheme.HTTPS, verify=OriginVerify.OFF)
    origin = resolve_origin(
        ip_address("192.0.2.9"), details, ssl=SslMode.OFF, max_http_version="1", h2_max_streams=1
    )
    assert (origin.scheme, origin.port, origin.verify) == ("https", 8443, "off")
    assert not origin.http2


def test_h2c_listens_on_80_and_is_http2_whatever_the_zone_says() -> None:
    origin = resolve_origin(
        ip_address("192.0.2.9"),
        OriginDetails(scheme=OriginScheme.H2C),
        ssl=SslMode.FULL,
        max_http_version="1",
        h2_max_streams=100,
    )
    assert (origin.port, origin.http2) == (80, True)
