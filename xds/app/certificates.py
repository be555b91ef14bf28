"""Keys and certificates: an authority, what it issues, and how both are written down.

All keys are on P-256: Envoy refuses an RSA leaf whose key usage forbids signing, gRPC takes no Ed25519, and this is what both
take. It knows neither files nor who uses what.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, Self, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Use: TypeAlias = Literal["server", "client"]

DEFAULT_LIFETIME: Final = dt.timedelta(days=90)

_BACKDATED: Final = dt.timedelta(hours=1)
"""How far back a certificate's validity begins, so that clocks that differ a little accept it."""
_USES: Final = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
_LONGEST_COMMON_NAME: Final = 64


@dataclass(frozen=True)
class Identity:
    """What one side of TLS shows and proves: its chain, leaf first, and the leaf's key."""

    name: str
    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @cached_property
    def chain_pem(self) -> bytes:
        """The chain that is sent, leaf first."""
        return b"".join(map(pem_of, self.chain))

    @cached_property
    def key_pem(self) -> bytes:
        """The private key, unencrypted PKCS #8: for its owner's use, never to be printed."""
        return _key_pem(self.key)


class Authority:
    """A certificate authority: a root, or an intermediate below another authority.

    `intermediates` are the certificates between a leaf and the root, the authority's own first; a root has none.
    """

    def __init__(
        self,
        name: str,
        *,
        above: "Authority | None" = None,
        lifetime: dt.timedelta = DEFAULT_LIFETIME,
        now: dt.datetime | None = None,
    ) -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        signer = above or self
        builder = (
            _builder(name, self._key.public_key(), lifetime, now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        )
        self.certificate = signer.sign(builder)
        self.intermediates: tuple[x509.Certificate, ...] = (
            () if above is None else (self.certificate, *above.intermediates)
        )

    @classmethod
    def loaded(cls, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Self:
        """Return the root that was made before."""
        root = cls.__new__(cls)
        (common_name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        root.name = str(common_name.value)
        root.certificate, root.intermediates = certificate, ()
        root._key = key  # noqa: SLF001 — its own
        return root

    def __repr__(self) -> str:
        return f"<Authority {self.name}>"

    @property
    def pem(self) -> bytes:
        """The authority's own certificate: what belongs in `ca.crt`."""
        return pem_of(self.certificate)

    @property
    def key_pem(self) -> bytes:
        """The authority's key, unencrypted PKCS #8: whoever has it can be anybody."""
        return _key_pem(self._key)

    def certify(
        self,
        name: str,
        *,
        names: Sequence[x509.GeneralName],
        use: Use,
        lifetime: dt.timedelta = DEFAULT_LIFETIME,
        now: dt.datetime | None = None,
        send_intermediates: bool = True,
    ) -> Identity:
        """Return a new identity for these names; its chain has the intermediates unless told otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self.sign(leaf_builder(name, key, names=names, use=use, lifetime=lifetime, now=now))
        return Identity(name, (leaf, *self.intermediates) if send_intermediates else (leaf,), key)

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a certificate in this authority's name."""
        key_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.issuer_name(subject(self.name)).add_extension(key_identifier, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def pem_of(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def leaf_builder(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    names: Sequence[x509.GeneralName],
    use: Use,
    lifetime: dt.timedelta = DEFAULT_LIFETIME,
    now: dt.datetime | None = None,
) -> x509.CertificateBuilder:
    """Return a certificate that lacks its issuer and the signature."""
    return (
        _builder(name, key.public_key(), lifetime, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USES[use]]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )


def subject(name: str) -> x509.Name:
    """Return a distinguished name; only its beginning where it is too long for one."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_LONGEST_COMMON_NAME])])


def _builder(
    name: str, public_key: ec.EllipticCurvePublicKey, lifetime: dt.timedelta, now: dt.datetime | None
) -> x509.CertificateBuilder:
    now = now or dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    """Let authorities sign certificates and CRLs, everybody else handshakes; nothing else."""
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
