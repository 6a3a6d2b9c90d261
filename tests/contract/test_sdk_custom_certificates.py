"""Conformance 30 with the official SDK: custom certificates. A key goes in and never comes out."""

from __future__ import annotations

import cloudflare
import pytest

from tests.support.certificates import Authority, Leaf
from tests.unit.api.world import World


@pytest.fixture
def zone(world: World) -> str:
    return world.zone(world.account())


def chain_of(leaf: Leaf) -> str:
    return "".join(blob.bytes().decode() for blob in leaf.issued.cert_chain_pems)


def key_of(leaf: Leaf) -> str:
    return leaf.issued.private_key_pem.bytes().decode()


def test_certificate_lives_through_create_get_edit_list_delete(
    world: World, zone: str, authority: Authority
) -> None:
    certificates = world.sdk().custom_certificates
    first = authority.issue("www.example.com", "www.other.example")
    made = certificates.create(zone_id=zone, certificate=chain_of(first), private_key=key_of(first))
    assert made is not None
    assert made.hosts == ["www.example.com"], "names of other zones are left out"
    assert made.status == "active"
    assert certificates.get(made.id, zone_id=zone).id == made.id
    second = authority.issue("*.example.com", "example.com")
    edited = certificates.edit(
        made.id, zone_id=zone, certificate=chain_of(second), private_key=key_of(second)
    )
    assert set(edited.hosts) == {"*.example.com", "example.com"}
    assert [each.id for each in certificates.list(zone_id=zone)] == [made.id]
    assert [each.id for each in certificates.list(zone_id=zone, status="expired")] == []
    certificates.delete(made.id, zone_id=zone)
    with pytest.raises(cloudflare.NotFoundError):
        certificates.get(made.id, zone_id=zone)


def test_bundle_method_changes_without_the_certificate(
    world: World, zone: str, authority: Authority
) -> None:
    leaf, certificates = authority.issue("www.example.com"), world.sdk().custom_certificates
    made = certificates.create(zone_id=zone, certificate=chain_of(leaf), private_key=key_of(leaf))
    assert made is not None
    edited = certificates.edit(made.id, zone_id=zone, bundle_method="force")
    assert (edited.bundle_method, edited.hosts) == ("force", made.hosts)
    for change in ({"bundle_method": "odd"}, {"bundle_method": []}):
        with pytest.raises(cloudflare.BadRequestError):
            certificates.edit(made.id, zone_id=zone, **change)  # type: ignore[arg-type]


def test_prioritize_decides_the_order(world: World, zone: str, authority: Authority) -> None:
    certificates = world.sdk().custom_certificates
    ids = []
    for _ in range(3):
        leaf = authority.issue("www.example.com")
        made = certificates.create(
            zone_id=zone, certificate=chain_of(leaf), private_key=key_of(leaf)
        )
        assert made is not None
        ids.append(made.id)
    assert [each.id for each in certificates.list(zone_id=zone, per_page=2)] == ids[::-1]
    done = certificates.prioritize.update(
        zone_id=zone, certificates=[{"id": ids[0], "priority": 99}, {"id": ids[2], "priority": 1}]
    )
    assert [each.id for each in done] == [ids[0], ids[1], ids[2]]
    assert [each.priority for each in certificates.list(zone_id=zone)] == [99, 2, 1]


def test_key_is_never_answered_and_never_logged(
    world: World, zone: str, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    leaf, other = authority.issue("www.example.com"), authority.issue("www.example.com")
    path = f"/zones/{zone}/custom_certificates"
    body = {"certificate": chain_of(leaf), "private_key": key_of(leaf)}
    with world.http() as http:
        made = http.post(path, json=body)
        refused = http.post(path, json={**body, "private_key": key_of(other)})
        listed = http.get(path)
    assert (made.status_code, refused.status_code, listed.status_code) == (200, 400, 200)
    lines = key_of(leaf).splitlines() + key_of(other).splitlines()
    secrets = [line for line in lines if line and not line.startswith("-----")]
    assert secrets
    said = made.text + refused.text + listed.text + caplog.text
    assert not [line for line in secrets if line in said]
    assert "private_key" not in made.json()["result"]


def test_certificate_that_does_not_fit_is_refused(
    world: World, zone: str, authority: Authority
) -> None:
    good, other = authority.issue("www.example.com"), authority.issue("www.other.example")
    expired = authority.issue_expired("www.example.com")
    certificates = world.sdk().custom_certificates
    for certificate, key, pointer in (
        (chain_of(good), key_of(other), "/private_key"),
        (chain_of(other), key_of(other), "/certificate"),
        (chain_of(expired), key_of(expired), "/certificate"),
        ("nonsense", key_of(good), "/certificate"),
        (chain_of(good), "nonsense", "/private_key"),
        (chain_of(good), "-----BEGIN PRIVATE KEY-----", "/private_key"),
    ):
        with pytest.raises(cloudflare.BadRequestError) as caught:
            certificates.create(zone_id=zone, certificate=certificate, private_key=key)
        assert caught.value.errors[0].source.pointer == pointer
    assert list(certificates.list(zone_id=zone)) == []
