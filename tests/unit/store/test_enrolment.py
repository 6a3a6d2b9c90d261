"""What enrolment leaves in the store, and what is forgotten of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from egressway.model.enrolment import (
    KEPT_AFTER_EXPIRY,
    EnrolmentRefused,
    NodeCertificate,
    Refusal,
    StoredAuthority,
)
from egressway.model.server import LOCAL, Link
from egressway.store import ChangeKind, Store

HOUR = timedelta(hours=1)
KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def test_first_authority_stays(store: Store):
    first, second = StoredAuthority(b"1", b"one"), StoredAuthority(b"2", b"two")
    with store.write("test") as write:
        assert write.enrolment.authority() is None
        assert write.enrolment.ensure_authority(lambda: first) == first
    with store.write("test") as write:
        assert write.enrolment.ensure_authority(lambda: second) == first
    with store.read() as read:
        assert read.enrolment.authority() == first
    assert "one" not in repr(first)


def test_join_is_a_change_of_its_server(store: Store):
    with store.write("test") as write:
        write.enrolment.invite(LOCAL, b"d" * 32, HOUR)
    with store.read() as read:
        before = read.revision()
    with store.write("test") as write:
        joined = write.enrolment.join(LOCAL, b"d" * 32, KEY, Link.parse("192.0.2.1:8644"))
    assert (joined.epoch, str(joined.link)) == (1, "192.0.2.1:8644")
    with store.read() as read:
        (change,) = read.changes_since(before)
    assert (change.kind, change.object_id) == (ChangeKind.SERVER, LOCAL)


def test_refused_join_changes_nothing(store: Store):
    with store.write("test") as write:
        write.enrolment.invite(LOCAL, b"d" * 32, HOUR)
        write.enrolment.join(LOCAL, b"d" * 32, KEY, None)
    with store.read() as read:
        before = read.revision()
    with pytest.raises(EnrolmentRefused) as refused, store.write("test") as write:
        write.enrolment.join(LOCAL, b"d" * 32, OTHER_KEY, None)
    assert refused.value.code == Refusal.USED_TOKEN
    with store.read() as read:
        assert (read.revision(), read.servers.get(LOCAL).epoch) == (before, 1)


def test_certificates_are_remembered_until_long_after_they_have_ended(store: Store):
    now = datetime.now(UTC)
    recent = NodeCertificate("aa", LOCAL, 0, now - KEPT_AFTER_EXPIRY + HOUR)
    ancient = NodeCertificate("bb", LOCAL, 0, now - KEPT_AFTER_EXPIRY - HOUR)
    with store.write("test") as write:
        write.enrolment.remember(ancient)
        write.enrolment.remember(recent)
        write.enrolment.remember(NodeCertificate("cc", LOCAL, 0, now + HOUR))
    with store.read() as read:
        assert [each.serial for each in read.enrolment.certificates(LOCAL)] == ["aa", "cc"]
    with store.write("test") as write:
        assert write.enrolment.renew(LOCAL, "aa").name == LOCAL
    with pytest.raises(EnrolmentRefused) as refused, store.write("test") as write:
        write.enrolment.renew(LOCAL, "bb")
    assert refused.value.code == Refusal.FOREIGN_CERTIFICATE


def test_used_token_names_its_user(store: Store):
    with store.write("test") as write:
        write.enrolment.invite(LOCAL, b"d" * 32, HOUR)
        write.enrolment.join(LOCAL, b"d" * 32, KEY, None)
        assert write.enrolment.join(LOCAL, b"d" * 32, KEY, None).epoch == 2
