"""How handlers say where an argument comes from.

CONFIG 1 of 5. `Given` arguments are our own values, already typed, and are passed as they are;
everything else comes from the request and is checked.
"""

from __future__ import annotations

from typing import TypeVar

from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from egressway.api.body import Body
from egressway.model.token import Principal
from egressway.model.zone import Zone
from egressway.store import Store

__all__ = ["Given", "GivenCaller", "GivenStore", "GivenZone", "JsonBody", "PathId"]

T = TypeVar("T")

Given = NamedDependency[SkipValidation[T]]
"""One of the values of `app.dependencies`, by the argument's name."""

GivenStore = Given[Store]
GivenCaller = Given[Principal]
GivenZone = Given[Zone]
"""The zone of the path, which the gate has read."""

PathId = FromPath[str]
"""An identifier in the path; whether it exists is the store's to say."""

JsonBody = JSONBody[Body[T]]
"""The members of the JSON object in the body, documented by a struct."""
