"""What was acknowledged survives `kill -9` of the writer, and nothing is there by half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from egressway.store import Store
from tests.unit.store.world import ALL

RECORDS = 5
ROUNDS = 4

WRITER = f"""
import sys
from egressway.model.account import AccountDraft
from egressway.model.hostname import Hostname
from egressway.model.record import RecordDraft, RecordType
from egressway.model.zone import ZoneDraft
from egressway.store import Store

url, prefix = sys.argv[1:]
store = Store.open(url)
with store.write("writer") as write:
    account = write.accounts.create(AccountDraft(prefix))
number = 0
while True:
    name = Hostname(f"{{prefix}}-{{number}}.example")
    with store.write("writer") as write:
        zone = write.zones.create(ZoneDraft(account.id, name))
        for last in range({RECORDS}):
            draft = RecordDraft(RecordType.A, "www", f"192.0.2.{{last}}", proxied=True)
            write.records.create(zone.id, draft)
        revision = write.revision()
    print(name, flush=True)
    number += 1
"""


def write_and_kill(url: str, prefix: str, acknowledged: int) -> list[str]:
    """The names that a writer acknowledged before it was killed in the middle of the next."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, prefix],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert writer.stdout is not None
    names = [writer.stdout.readline().strip() for _ in range(acknowledged)]
    writer.send_signal(signal.SIGKILL)
    names += [line.strip() for line in writer.stdout.read().splitlines()]
    assert writer.wait() == -signal.SIGKILL
    return names


def test_acknowledged_writes_survive_and_none_is_half_there(store_url: str) -> None:
    url = store_url
    acknowledged: set[str] = set()
    revision = 0
    for number in range(ROUNDS):
        names = write_and_kill(url, f"round{number}", 3 + 7 * number)
        assert all(names)
        acknowledged.update(names)
        with Store.open(url) as store, store.read() as read:
            zones = read.zones_for_snapshot()
            assert acknowledged <= {zone.name for zone in zones}
            assert len(zones) <= len(acknowledged) + number + 1  # one per kill at most
            assert {len(zone.records) for zone in zones} == {RECORDS}
            touched = {change.zone_id for change in read.changes_since(0)} - {None}
            assert touched == {zone.id for zone in zones}
            assert read.revision() > revision
            revision = read.revision()
    with Store.open(url) as store, store.write("after") as write:
        for account in write.accounts.list(ALL)[0]:
            assert write.accounts.get(account.id) == account
        if url.startswith("sqlite"):
            connection = write._session.connection()
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
