"""Streams, buckets and subjects of Egressway in NATS: the one list of them.

Streams republish what they have stored: servers listen to that with plain subscriptions, which cost
the NATS server (and a leaf node on the way) next to nothing, and nobody hears of a message that a
stream has refused. What they miss, they read from the stream.

| Subject | Is |
|---|---|
| `egressway.config.<class>` | stream `egressway-config-<class>`: changes, in order |
| `$KV.egressway.gate`, `.held.<server>`, `.instance.<server>` | bucket `egressway`: newest values |
| `$KV.egressway-whole-<class>.head`, `.<key>.<number>` | bucket of each class: parts of wholes |
| `egressway.live.config.<class>`, `egressway.live.value.<key>` | republished |
| `egressway.acknowledgement.<server>`, `egressway.report.<server>` | not stored |
| `_INBOX.<name>.>` | answers to one client |

Each class of servers has streams of its own: whoever may put questions to a stream may read all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from nats.js.api import DiscardPolicy, RePublish, StorageType, StreamConfig

from egressway.wire.region_class import EVERYWHERE

__all__ = [
    "ACKNOWLEDGEMENTS",
    "BASE",
    "GATE",
    "LAST_SEQUENCE",
    "REPORTS",
    "REVISION",
    "SEQUENCE",
    "VALUES",
    "acknowledgement",
    "class_of_stream",
    "class_streams",
    "config",
    "config_stream",
    "heard_by",
    "held",
    "inbox",
    "instance",
    "live_config",
    "live_value",
    "report",
    "said_by",
    "streams",
    "value",
    "whole",
    "whole_stream",
]

VALUES: Final = "KV_egressway"
GATE: Final = "gate"
ACKNOWLEDGEMENTS: Final = "egressway.acknowledgement.*"
REPORTS: Final = "egressway.report.*"

REVISION: Final = "Egressway-Revision"
BASE: Final = "Egressway-Base-Revision"
SEQUENCE: Final = "Nats-Sequence"
LAST_SEQUENCE: Final = "Nats-Last-Sequence"

_CONFIG: Final = "egressway-config-"
_KEPT_MESSAGES: Final = 4_096
_KEPT_BYTES: Final = 2 * 1024**3


def config(cls: str) -> str:
    """Where changes are published."""
    return f"egressway.config.{cls}"


def live_config(cls: str) -> str:
    """Where they are heard."""
    return f"egressway.live.config.{cls}"


def value(key: str) -> str:
    """Where a value is stored."""
    return f"$KV.egressway.{key}"


def live_value(key: str) -> str:
    """Where its changes are heard."""
    return f"egressway.live.value.{key}"


def held(server: str) -> str:
    """Key of what a server holds."""
    return f"held.{server}"


def instance(server: str) -> str:
    """Key of which instance of a server's node was started last."""
    return f"instance.{server}"


def whole(cls: str, part: str) -> str:
    """Where a part of a whole is stored; `head` says which parts there are."""
    return f"$KV.egressway-whole-{cls}.{part}"


def config_stream(cls: str) -> str:
    """Keeps the changes of a class."""
    return f"{_CONFIG}{cls}"


def class_of_stream(stream: str) -> str | None:
    """The class whose changes a stream keeps; None for another stream."""
    return stream.removeprefix(_CONFIG) if stream.startswith(_CONFIG) else None


def whole_stream(cls: str) -> str:
    """Keeps the parts of a class's wholes."""
    return f"KV_egressway-whole-{cls}"


def inbox(name: str) -> str:
    """Where a client of this name is answered."""
    return f"_INBOX.{re.sub(r'[^A-Za-z0-9_-]', '-', name)}"


def acknowledgement(server: str) -> str:
    """Where a server acknowledges."""
    return f"egressway.acknowledgement.{server}"


def report(server: str) -> str:
    """Where a server reports."""
    return f"egressway.report.{server}"


def said_by(server: str, classes: Iterable[str]) -> tuple[str, ...]:
    """All that a server ever publishes: its own words, and questions to streams it may read.

    A direct question is answered with the message as it was stored, headers and all, wherever the asker
    wants the answer to go: about the one stream that servers write to, nobody may ask in this way.
    """
    readable = [name(cls) for cls in classes for name in (config_stream, whole_stream)]
    questions = [
        ("STREAM.MSG.GET", VALUES),
        *((each, stream) for stream in readable for each in ("DIRECT.GET", "STREAM.MSG.GET")),
    ]
    return (
        acknowledgement(server),
        report(server),
        value(held(server)),
        value(instance(server)),
        *(
            f"$JS.{domain}API.{question}.{stream}{below}"
            for domain in ("", "*.")
            for question, stream in questions
            for below in ("", ".>")
        ),
    )


def heard_by(client: str, classes: Iterable[str]) -> tuple[str, ...]:
    """All that a server ever subscribes to: what is republished for it, and answers to its client."""
    return (live_value(">"), *(live_config(cls) for cls in classes), f"{inbox(client)}.>")


def streams(replicas: int) -> tuple[StreamConfig, ...]:
    """What the control plane makes where it is not there; an operator may make them otherwise."""
    live = RePublish(src="$KV.egressway.>", dest="egressway.live.value.>")
    return (_bucket(VALUES, replicas, live), *class_streams(EVERYWHERE, replicas))


def class_streams(cls: str, replicas: int) -> tuple[StreamConfig, ...]:
    """Those of one class of servers, which are made when it is published for."""
    return (
        StreamConfig(
            name=config_stream(cls),
            subjects=[config(cls)],
            max_msgs_per_subject=_KEPT_MESSAGES,
            max_bytes=_KEPT_BYTES,
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            num_replicas=replicas,
            allow_direct=True,
            republish=RePublish(src=config(cls), dest=live_config(cls)),
        ),
        _bucket(whole_stream(cls), replicas, None),
    )


def _bucket(name: str, replicas: int, republish: RePublish | None) -> StreamConfig:
    """A key-value bucket as every NATS client knows it."""
    return StreamConfig(
        name=name,
        subjects=[f"${name.replace('_', '.', 1)}.>"],
        max_msgs_per_subject=1,
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        num_replicas=replicas,
        allow_direct=True,
        # Whoever may write one key could empty the bucket with a header.
        allow_rollup_hdrs=False,
        deny_delete=True,
        republish=republish,
    )
