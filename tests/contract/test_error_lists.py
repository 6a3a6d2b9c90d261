"""The proxy's own answers are one list: in the data plane, in Python and on the reference page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from egressway.data_plane import _native
from egressway.model.errors import PROXY_ERRORS

ROOT = Path(__file__).parents[2]


def test_python_list_is_the_data_planes_list():
    python = [dataclasses.astuple(error) for error in PROXY_ERRORS]
    native = [tuple(error) for error in _native.error_codes()]
    assert python == native, f"paste into `egressway.model.errors`:\n{_pasteable(native)}"


@pytest.mark.parametrize("error", PROXY_ERRORS, ids=lambda error: error.code)
def test_reference_page_has_the_code(error):
    page = (ROOT / "reference" / "errors.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if f"`{error.code}`" in line]
    assert any(str(error.status) in line for line in lines), f"`{error.code}` is not on the page"


def _pasteable(errors: list[tuple[object, ...]]) -> str:
    return "\n".join(f"    ProxyError{error!r}," for error in errors)
