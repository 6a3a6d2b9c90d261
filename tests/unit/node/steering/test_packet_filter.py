"""What it says when the host cannot."""

from __future__ import annotations

import pytest

from egressway.node.steering.errors import SteeringFailed, SteeringUnavailable
from egressway.node.steering.packet_filter import PacketFilter


@pytest.fixture
def nft(tmp_path, monkeypatch):
    """A program of this name that does what a test says."""
    path = tmp_path / "nft"

    def write(script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return write


def test_missing_program_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SteeringUnavailable, match="`nft` is missing") as raised:
        PacketFilter().apply("add table ip x\n")
    assert raised.value.missing == "the program `nft`"


def test_refused_transaction_says_what_the_kernel_said(nft):
    nft("echo 'Error: Could not process rule: File exists' >&2; exit 1")
    with pytest.raises(SteeringFailed, match="File exists"):
        PacketFilter().apply("add table ip x\n")


def test_empty_transaction_asks_nobody(nft):
    nft("exit 1")
    PacketFilter().apply("")


def test_kernel_without_nftables_is_said(monkeypatch):
    def no_such_protocol(*_: object) -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr("egressway.node.steering.packet_filter.socket.socket", no_such_protocol)
    with pytest.raises(SteeringUnavailable, match="nftables in the kernel is missing"):
        PacketFilter().generation()


def test_kernel_without_a_part_of_nftables_is_said(nft, monkeypatch):
    monkeypatch.setattr(PacketFilter, "generation", lambda _: 1)
    nft("echo 'Error: Could not process rule: No such file or directory' >&2; exit 1")
    with pytest.raises(SteeringUnavailable, match="CONFIG_NFT_TPROXY and CONFIG_NFT_CT"):
        PacketFilter().require()


def test_counters_of_a_table_that_is_not_there_are_none(nft):
    nft("echo 'Error: No such file or directory' >&2; exit 1")
    assert PacketFilter().counters() == {}
