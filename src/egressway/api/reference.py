"""The OpenAPI document, generated from the handlers: `python -m egressway.api.reference [path]`.

Beside CONFIG 1 of 5. The framework derives the document from types; this module gives schemas the
names that a reader expects (`ZoneAnswer`, `ZonePage`), every operation the failure envelope, and
says which permission it needs. `reference/openapi.json` is its output; a test compares the two.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme

from egressway.api.access import Access, Reach, access_of
from egressway.api.app import BASE_PATH, dependencies, routes
from egressway.api.body import StrictBody
from egressway.api.envelope import Failure
from egressway.api.problems import respond

__all__ = ["bare_application", "document", "main", "render"]

Json = dict[str, Any]

DEFAULT_PATH: Final = Path("reference/openapi.json")
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_GENERIC: Final = re.compile(r"^(?P<outer>Answer|ResultPage)\[(?P<inner>.+)\]$")
_SUFFIX: Final = {"Answer": "Answer", "ResultPage": "Page"}
_REFERENCE: Final = "#/components/schemas/"


def document() -> Json:
    """The whole document as JSON values."""
    app = bare_application()
    found: Json = json.loads(msgspec.json.encode(app.openapi_schema.to_schema()))
    schemas = found["components"]["schemas"]
    names = {old: _name(old, schema) for old, schema in schemas.items()}
    renamed: Json = _rename(found, names)
    renamed["components"]["schemas"] = dict(
        sorted(
            [("Failure", _failure())]
            + [(names[old], _rename(schema, names)) for old, schema in schemas.items()]
        )
    )
    access = _access_by_operation(app)
    for path, item in renamed["paths"].items():
        for method in _METHODS:
            if method in item:
                _complete(item[method], access[item[method]["operationId"]], path)
    return renamed


def render() -> str:
    """The text of the file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> None:
    """Writes the file."""
    path = Path(arguments[0]) if arguments else DEFAULT_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(), encoding="utf-8")


def bare_application() -> Litestar:
    """The routes without what serves them: no store is opened."""
    names = ("store", "usage", "health", "settings", "registry", "fleet", "rollouts")
    return Litestar(
        route_handlers=routes(),
        dependencies=dependencies(**dict.fromkeys(names)),
        dto=StrictBody,
        exception_handlers={Exception: respond},
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Egressway",
            version="4",
            description=(
                "Dedicated egress IPs for reverse-proxy, CDN and gateway fleets. Everything below "
                f"`{BASE_PATH}` answers in the v4 envelope."
            ),
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            use_handler_docstrings=True,
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer", description="API token")
                }
            ),
        ),
    )


# --- names -------------------------------------------------------------------------------------


def _name(old: str, schema: Json) -> str:
    """`Answer[Zone]` becomes `ZoneAnswer`; everything else keeps its name."""
    generic = _GENERIC.match(schema.get("title", ""))
    if generic is None:
        return old
    inner = generic["inner"].rpartition(".")[2].rstrip("]")
    return inner[0].upper() + inner[1:] + _SUFFIX[generic["outer"]]


def _rename(value: object, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON in, JSON out
    if isinstance(value, list):
        return [_rename(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {key: _rename(item, names) for key, item in value.items()}
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REFERENCE):
        renamed["$ref"] = _REFERENCE + names[reference.removeprefix(_REFERENCE)]
    if value.get("title") and _GENERIC.match(str(value["title"])):
        renamed["title"] = _name("", value)
    return renamed


# --- operations --------------------------------------------------------------------------------


def _access_by_operation(app: Litestar) -> dict[str, Access]:
    found = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            access = access_of(handler)
            if access is not None:
                found[str(handler.operation_id)] = access
    return found


def _complete(operation: Json, access: Access, path: str) -> None:
    operation["security"] = [] if access.reach is Reach.PUBLIC else [{"token": []}]
    operation["summary"] = operation["description"].partition("\n")[0].removesuffix(".")
    operation["description"] = f"{operation['description']}\n\n{_needs(access)}"
    del operation["deprecated"]
    operation["responses"].pop("400", None)
    if path.startswith(BASE_PATH):
        operation["responses"]["default"] = {
            "description": "Any failure, with the status that fits it",
            "content": {"application/json": {"schema": {"$ref": f"{_REFERENCE}Failure"}}},
        }


def _failure() -> Json:
    """No handler answers it, so the framework does not know it."""
    _, components = msgspec.json.schema_components([Failure], ref_template=_REFERENCE + "{name}")
    failure: Json = components["Failure"]
    return failure


def _needs(access: Access) -> str:
    match access.reach:
        case Reach.PUBLIC:
            return "Needs no token."
        case Reach.ANYONE:
            return "Needs a token."
        case Reach.OPERATOR:
            return "Needs the operator's token."
        case _:
            return f"Needs the permission `{access.permission}`."


if __name__ == "__main__":
    main(sys.argv[1:])
