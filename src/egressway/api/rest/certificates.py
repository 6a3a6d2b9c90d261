"""`/zones/{zone_id}/custom_certificates`: what a zone's clients are answered with over TLS.

CONFIG 1 of 5. A private key goes in and never comes out again, in no answer and in no log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery
from msgspec import UNSET, Meta, Struct, UnsetType

from egressway.api.access import in_zone
from egressway.api.envelope import Answer, Deleted, ResultPage, Timestamp, answer, single_page
from egressway.api.paging import PageNumber, PageSize, every, paging, whole_page
from egressway.api.parameters import GivenCaller, GivenStore, GivenZone, JsonBody, PathId
from egressway.model.certificate import BundleMethod, Certificate, CertificateDraft
from egressway.model.clock import rfc3339
from egressway.model.ids import CertificateId
from egressway.model.members import as_choice, as_int, as_list, as_object, as_text, refuse_unknown
from egressway.model.paging import Direction
from egressway.model.permission import Permission

__all__ = ["HANDLERS"]

_PATH: Final = "/zones/{zone_id:str}/custom_certificates"
_OBJECT: Final = f"{_PATH}/{{custom_certificate_id:str}}"
_MAX_PRIORITY: Final = 1_000_000

BundleName = Literal["ubiquitous", "optimal", "force"]
StatusName = Literal["active", "expired", "pending"]
AnyStatusName = Literal["active", "expired", "pending", "deleted", "initializing"]


class CustomCertificate(Struct, frozen=True):
    """A certificate without its key."""

    id: str
    zone_id: str
    hosts: Annotated[list[str], Meta(description="The names of the zone that it is served for")]
    issuer: str
    signature: str
    status: StatusName
    bundle_method: BundleName
    priority: Annotated[int, Meta(description="The highest is served")]
    expires_on: Timestamp
    uploaded_on: Timestamp
    modified_on: Timestamp


class CustomCertificateCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A chain, leaf first, and the leaf's key, both PEM."""

    certificate: str
    private_key: Annotated[str, Meta(extra_json_schema={"writeOnly": True})]
    bundle_method: BundleName = "ubiquitous"
    type: Literal["legacy_custom", "sni_custom"] = "sni_custom"
    deploy: Literal["production"] = "production"


class CustomCertificateEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """A new chain with its key, or only another bundle method."""

    certificate: str | UnsetType = UNSET
    private_key: Annotated[str, Meta(extra_json_schema={"writeOnly": True})] | UnsetType = UNSET
    bundle_method: BundleName | UnsetType = UNSET
    type: Literal["legacy_custom", "sni_custom"] | UnsetType = UNSET
    deploy: Literal["production"] | UnsetType = UNSET


class CustomCertificatePriority(Struct, frozen=True, forbid_unknown_fields=True):
    """The new priority of one certificate."""

    id: str
    priority: int | UnsetType = UNSET


class CustomCertificatePriorities(Struct, frozen=True, forbid_unknown_fields=True):
    """New priorities; without a number the earlier one in the list is higher."""

    certificates: list[CustomCertificatePriority]


@get(
    _PATH,
    operation_id="customCertificates.list",
    tags=["custom certificates"],
    opt=in_zone(Permission.SSL_AND_CERTIFICATES_READ),
    sync_to_thread=True,
)
def list_certificates(
    store: GivenStore,
    zone: GivenZone,
    status: FromQuery[AnyStatusName | None] = None,
    match: FromQuery[Literal["any", "all"]] = "all",  # noqa: ARG001 - one condition: both mean the same
    page: PageNumber = 1,
    per_page: PageSize = 20,
) -> ResultPage[CustomCertificate]:
    """The zone's certificates, the highest priority first."""
    with store.read() as read:
        stored = every(
            lambda part: read.certificates.list(zone.id, part), "priority", Direction.DESC
        )
    found = [_shown(each) for each in stored]
    wanted = [each for each in found if status in (None, each.status)]
    return whole_page(wanted, paging(page, per_page), lambda each: each)


