"""Certificates for the demo's backends: authorities, chains, self-signed ones.

Made anew at each run, valid for days, kept in memory. This module knows neither backends nor Secrets.
"""

import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from xds.app import certificates
from xds.app.certificates import Identity, leaf_builder, subject

__all__ = ["Authority", "Identity", "self_signed"]


class Authority(certificates.Authority):
    """An authority of backends."""

    def intermediate(self, name: str) -> "Authority":
        """Return a new authority signed by this one."""
        return Authority(name, above=self)

    def issue(self, name: str, *, send_intermediates: bool = True) -> Identity:
        """Return a server's identity for `name` and 127.0.0.1; its chain has the intermediates unless told otherwise."""
        return self.certify(name, names=_names(name), use="server", send_intermediates=send_intermediates)


def self_signed(name: str) -> Identity:
    """Return a server's certificate that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = leaf_builder(name, key, names=_names(name), use="server").issuer_name(subject(name))
    return Identity(name, (builder.sign(key, hashes.SHA256()),), key)


def _names(name: str) -> Sequence[x509.GeneralName]:
    return [x509.DNSName(name), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
