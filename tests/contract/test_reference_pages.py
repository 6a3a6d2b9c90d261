"""The pages of reference/ say what the code says, and what they link to is there."""

from __future__ import annotations

import pytest

from egressway.model.errors import PROXY_ERRORS
from scripts.reference_pages import PAGES, REFERENCE, ROOT, errors_page, handbook, metrics_page


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_code_makes(name):
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), f"run `make reference` and commit reference/{name}"


def test_every_file_of_the_reference_is_generated():
    assert {path.name for path in REFERENCE.iterdir()} == set(PAGES)


def test_errors_page_has_one_row_per_code():
    rows = [line for line in errors_page().splitlines() if line.startswith("| [`")]
    assert [row.split("`")[1] for row in rows] == [error.code for error in PROXY_ERRORS]


@pytest.mark.parametrize("error", PROXY_ERRORS, ids=lambda error: error.code)
def test_operator_can_read_what_to_do_about_every_error(error):
    page = ROOT / "docs" / "operate" / f"{handbook(error)}.md"
    assert f"`{error.code}`" in page.read_text(encoding="utf-8")


def test_metrics_page_names_the_counter_that_must_stay_zero():
    assert "`egressway_foreign_egress_total` | counter" in metrics_page()