@post(
    _PATH,
    operation_id="customCertificates.create",
    tags=["custom certificates"],
    opt=in_zone(Permission.SSL_AND_CERTIFICATES_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def create_certificate(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, data: JsonBody[CustomCertificateCreate]
) -> Answer[CustomCertificate]:
    """Adds a certificate for the names of the zone that it covers."""
    draft = CertificateDraft.parse(data.members, datetime.now(UTC))
    with store.write(caller.actor) as write:
        certificate = write.certificates.create(zone.id, draft)
    return answer(_shown(certificate))


@get(
    _OBJECT,
    operation_id="customCertificates.get",
    tags=["custom certificates"],
    opt=in_zone(Permission.SSL_AND_CERTIFICATES_READ),
    sync_to_thread=True,
)
def get_certificate(
    store: GivenStore, zone: GivenZone, custom_certificate_id: PathId
) -> Answer[CustomCertificate]:
    """One certificate."""
    with store.read() as read:
        certificate = read.certificates.get(zone.id, CertificateId(custom_certificate_id))
    return answer(_shown(certificate))


@patch(
    _OBJECT,
    operation_id="customCertificates.edit",
    tags=["custom certificates"],
    opt=in_zone(Permission.SSL_AND_CERTIFICATES_WRITE),
    sync_to_thread=True,
)
def edit_certificate(
    store: GivenStore,
    caller: GivenCaller,
    zone: GivenZone,
    custom_certificate_id: PathId,
    data: JsonBody[CustomCertificateEdit],
) -> Answer[CustomCertificate]:
    """Puts a new certificate in the place of an old one, without a moment without."""
    certificate_id = CertificateId(custom_certificate_id)
    if set(data.members) == {"bundle_method"}:
        method = as_choice(BundleMethod, data.members["bundle_method"], "/bundle_method")
        with store.write(caller.actor) as write:
            certificate = write.certificates.edit(zone.id, certificate_id, bundle_method=method)
    else:
        draft = CertificateDraft.parse(data.members, datetime.now(UTC))
        with store.write(caller.actor) as write:
            certificate = write.certificates.replace(zone.id, certificate_id, draft)
    return answer(_shown(certificate))


@delete(
    _OBJECT,
    operation_id="customCertificates.delete",
    tags=["custom certificates"],
    opt=in_zone(Permission.SSL_AND_CERTIFICATES_WRITE),
    status_code=200,
    sync_to_thread=True,
)
def delete_certificate(
    store: GivenStore, caller: GivenCaller, zone: GivenZone, custom_certificate_id: PathId
) -> Answer[Deleted]:
    """Removes a certificate; open connections keep it until they close."""
    with store.write(caller.actor) as write:
        write.certificates.delete(zone.id, CertificateId(custom_certificate_id))
    return answer(Deleted(custom_certificate_id))


@put(
    f"{_PATH}/prioritize",
    operation_id="customCertificates.prioritize",
    tags=["custom certificates"],
    opt=in_zone(Permission.SSL_AND_CERTIFICATES_WRITE),
    sync_to_thread=True,
)
def prioritize_certificates(
    store: GivenStore,
    caller: GivenCaller,
    zone: GivenZone,
    data: JsonBody[CustomCertificatePriorities],
) -> ResultPage[CustomCertificate]:
    """Decides which of several certificates for one name is served."""
    priorities = _parse_priorities(data.members)
    with store.write(caller.actor) as write:
        certificates = write.certificates.prioritize(zone.id, priorities)
    return single_page([_shown(each) for each in certificates])


HANDLERS: Final[list[HTTPRouteHandler]] = [
    list_certificates,
    create_certificate,
    get_certificate,
    edit_certificate,
    delete_certificate,
    prioritize_certificates,
]


def _parse_priorities(members: Mapping[str, object]) -> list[tuple[CertificateId, int]]:
    refuse_unknown(members, ("certificates",))
    items = as_list(members.get("certificates"), "/certificates", limit=1000)
    return [
        _parse_priority(as_object(item, f"/certificates/{i}"), f"/certificates/{i}", len(items) - i)
        for i, item in enumerate(items)
    ]


def _parse_priority(
    members: Mapping[str, object], at: str, by_place: int
) -> tuple[CertificateId, int]:
    refuse_unknown(members, ("id", "priority"), at)
    return (
        CertificateId(as_text(members.get("id"), f"{at}/id", limit=32)),
        as_int(members.get("priority", by_place), f"{at}/priority", 0, _MAX_PRIORITY),
    )


def _shown(certificate: Certificate) -> CustomCertificate:
    return CustomCertificate(
        id=certificate.id,
        zone_id=certificate.zone_id,
        hosts=list(certificate.hosts),
        issuer=certificate.issuer,
        signature=certificate.signature,
        status=certificate.status(datetime.now(UTC)).value,
        bundle_method=certificate.bundle_method.value,
        priority=certificate.priority,
        expires_on=rfc3339(certificate.expires_on),
        uploaded_on=rfc3339(certificate.uploaded_on),
        modified_on=rfc3339(certificate.modified_on),
    )
