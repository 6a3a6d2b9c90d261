"""Request bodies: bytes to the members of one JSON object, documented by a struct.

CONFIG 1 of 5, the edge. A handler that takes `Body[ZoneCreate]` gets the members; `ZoneCreate`
documents them, and the type of the same name in `model` parses them, so that each rule and its
message exist once. An empty body is no body.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from litestar.dto import AbstractDTO
from litestar.dto.config import DTOConfig
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from egressway.api.problems import MalformedBody
from egressway.model.errors import Invalid

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.dto._backend import DTOBackend

__all__ = ["Body", "StrictBody", "decode_object"]

Documented = TypeVar("Documented")


@dataclass(frozen=True, slots=True)
class Body(Generic[Documented]):
    """The members of the request's JSON object, not yet checked."""

    members: Mapping[str, object] = field(repr=False)
    """May hold a private key."""


class StrictBody(AbstractDTO[Any]):
    """Makes the framework read `data` with `decode_object` instead of its lenient reader."""

    config = DTOConfig()

    def decode_bytes(self, value: bytes) -> Body[Any]:
        """Reads a JSON body."""
        return Body(decode_object(value))

    def decode_builtins(self, value: dict[str, Any]) -> dict[str, Any]:
        """Forms are read by their handlers."""
        return value

    @classmethod
    def generate_field_definitions(
        cls,
        model_type: type[Any],  # noqa: ARG003
    ) -> Generator[DTOFieldDefinition, None, None]:
        """Nothing is transferred field by field."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:  # noqa: ARG003
        """Nothing is transferred field by field."""
        return False

    @classmethod
    def is_supported_model_type_field(
        cls,
        field_definition: FieldDefinition,  # noqa: ARG003
    ) -> bool:
        """Bodies only: answers are encoded as they are."""
        return False

    @classmethod
    def create_for_field_definition(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,
        backend_cls: type[DTOBackend] | None = None,
    ) -> None:
        """No transfer model is needed."""

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,  # noqa: ARG003
        schema_creator: SchemaCreator,
    ) -> Reference | Schema:
        """The schema of the documented struct."""
        inner = field_definition.inner_types
        documented = inner[0] if field_definition.origin is Body else field_definition
        return schema_creator.for_field_definition(documented)


def decode_object(raw: bytes) -> Mapping[str, object]:
    """One JSON object; raises `MalformedBody` for anything else."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBody(f"The body is not JSON: {error}. Send one JSON object.") from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply. Send fewer levels.") from None
    if not isinstance(value, dict):
        raise Invalid("The body must be a JSON object.", pointer="")
    return value
