"""The limit of open files is raised as far as it goes, and a shortage is told with the numbers."""

from __future__ import annotations

import resource

from egressway.services.open_files import OpenFiles, needed_open_files, raise_open_files


def test_shortage_names_limit_need_and_cap():
    shortage = OpenFiles(4_096, needed_open_files(40_000), 40_000).shortage
    assert shortage is not None
    for number in ("4,096", "81,024", "40,000", "1,536"):
        assert number in shortage


def test_enough_is_no_shortage():
    assert OpenFiles(81_024, needed_open_files(40_000), 40_000).shortage is None


def test_soft_limit_becomes_the_hard_one():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        allowed = raise_open_files(10).allowed
        assert allowed == before[1] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
