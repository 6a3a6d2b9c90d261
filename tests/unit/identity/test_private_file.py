"""A token's file is whole, and nobody else's."""

from __future__ import annotations

from egressway.identity.private_file import write_private


def test_file_is_readable_by_its_owner_alone(tmp_path):
    path = tmp_path / "token"
    write_private(path, "secret")
    assert path.read_text(encoding="utf-8") == "secret\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_file_with_wider_rights_is_replaced(tmp_path):
    path = tmp_path / "token"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text(encoding="utf-8") == "new\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
