"""Certificates for the demo's backends: authorities, chains, self-signed ones.

Made anew at each run, valid for days, kept in memory. All keys are on P-256: Envoy refuses an RSA leaf whose key usage forbids
signing, and elliptic curves avoid that question. This module knows neither backends nor Secrets.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=90)
_BACKDATED = dt.timedelta(hours=1)
"""How far back a certificate's validity begins, so that clocks that differ a little accept it."""


@dataclass(frozen=True)
class Identity:
    """What a TLS server shows and proves: its chain, leaf first, and the leaf's key."""

    name: str
    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @cached_property
    def chain_pem(self) -> bytes:
        """The chain that the server sends, leaf first."""
        return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in self.chain)

    @cached_property
    def key_pem(self) -> bytes:
        """The private key, unencrypted PKCS #8: for a server's own use, never to be printed."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class Authority:
    """A certificate authority: a root, or an intermediate below another authority.

    `intermediates` are the certificates between a leaf and the root, the authority's own first; a root has none.
    """

    def __init__(self, name: str, *, above: "Authority | None" = None) -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        )
        self.certificate = (above or self).sign(builder)
        self.intermediates: tuple[x509.Certificate, ...] = (
            () if above is None else (self.certificate, *above.intermediates)
        )

    def __repr__(self) -> str:
        return f"<Authority {self.name}>"

    @property
    def pem(self) -> bytes:
        """The authority's own certificate: what belongs in `ca.crt`."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def intermediate(self, name: str) -> "Authority":
        """Return a new authority signed by this one."""
        return Authority(name, above=self)

    def issue(self, name: str, *, send_intermediates: bool = True) -> Identity:
        """Return a server's identity for `name` and 127.0.0.1; its chain has the intermediates unless told otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self.sign(_leaf_builder(name, key))
        return Identity(name, (leaf, *self.intermediates) if send_intermediates else (leaf,), key)

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a certificate in this authority's name."""
        key_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.issuer_name(_subject(self.name)).add_extension(key_identifier, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def self_signed(name: str) -> Identity:
    """Return a server's certificate that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Identity(
        name, (_leaf_builder(name, key).issuer_name(_subject(name)).sign(key, hashes.SHA256()),), key
    )


def _builder(name: str, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
    )


def _leaf_builder(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    names = x509.SubjectAlternativeName(
        [x509.DNSName(name), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    )
    return (
        _builder(name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, authority: bool) -> x509.KeyUsage:
    """Let authorities sign certificates and CRLs, servers sign handshakes; nothing else."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
