"""Custom certificates: what a zone's clients are answered with over TLS."""

from egressway.client.names import pick
from egressway.client.objects import Certificate, Deleted
from egressway.client.transport import Transport

__all__ = ["Certificates"]


class Certificates:
    """`/zones/{zone_id}/custom_certificates`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, zone_id: str) -> list[Certificate]:
        return self._transport.fetch_all(_path(zone_id), Certificate, "list the certificates")

    def get(self, zone_id: str, certificate_id: str) -> Certificate:
        return self._transport.fetch(
            f"{_path(zone_id)}/{certificate_id}",
            Certificate,
            f"read the certificate `{certificate_id}`",
        )

    def find(self, zone_id: str, reference: str) -> Certificate:
        """The certificate of this id, or the only one for this host."""
        return pick(
            reference,
            self.list(zone_id),
            "certificate",
            lambda certificate: certificate.hosts,
            lambda certificate: f"{certificate.id} for {', '.join(certificate.hosts)}",
        )

    def create(self, zone_id: str, *, certificate: str, private_key: str) -> Certificate:
        """Both as PEM; the chain may follow the certificate."""
        body = {"certificate": certificate, "private_key": private_key}
        return self._transport.send(
            "POST", _path(zone_id), Certificate, "add the certificate", body
        )

    def replace(
        self, zone_id: str, certificate_id: str, *, certificate: str, private_key: str
    ) -> Certificate:
        """Put a new certificate in the place of an old one, without a moment without."""
        return self._transport.send(
            "PATCH",
            f"{_path(zone_id)}/{certificate_id}",
            Certificate,
            f"replace the certificate `{certificate_id}`",
            {"certificate": certificate, "private_key": private_key},
        )

    def delete(self, zone_id: str, certificate_id: str) -> Deleted:
        return self._transport.send(
            "DELETE",
            f"{_path(zone_id)}/{certificate_id}",
            Deleted,
            f"delete the certificate `{certificate_id}`",
        )


def _path(zone_id: str) -> str:
    return f"/zones/{zone_id}/custom_certificates"
