"""`egressway certificate`: what a zone's clients are answered with over TLS."""

from pathlib import Path
from typing import Annotated

import typer

from egressway.cli.command import JsonOption, YesOption, command, confirm, noun
from egressway.cli.output import print_details, print_done, print_json, print_table, time_text
from egressway.cli.zone import ZoneArgument
from egressway.client import Client
from egressway.client.objects import Certificate

__all__ = ["mount"]

app = noun("What a zone's clients are answered with over TLS.")
CertificateArgument = Annotated[
    str, typer.Argument(metavar="CERTIFICATE", help="Id, or a hostname it is for.")
]
CertOption = Annotated[
    Path,
    typer.Option("--cert", metavar="FILE", exists=True, dir_okay=False, help="PEM, leaf first."),
]
KeyOption = Annotated[
    Path, typer.Option("--key", metavar="FILE", exists=True, dir_okay=False, help="Its key, PEM.")
]


def mount(root: typer.Typer) -> None:
    """Add the noun to the root command."""
    root.add_typer(app, name="certificate")


@command(app, "list")
def list_certificates(client: Client, zone: ZoneArgument, as_json: JsonOption = False) -> None:
    """List a zone's certificates."""
    certificates = client.certificates.list(client.zones.find(zone).id)
    if as_json:
        return print_json(certificates)
    rows = [
        (
            "\n".join(certificate.hosts),
            certificate.status,
            time_text(certificate.expires_on),
            certificate.issuer,
            certificate.id,
        )
        for certificate in certificates
    ]
    columns = ("Hosts", "Status", "Expires", "Issuer", "Id")
    print_table(columns, rows, "The zone has no certificate yet.")


@command(app, "show")
def show_certificate(
    client: Client,
    zone: ZoneArgument,
    certificate: CertificateArgument,
    as_json: JsonOption = False,
) -> None:
    """Show one certificate."""
    show(client.certificates.find(client.zones.find(zone).id, certificate), as_json)


@command(app, "add")
def add_certificate(
    client: Client,
    zone: ZoneArgument,
    cert: CertOption,
    key: KeyOption,
    as_json: JsonOption = False,
) -> None:
    """Add a certificate with its key."""
    added = client.certificates.create(
        client.zones.find(zone).id, certificate=_pem(cert), private_key=_pem(key)
    )
    show(added, as_json)


@command(app, "replace")
def replace_certificate(
    client: Client,
    *,
    zone: ZoneArgument,
    certificate: CertificateArgument,
    cert: CertOption,
    key: KeyOption,
    as_json: JsonOption = False,
) -> None:
    """Put a new certificate in the place of an old one; no handshake falls between them."""
    zone_id = client.zones.find(zone).id
    found = client.certificates.find(zone_id, certificate)
    replaced = client.certificates.replace(
        zone_id, found.id, certificate=_pem(cert), private_key=_pem(key)
    )
    show(replaced, as_json)


@command(app, "delete")
def delete_certificate(
    client: Client, zone: ZoneArgument, certificate: CertificateArgument, yes: YesOption = False
) -> None:
    """Delete a certificate; clients of its hosts can no longer connect over TLS."""
    zone_id = client.zones.find(zone).id
    found = client.certificates.find(zone_id, certificate)
    hosts = ", ".join(f"`{host}`" for host in found.hosts)
    confirm(f"Delete the certificate for {hosts}?", yes)
    client.certificates.delete(zone_id, found.id)
    print_done(f"Deleted the certificate for {hosts}.")


def show(certificate: Certificate, as_json: bool) -> None:
    """One certificate, as JSON or for people."""
    if as_json:
        return print_json(certificate)
    print_details(
        {
            "Hosts": "\n".join(certificate.hosts),
            "Id": certificate.id,
            "Status": certificate.status,
            "Issuer": certificate.issuer,
            "Signature": certificate.signature,
            "Expires": time_text(certificate.expires_on),
            "Uploaded": time_text(certificate.uploaded_on),
        }
    )


def _pem(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise typer.BadParameter(
            f"`{path}` is not PEM; convert it with `openssl x509` or `openssl pkey` first"
        ) from None
    except OSError as cause:
        raise typer.BadParameter(f"`{path}` cannot be read: {cause.strerror}") from cause
