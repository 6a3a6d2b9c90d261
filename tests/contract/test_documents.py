"""Documents name what exists: links, paths, make targets; the lock holds nothing but hashes."""

from __future__ import annotations

import re
import subprocess

import pytest

from scripts.reference_pages import ROOT

DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md"))
    if path.is_file()
)
FOLDERS = ("src", "data-plane", "docs", "scripts", "tests", "testdata", "reference", "bench")
PATH = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def named(document):
    """Paths that a document claims exist."""
    text = document.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if "://" not in link]
    return [document.parent / link for link in links] + [ROOT / path for path in PATH.findall(text)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_a_document_names_is_there(document):
    missing = [str(path.relative_to(ROOT)) for path in named(document) if not path.exists()]
    assert not missing


def test_every_document_is_linked_from_another():
    linked = {path.resolve() for document in DOCUMENTS for path in named(document)}
    # A link to a folder shows all of its pages.
    alone = {path for path in DOCUMENTS if path not in linked and path.parent not in linked}
    assert alone <= {ROOT / "README.md"}


def test_readme_lists_the_targets_of_the_makefile():
    listed = re.findall(r"^\| `make (\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    help_text = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert listed
    assert set(listed) <= {line.split()[1] for line in help_text.splitlines()}


def test_lock_holds_names_versions_and_hashes_only():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    form = re.compile(
        r"[\w.-]+==[\w.+!-]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?| +# .*"
    )
    assert [line for line in lines if not form.fullmatch(line)] == []
    assert not [line for line in lines if "://" in line]
