"""Lines are kept whole and in order, in files of a bounded size and number."""

from __future__ import annotations

import io
import resource

import pytest

from egressway.node.access_log import NoAccessLog, RotatingFile, StreamAccessLog


def lines(path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_file_is_readable_by_its_owner_alone(tmp_path):
    path = tmp_path / "access.log"
    RotatingFile(path, max_bytes=100, keep=1).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_lines_are_appended_to_what_is_there(tmp_path):
    path = tmp_path / "access.log"
    for text in (b"one\n", b"two\n"):
        log = RotatingFile(path, max_bytes=100, keep=1)
        log.write(text)
        log.close()
    assert lines(path) == [b"one", b"two"]


def test_full_disk_takes_no_half_of_a_line(tmp_path):
    path = tmp_path / "access.log"
    log = RotatingFile(path, max_bytes=1_000, keep=1)
    log.write(b"one\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk: the kernel writes what fits, and says how much that was.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            log.write(b"a line that is too long\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.write(b"two\n")
    log.close()
    assert lines(path) == [b"one", b"two"]


def test_full_file_is_rotated_and_the_oldest_is_dropped(tmp_path):
    path = tmp_path / "access.log"
    log = RotatingFile(path, max_bytes=10, keep=2)
    for number in range(5):
        log.write(b"line-%d-x\n" % number)
    log.close()
    assert lines(path) == [b"line-4-x"]
    assert lines(tmp_path / "access.log.1") == [b"line-3-x"]
    assert lines(tmp_path / "access.log.2") == [b"line-2-x"]
    assert len(list(tmp_path.iterdir())) == 3


def test_batch_longer_than_a_file_stays_together(tmp_path):
    path = tmp_path / "access.log"
    log = RotatingFile(path, max_bytes=10, keep=1)
    log.write(b"short\n")
    log.write(b"a long batch\nof lines\n")
    log.close()
    assert lines(path) == [b"a long batch", b"of lines"]
    assert lines(tmp_path / "access.log.1") == [b"short"]


def test_keeping_none_leaves_one_file(tmp_path):
    log = RotatingFile(tmp_path / "access.log", max_bytes=4, keep=0)
    log.write(b"one\n")
    log.write(b"two\n")
    log.close()
    assert lines(tmp_path / "access.log") == [b"two"]
    assert len(list(tmp_path.iterdir())) == 1


def test_stream_gets_the_lines_and_stays_open():
    stream = io.BytesIO()
    log = StreamAccessLog(stream)
    log.write(b"one\n")
    log.close()
    assert stream.getvalue() == b"one\n"


def test_log_that_is_off_takes_lines_and_keeps_none():
    log = NoAccessLog()
    log.write(b"one\n")
    log.close()
