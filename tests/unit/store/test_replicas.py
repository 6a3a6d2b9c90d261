"""Several processes write at once: revisions appear in their order, none is lost, none is there twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter

from egressway.store import Change, Store
from tests.support.waiting import DEADLINE, eventually
from tests.unit.store.world import ALL, account_of, zone_of

WRITERS = 3
TAKES = 40

WRITER = """
import sys
from ipaddress import ip_address
from egressway.model.errors import Conflict
from egressway.model.ids import AccountId
from egressway.store import Store

url, account, takes = sys.argv[1:]
with Store.open(url) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(takes)):
        try:
            with store.write("writer") as write:
                lease = write.leases.create(AccountId(account), ip_address(f"192.0.2.{number}"))
        except Conflict:
            continue
        print(lease.id, flush=True)
"""


def start_writer(url: str, account_id: str) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, account_id, str(TAKES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def let_go(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()


def new_changes(store: Store, seen: list[Change]) -> list[Change]:
    with store.read() as read:
        return read.changes_since(seen[-1].revision if seen else 0)


def test_processes_that_write_at_once_share_one_journal(store_url: str) -> None:
    with Store.open(store_url) as store:
        accounts = [account_of(store, f"a{number}") for number in range(WRITERS)]
        writers = [start_writer(store_url, account.id) for account in accounts]
        for writer in writers:
            let_go(writer)
        # A reader who asks again and again for what is new misses nothing that comes later.
        seen: list[Change] = []

        def all_have_ended() -> bool:
            ended = all(writer.poll() is not None for writer in writers)
            seen.extend(new_changes(store, seen))
            return ended

        eventually(all_have_ended, within=6 * DEADLINE)
        assert seen == new_changes(store, [])
        told = [writer.communicate()[0].split("\n")[:-1] for writer in writers]
        assert [writer.returncode for writer in writers] == [0] * WRITERS
        acknowledged = {line for lines in told for line in lines}
        leased = Counter(change.object_id for change in seen if change.kind == "lease")
        assert set(leased) == acknowledged
        assert set(leased.values()) == {1}
        assert len(leased) == TAKES, "every address was leased once"
        with store.read() as read:
            held = [lease for each in accounts for lease in read.leases.list(each.id, ALL)[0]]
        assert {lease.id for lease in held} == acknowledged


def test_a_writer_that_is_killed_holds_nobody_up(store_url: str) -> None:
    with Store.open(store_url) as store:
        account = account_of(store, "a")
        killed = start_writer(store_url, account.id)
        let_go(killed)
        assert killed.stdout is not None
        acknowledged = [killed.stdout.readline().strip() for _ in range(5)]
        killed.send_signal(signal.SIGKILL)
        acknowledged += killed.stdout.read().splitlines()
        killed.wait()
        zone_of(store, account, "example.com")
        with store.read() as read:
            held = [lease.id for lease in read.leases.list(account.id, ALL)[0]]
            noted = [each.object_id for each in read.changes_since(0) if each.kind == "lease"]
        assert sorted(held) == sorted(noted)
        assert set(acknowledged) <= set(held)
        assert len(held) <= len(acknowledged) + 1
