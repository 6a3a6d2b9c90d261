"""The data directory is its owner's, and one process's at a time."""

from __future__ import annotations

import os

import pytest

from egressway.services.data_directory import DataDirectory
from egressway.services.start_error import StartError


def test_directory_is_made_for_its_owner_alone(tmp_path):
    made = DataDirectory(tmp_path / "a" / "b")
    assert made.path.stat().st_mode & 0o777 == 0o700
    made.close()


def test_second_user_is_refused_until_the_first_is_gone(tmp_path):
    first = DataDirectory(tmp_path)
    with pytest.raises(StartError, match=f"in use by process {os.getpid()}"):
        DataDirectory(tmp_path)
    first.close()
    DataDirectory(tmp_path).close()


def test_path_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"cannot be used.*`--data`"):
        DataDirectory(tmp_path / "file")
