"""The smuggling corpus, one module per trick, each a table `CASES`."""

from __future__ import annotations

from tests.conformance.smuggling import (
    chunks,
    content_length,
    hop_by_hop,
    hosts,
    lines,
    methods,
    transfer_encoding,
)
from tests.conformance.smuggling.case import Case

CASES: list[Case] = [
    *content_length.CASES,
    *transfer_encoding.CASES,
    *chunks.CASES,
    *hosts.CASES,
    *lines.CASES,
    *methods.CASES,
    *hop_by_hop.CASES,
]
