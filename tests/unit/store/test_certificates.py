"""Certificates of zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from egressway.model.account import Account
from egressway.model.certificate import BundleMethod, CertificateDraft, CertificateStatus
from egressway.model.errors import Invalid, NotFound
from egressway.model.ids import CertificateId
from egressway.model.zone import Zone
from egressway.store import Store
from egressway.store.certificates import join_chain, split_chain
from tests.support.certificates import Authority
from tests.unit.store.world import ALL, zone_of


def draft_for(authority: Authority, *names: str) -> CertificateDraft:
    issued = authority.issue(*names).issued
    body = {
        "certificate": "".join(pem.bytes().decode() for pem in issued.cert_chain_pems),
        "private_key": issued.private_key_pem.bytes().decode(),
    }
    return CertificateDraft.parse(body, datetime.now(UTC))


@pytest.fixture
def draft(authority: Authority) -> CertificateDraft:
    return draft_for(authority, "example.com", "*.example.com", "example.org")


def test_a_certificate_comes_back_without_its_key(
    store: Store, zone: Zone, draft: CertificateDraft
) -> None:
    with store.write("test") as write:
        made = write.certificates.create(zone.id, draft)
    with store.read() as read:
        assert read.certificates.get(zone.id, made.id) == made
        assert read.certificates.list(zone.id, ALL) == ([made], 1)
    assert made.hosts == ("example.com", "*.example.com")
    assert made.uploaded_on == made.modified_on
    assert not hasattr(made, "key")


def test_the_status_follows_from_the_dates(
    store: Store, zone: Zone, draft: CertificateDraft
) -> None:
    with store.write("test") as write:
        made = write.certificates.create(zone.id, draft)
    second = timedelta(seconds=1)
    assert made.status(made.not_before - second) is CertificateStatus.PENDING
    assert made.status(made.not_before) is CertificateStatus.ACTIVE
    assert made.status(made.expires_on) is CertificateStatus.EXPIRED


def test_a_certificate_for_other_names_is_refused(
    store: Store, account: Account, draft: CertificateDraft
) -> None:
    foreign = zone_of(store, account, "example.net")
    with (
        pytest.raises(Invalid, match=r"covers no name of example\.net"),
        store.write("test") as write,
    ):
        write.certificates.create(foreign.id, draft)


def test_the_data_plane_gets_chain_and_key_the_highest_priority_first(
    store: Store, zone: Zone, draft: CertificateDraft, authority: Authority
) -> None:
    newer = draft_for(authority, "www.example.com")
    with store.write("test") as write:
        first = write.certificates.create(zone.id, draft)
        second = write.certificates.create(zone.id, newer)
    with store.read() as read:
        (compiled,) = read.zones_for_snapshot()
    assert [each.id for each in compiled.certificates] == [second.id, first.id]
    assert (compiled.certificates[0].chain, compiled.certificates[0].key) == (
        newer.chain,
        newer.key,
    )
    assert repr(newer.key) not in repr(compiled)
    with store.write("test") as write:
        ordered = write.certificates.prioritize(zone.id, [(first.id, 9), (second.id, 3)])
    assert [(each.id, each.priority) for each in ordered] == [(first.id, 9), (second.id, 3)]
    with store.read() as read:
        (compiled,) = read.zones_for_snapshot()
    assert [each.id for each in compiled.certificates] == [first.id, second.id]


def test_a_replacement_keeps_id_and_priority(
    store: Store, zone: Zone, draft: CertificateDraft, authority: Authority
) -> None:
    with store.write("test") as write:
        made = write.certificates.create(zone.id, draft)
    with store.write("test") as write:
        replaced = write.certificates.replace(
            zone.id, made.id, draft_for(authority, "www.example.com")
        )
    assert (replaced.id, replaced.priority) == (made.id, made.priority)
    assert replaced.hosts == ("www.example.com",)
    assert replaced.uploaded_on > made.uploaded_on
    with store.write("test") as write:
        edited = write.certificates.edit(zone.id, made.id, bundle_method=BundleMethod.FORCE)
    assert (edited.bundle_method, edited.hosts) == (BundleMethod.FORCE, replaced.hosts)


def test_a_deleted_key_is_not_in_the_tables(
    store: Store, zone: Zone, draft: CertificateDraft, tmp_path: Path
) -> None:
    with store.write("test") as write:
        made = write.certificates.create(zone.id, draft)
    with store.write("test") as write:
        write.certificates.delete(zone.id, made.id)
    with store.read() as read:
        assert read.zones_for_snapshot()[0].certificates == ()
        with pytest.raises(NotFound):
            read.certificates.get(zone.id, made.id)


def test_certificates_of_other_zones_are_not_found(
    store: Store, account: Account, zone: Zone, draft: CertificateDraft
) -> None:
    second = zone_of(store, account, "example.org")
    with store.write("test") as write:
        made = write.certificates.create(zone.id, draft)
        with pytest.raises(NotFound):
            write.certificates.get(second.id, made.id)
        with pytest.raises(NotFound):
            write.certificates.delete(second.id, made.id)
        with pytest.raises(Invalid) as caught:
            write.certificates.prioritize(second.id, [(CertificateId(made.id), 1)])
    assert caught.value.pointer == "/certificates/0/id"


@pytest.mark.parametrize("chain", [(), (b"",), (b"a",), (b"abc", b"", b"\0" * 70000)])
def test_a_joined_chain_splits_into_what_it_was(chain: tuple[bytes, ...]) -> None:
    assert split_chain(join_chain(chain)) == chain
