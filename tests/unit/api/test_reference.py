"""`reference/openapi.json` is what the handlers say, is valid, and documents what is parsed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from openapi_spec_validator import validate

from egressway.api.body import Body
from egressway.api.reference import bare_application, document, main, render
from egressway.api.rest import (
    accounts,
    certificates,
    data_centers,
    dns_record_shapes,
    locations,
    placement_shapes,
    pools,
    servers,
    token_shapes,
    zones,
)
from egressway.model.account import AccountChange, AccountDraft
from egressway.model.certificate import CertificateDraft
from egressway.model.data_center import DataCenterChange, DataCenterDraft
from egressway.model.errors import Invalid
from egressway.model.location import LocationChange, LocationDraft
from egressway.model.placement_draft import PlacementDraft
from egressway.model.pool import PoolChange, PoolDraft
from egressway.model.record import RecordDraft
from egressway.model.server import ServerChange, ServerDraft
from egressway.model.slice_move import MoveDraft
from egressway.model.token import TokenDraft
from egressway.model.zone import ZoneChange, ZoneDraft

REFERENCE = Path(__file__).parents[3] / "reference" / "openapi.json"


def test_file_is_what_the_handlers_say() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == render(), (
        "run `python -m egressway.api.reference` and look at the difference"
    )


def test_document_is_valid_openapi() -> None:
    validate(document())


def test_document_is_written_where_told(tmp_path: Path) -> None:
    main([str(tmp_path / "deep" / "openapi.json")])
    assert json.loads((tmp_path / "deep" / "openapi.json").read_text()) == document()


def test_every_operation_has_an_id_of_its_own_and_says_what_it_needs() -> None:
    operations = [operation for item in document()["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert all("Needs " in operation["description"] for operation in operations)
    assert all("security" in operation for operation in operations)


def test_schemas_have_the_names_a_reader_expects() -> None:
    names = set(document()["components"]["schemas"])
    assert {"Zone", "ZoneAnswer", "ZonePage", "ZoneCreate", "Failure", "DnsRecord"} <= names
    assert all(name.isidentifier() for name in names)


def test_every_body_is_described() -> None:
    for route in bare_application().routes:
        for handler in getattr(route, "route_handlers", []):
            field = handler.parsed_data_field
            if field is None or field.origin is not Body:
                continue
            (documented,) = get_args(field.annotation)
            assert issubclass(documented, msgspec.Struct)
            assert documented.__doc__


READ_ONLY_OR_IGNORED = {"id", "created_on", "modified_on"}


@pytest.mark.parametrize(
    ("documented", "parse"),
    [
        (accounts.AccountCreate, AccountDraft.parse),
        (accounts.AccountUpdate, AccountChange.parse),
        (zones.ZoneCreate, ZoneDraft.parse),
        (zones.ZoneEdit, ZoneChange.parse),
        (dns_record_shapes.DnsRecordBody, RecordDraft.parse),
        (dns_record_shapes.DnsRecordEdit, RecordDraft.parse),
        (pools.PoolCreate, PoolDraft.parse),
        (pools.PoolEdit, PoolChange.parse),
        (token_shapes.TokenBody, TokenDraft.parse),
        (locations.LocationCreate, LocationDraft.parse),
        (locations.LocationEdit, LocationChange.parse),
        (data_centers.DataCenterCreate, DataCenterDraft.parse),
        (data_centers.DataCenterEdit, DataCenterChange.parse),
        (servers.ServerCreate, ServerDraft.parse),
        (servers.ServerEdit, ServerChange.parse),
        (placement_shapes.MoveCreate, MoveDraft.parse),
        (placement_shapes.PlacementPut, partial(PlacementDraft.parse, IPv4Address("192.0.2.1"))),
    ],
)
def test_documented_members_are_known_to_the_parser(documented: type[Any], parse: Any) -> None:
    for member in get_type_hints(documented):
        with pytest.raises(Invalid) as caught:
            parse({member: object(), "surely unknown": 1})
        assert caught.value.pointer == "/surely unknown", member


def test_documented_certificate_members_are_known_to_the_parser() -> None:
    members = dict.fromkeys(get_type_hints(certificates.CustomCertificateCreate), None)
    with pytest.raises(Invalid) as caught:
        CertificateDraft.parse(members, datetime.now(UTC))
    assert caught.value.pointer == "/certificate"
