"""Names in the fleet's certificates (beside CONFIG). They are never looked up: whoever connects knows
the address already, and asks with these names who is there.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

__all__ = ["BUS_NAME", "CONTROL_NAME", "node_name", "server_of"]

_NODES: Final = ".node.egressway.internal"

CONTROL_NAME: Final = "control.egressway.internal"
"""Every replica of the control plane."""

BUS_NAME: Final = "bus.egressway.internal"
"""Every server of the bus."""


def node_name(server: str) -> str:
    """The name of a server's node, as its peers ask for it."""
    return f"{server}{_NODES}"


def server_of(certificate: x509.Certificate) -> str | None:
    """Whose node a certificate is for; None when it is no node's."""
    names = [name.removesuffix(_NODES) for name in _dns_names(certificate) if name.endswith(_NODES)]
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    # Both must say the same: no reader may take the certificate for another server's.
    if len(names) == 1 and len(common) == 1 and common[0].value == names[0]:
        return names[0]
    return None


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
