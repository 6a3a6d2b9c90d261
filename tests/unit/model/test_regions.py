"""Regions: which follow from others, and which keys may leave them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from egressway.model.errors import Invalid
from egressway.model.location import LocationDraft
from egressway.model.region import (
    REGIONS,
    RegionKind,
    parse_region_key,
    regions_of_country,
    with_implied,
)
from egressway.model.regional_hostname import (
    RegionalHostnameDraft,
    certificate_regions,
    certificates_for,
    parse_regional_change,
    region_of,
)

REGIONAL = {
    "*.example.com": "eu",
    "us.example.com": "us",
    "ca.example.net": "ca",
}


def test_there_are_the_regions_that_clients_know() -> None:
    labels = {region.key: region.label for region in REGIONS}
    assert len(labels) == len(REGIONS) == 35
    assert {key: labels[key] for key in ("ca", "eu", "us", "au")} == {
        "ca": "Canada",
        "eu": "Europe",
        "us": "USA",
        "au": "Australia",
    }
    kinds = [region.kind for region in REGIONS]
    assert {kind: kinds.count(kind) for kind in RegionKind} == {
        RegionKind.COUNTRY: 23,
        RegionKind.STATE: 3,
        RegionKind.GROUP: 4,
        RegionKind.CERTIFICATION: 4,
        RegionKind.OTHER: 1,
    }


def test_a_location_can_name_every_region() -> None:
    keys = [region.key for region in REGIONS]
    body = {"name": "here", "latitude": 0, "longitude": 0, "regions": keys}
    assert LocationDraft.parse(body).regions == tuple(keys)


@pytest.mark.parametrize(
    ("country", "keys"),
    [
        ("FR", {"fr", "eu", "nato", "not-hk-mo", "not-ru-by"}),
        ("CH", {"ch", "not-hk-mo", "not-ru-by"}),
        ("HK", {"hk", "not-ru-by"}),
        ("RU", {"ru", "not-hk-mo"}),
        ("NZ", {"not-hk-mo", "not-ru-by"}),
    ],
)
def test_a_country_lies_in_what_surrounds_it(country: str, keys: set[str]) -> None:
    assert set(regions_of_country(country)) == keys


@pytest.mark.parametrize(
    ("named", "implied"),
    [
        (["fr"], {"fr", "eu", "nato", "not-hk-mo", "not-ru-by"}),
        (["us-ca"], {"us-ca", "us", "nato", "not-hk-mo", "not-ru-by"}),
        (["eu"], {"eu", "not-hk-mo", "not-ru-by"}),
        (["irap"], {"irap", "au", "not-hk-mo", "not-ru-by"}),
        (["not-ru-by"], {"not-ru-by"}),
        (["green"], {"green"}),
        (["a-custom-one", "sg"], {"a-custom-one", "sg", "not-hk-mo", "not-ru-by"}),
        ([], set()),
    ],
)
def test_a_place_lies_in_what_follows_and_certified_is_only_what_is_said(
    named: list[str], implied: set[str]
) -> None:
    assert set(with_implied(named)) == implied
    assert with_implied(with_implied(named)) == with_implied(named)
    assert list(with_implied(named))[: len(named)] == named


@pytest.mark.parametrize("value", ["", "EU", "europe", "cf", None, 1, ["eu"]])
def test_other_keys_are_refused_with_the_list(value: object) -> None:
    with pytest.raises(Invalid, match=r"au.*ca.*eu.*us") as caught:
        parse_region_key(value)
    assert caught.value.pointer == "/region_key"


def test_the_most_specific_name_counts() -> None:
    assert region_of("us.example.com", REGIONAL) == "us"
    assert region_of("www.example.com", REGIONAL) == "eu"
    assert region_of("*.example.com", REGIONAL) == "eu"
    assert region_of("a.b.example.com", REGIONAL) is None
    assert region_of("example.com", REGIONAL) is None
    assert region_of("com", REGIONAL) is None


@pytest.mark.parametrize(
    ("hosts", "regions"),
    [
        (["www.example.com"], {"eu"}),
        (["us.example.com"], {"us"}),
        (["*.example.com"], {"eu", "us"}),
        (["example.com", "us.example.com"], {"us"}),
        (["us.example.com", "ca.example.net"], {"us", "ca"}),
        (["*.example.net"], {"ca"}),
        (["example.net", "www.example.net"], set()),
        ([], set()),
    ],
)
def test_a_certificate_is_of_the_regions_of_all_names_it_covers(
    hosts: list[str], regions: set[str]
) -> None:
    assert certificate_regions(hosts, REGIONAL) == regions


@dataclass(frozen=True)
class Held:
    hosts: tuple[str, ...]
    key: bytes


EVERYWHERE = Held(("example.com", "www.example.net"), b"1")
EUROPE = Held(("www.example.com",), b"2")
WILDCARD = Held(("*.example.com",), b"3")
SAME_KEY = Held(("example.com",), b"2")


@pytest.mark.parametrize(
    ("regions", "sent"),
    [
        (set(), [EVERYWHERE]),
        ({"ca"}, [EVERYWHERE]),
        ({"eu"}, [EVERYWHERE, EUROPE, SAME_KEY]),
        ({"us"}, [EVERYWHERE]),
        ({"us", "eu"}, [EVERYWHERE, EUROPE, WILDCARD, SAME_KEY]),
    ],
)
def test_a_key_goes_only_into_the_regions_of_all_its_names(
    regions: set[str], sent: list[Held]
) -> None:
    held = [EVERYWHERE, EUROPE, WILDCARD, SAME_KEY]
    assert list(certificates_for(regions, held, REGIONAL)) == sent
    assert list(certificates_for(regions, held, {})) == held


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/hostname"),
        ({"hostname": "www.example.com"}, "/region_key"),
        ({"hostname": "www.example.com", "region_key": "mars"}, "/region_key"),
        ({"hostname": "a.*.example.com", "region_key": "eu"}, "/hostname"),
        ({"hostname": "*", "region_key": "eu"}, "/hostname"),
        ({"hostname": "192.0.2.1", "region_key": "eu"}, "/hostname"),
        ({"hostname": 7, "region_key": "eu"}, "/hostname"),
        ({"hostname": "www.example.com", "region_key": "eu", "routing": 1}, "/routing"),
        ({"hostname": "www.example.com", "region_key": "eu", "routing": ""}, "/routing"),
        ({"hostname": "www.example.com", "region_key": "eu", "regions": []}, "/regions"),
    ],
)
def test_a_wrong_member_is_pointed_at(body: dict[str, object], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        RegionalHostnameDraft.parse(body)
    assert caught.value.pointer == pointer


def test_a_draft_is_stored_in_one_spelling() -> None:
    draft = RegionalHostnameDraft.parse({"hostname": "*.Münster.Example.", "region_key": "de"})
    assert draft == RegionalHostnameDraft("*.xn--mnster-3ya.example", "de", "dns")  # type: ignore[arg-type]


def test_names_of_other_zones_are_refused() -> None:
    for name in ("www.example.com", "*.example.com", "example.com"):
        RegionalHostnameDraft(name, "eu").check_within("example.com")  # type: ignore[arg-type]
    for name in ("example.net", "notexample.com", "*.com", "com"):
        with pytest.raises(Invalid) as caught:
            RegionalHostnameDraft(name, "eu").check_within("example.com")  # type: ignore[arg-type]
        assert caught.value.pointer == "/hostname"


def test_only_the_region_can_be_changed() -> None:
    assert parse_regional_change({"region_key": "ca"}) == "ca"
    for member in ("hostname", "routing", "created_on"):
        with pytest.raises(Invalid) as caught:
            parse_regional_change({"region_key": "ca", member: "x"})
        assert caught.value.pointer == f"/{member}"
