"""What runs is on disk, as far as the disk goes, and is read back as far as it can be."""

from __future__ import annotations

import stat
import subprocess

import pytest

from egressway.node import last_good as module
from egressway.node.last_good import LastGood
from egressway.wire.fleet import encode
from tests.support.fleets import delta, fleet, zone
from tests.support.waiting import eventually


def names(restored) -> set[str]:
    return {each.name for each in restored.state.zones.values()}


def kept(directory, *revisions: int) -> None:
    """A whole at revision 1, and one new zone per further revision; closed."""
    files = LastGood(directory)
    files.keep_whole(fleet(1, zones=(zone("z1.example.com"),)), 10)
    for revision in revisions:
        change = delta(revision - 1, zones=(zone(f"z{revision}.example.com"),))
        files.keep_change(encode(change), 10 + revision)
    files.close()


def reopened(directory) -> LastGood:
    files = LastGood(directory)
    files.close()
    return files


def test_nothing_is_found_where_nothing_was_kept(tmp_path):
    files = reopened(tmp_path)
    assert files.load() is None
    assert files.defect is None


def test_whole_and_changes_come_back_with_their_place_on_the_bus(tmp_path):
    kept(tmp_path, 2, 3)
    found = reopened(tmp_path).load()
    assert (found.state.revision, found.sequence) == (3, 13)
    assert names(found) == {"z1.example.com", "z2.example.com", "z3.example.com"}


def test_state_up_to_a_revision_is_found(tmp_path):
    kept(tmp_path, 2, 3, 4)
    found = reopened(tmp_path).load(3)
    assert (found.state.revision, found.sequence) == (3, 13)
    assert reopened(tmp_path).load(0) is None


def test_files_hold_keys_and_are_for_their_owner_alone(tmp_path):
    kept(tmp_path, 2)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_change_that_was_being_written_at_the_end_is_none(tmp_path):
    kept(tmp_path, 2, 3)
    path = tmp_path / "fleet.changes"
    path.write_bytes(path.read_bytes()[:-7])
    files = reopened(tmp_path)
    assert files.load().state.revision == 2
    assert files.defect is None


def test_corrupted_change_ends_what_is_read_and_is_told(tmp_path):
    kept(tmp_path, 2, 3)
    path = tmp_path / "fleet.changes"
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    files = reopened(tmp_path)
    assert files.load().state.revision == 2
    assert "fleet.changes" in files.defect


@pytest.mark.parametrize("position", [20, 60, -20])
def test_corrupted_whole_is_not_used_and_is_told(tmp_path, position):
    kept(tmp_path)
    path = tmp_path / "fleet.whole"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    files = reopened(tmp_path)
    assert files.load() is None
    assert "fleet.whole" in files.defect


def test_much_that_has_gathered_is_to_be_kept_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SMALLEST_COMPACTION_BYTES", 100)
    files = LastGood(tmp_path)
    files.keep_whole(fleet(1), 1)
    assert not files.wants_whole
    for revision in range(2, 30):
        change = delta(revision - 1, zones=(zone(f"z{revision}.example.com"),))
        files.keep_change(encode(change), revision)
    eventually(lambda: files.wants_whole)
    files.keep_whole(fleet(29), 29)
    assert not files.wants_whole
    files.close()
    assert reopened(tmp_path).load().state.revision == 29
    assert (tmp_path / "fleet.changes").read_bytes() == b""


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with 64 KiB on it."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)], check=False
    )
    if mounted.returncode:
        pytest.fail("a file system cannot be mounted here; run the tests marked e2e as root")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.mark.e2e
def test_full_disk_is_told_and_over_as_soon_as_there_is_room(small_disk, monkeypatch):
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.05)
    files = LastGood(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 56 * 1024)
    many = tuple(zone(f"z{number}.example.com") for number in range(200))
    files.keep_whole(fleet(5, zones=many), 5)
    eventually(lambda: files.failure is not None)
    assert "space" in files.failure
    eventually(lambda: files.wants_whole)
    ballast.unlink()
    files.keep_whole(fleet(6, zones=many), 6)
    eventually(lambda: files.failure is None)
    files.close()
    assert reopened(small_disk).load().state.revision == 6


def test_directory_that_is_gone_is_told_and_nothing_else_fails(tmp_path):
    files = LastGood(tmp_path / "absent")
    files.keep_whole(fleet(1), 1)
    eventually(lambda: files.failure is not None)
    files.keep_change(encode(delta(1)), 2)
    files.close()
    assert files.failure is not None
