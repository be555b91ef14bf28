"""Certificates for tests: authorities, what they issue, and their CRLs.

    root = ca("root")
    issuing = root.intermediate("issuing")
    backend = issuing.issue("backend", dns=["backend.test"])
    bundle = root.pem + issuing.pem + root.crl() + issuing.crl(revoked=[backend])
    context.load_cert_chain(*backend.write(folder))

With EC and Ed25519 keys everything is the same in every run: keys and serial numbers follow from names, dates
from `START`. What has to differ, under one name, takes another `seed`.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME: Final = timedelta(days=3650)

Key: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
KeyKind: TypeAlias = Literal["EC", "Ed25519", "RSA"]
KeyUse: TypeAlias = Literal["digital_signature", "key_encipherment", "key_cert_sign", "crl_sign"]
ExtraExtension: TypeAlias = tuple[x509.ExtensionType, bool]
"""An extension, and whether it is critical."""

_CA_USES: Final[tuple[KeyUse, ...]] = ("key_cert_sign", "crl_sign")
_BACKEND_USES: Final[tuple[KeyUse, ...]] = ("digital_signature",)
_ALL_USES: Final = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True)
class Identity:
    """A key, its certificate, and who issued it (None: itself)."""

    key: Key
    certificate: x509.Certificate
    issuer: "Identity | None" = None

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key in PEM (PKCS #8)."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def chain_pem(self) -> bytes:
        """What a server presents: the certificate and every intermediate, without the root."""
        upper = self.issuer
        return self.pem if upper is None or upper.issuer is None else self.pem + upper.chain_pem

    def issue(
        self,
        name: str,
        *,
        dns: Iterable[str] = (),
        ips: Iterable[str] = (),
        is_ca: bool | None = False,
        uses: Sequence[KeyUse] | None = _BACKEND_USES,
        key: KeyKind = "EC",
        seed: str = "",
        start: datetime = START,
        end: datetime | None = None,
        key_ids: bool = True,
        extensions: Iterable[ExtraExtension] = (),
    ) -> "Identity":
        """Issue a certificate, a backend's unless told otherwise.

        `is_ca` None leaves the basic constraints out, `uses` None the key usage, `key_ids` False the key
        identifiers. `end` is ten years after `start`.
        """
        names: list[x509.GeneralName] = [*map(x509.DNSName, dns)]
        names += [x509.IPAddress(ip_address(ip)) for ip in ips]
        extra = [*extensions, *([(x509.SubjectAlternativeName(names), False)] if names else [])]
        own_key = _key(key, f"{name}/{seed}")
        certificate = _certificate(
            name,
            own_key,
            self,
            is_ca=is_ca,
            uses=uses,
            start=start,
            end=end,
            key_ids=key_ids,
            extensions=extra,
        )
        return Identity(own_key, certificate, self)

    def intermediate(
        self,
        name: str,
        *,
        uses: Sequence[KeyUse] | None = _CA_USES,
        key: KeyKind = "EC",
        seed: str = "",
        start: datetime = START,
        end: datetime | None = None,
        extensions: Iterable[ExtraExtension] = (),
    ) -> "Identity":
        """Issue a CA certificate."""
        return self.issue(
            name, is_ca=True, uses=uses, key=key, seed=seed, start=start, end=end, extensions=extensions
        )

    def crl(
        self,
        *,
        revoked: Iterable["Identity"] = (),
        start: datetime = START,
        end: datetime | None = None,
        signer: "Identity | None" = None,
        extensions: Iterable[ExtraExtension] = (),
    ) -> bytes:
        """Return a CRL in PEM; `end` is ten years after `start`. `signer` signs it in this one's name."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(start)
            .next_update(end or start + LIFETIME)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        for identity in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(identity.certificate.serial_number)
                .revocation_date(start)
                .build()
            )
        key = (signer or self).key
        return builder.sign(key, _digest(key), ecdsa_deterministic=_deterministic(key)).public_bytes(
            Encoding.PEM
        )

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write what a server needs into a folder, made if need be, and return the paths: its chain, its key."""
        folder.mkdir(parents=True, exist_ok=True)
        chain, key = folder / "tls.crt", folder / "tls.key"
        chain.write_bytes(self.chain_pem)
        key.write_bytes(self.key_pem)
        return chain, key


def ca(
    name: str,
    *,
    is_ca: bool | None = True,
    uses: Sequence[KeyUse] | None = _CA_USES,
    key: KeyKind = "EC",
    seed: str = "",
    start: datetime = START,
    end: datetime | None = None,
    key_ids: bool = True,
    extensions: Iterable[ExtraExtension] = (),
) -> Identity:
    """Return a root that signed itself; `Identity.issue` says what the arguments mean."""
    own_key = _key(key, f"{name}/{seed}")
    certificate = _certificate(
        name,
        own_key,
        None,
        is_ca=is_ca,
        uses=uses,
        start=start,
        end=end,
        key_ids=key_ids,
        extensions=extensions,
    )
    return Identity(own_key, certificate)


def block(label: str, der: bytes, *, width: int = 64, newline: bytes = b"\n") -> bytes:
    """Return a PEM block of any label and line width, for what no library would write."""
    text = b64encode(der)
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    name = label.encode()
    return newline.join((b"-----BEGIN %b-----" % name, *lines, b"-----END %b-----" % name, b""))


def _certificate(
    name: str,
    key: Key,
    issuer: Identity | None,
    *,
    is_ca: bool | None,
    uses: Sequence[KeyUse] | None,
    start: datetime,
    end: datetime | None,
    key_ids: bool,
    extensions: Iterable[ExtraExtension],
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(_serial_number(name, key, start, end))
        .not_valid_before(start)
        .not_valid_after(end or start + LIFETIME)
    )
    added: list[ExtraExtension] = []
    if is_ca is not None:
        added.append((x509.BasicConstraints(ca=is_ca, path_length=None), True))
    if uses is not None:
        added.append((x509.KeyUsage(**{use: use in uses for use in _ALL_USES}), True))
    if key_ids:
        added.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
        added.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False))
    for extension, critical in (*added, *extensions):
        builder = builder.add_extension(extension, critical)
    return builder.sign(signing_key, _digest(signing_key), ecdsa_deterministic=_deterministic(signing_key))


def _serial_number(name: str, key: Key, start: datetime, end: datetime | None) -> int:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return int.from_bytes(sha256(public + f"{name} {start} {end}".encode()).digest()[:15]) + 1


def _key(kind: KeyKind, seed: str) -> Key:
    secret = sha256(seed.encode()).digest()
    if kind == "EC":
        return ec.derive_private_key(int.from_bytes(secret) >> 1, ec.SECP256R1())
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(secret)
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _digest(key: Key) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _deterministic(key: Key) -> bool | None:
    return True if isinstance(key, ec.EllipticCurvePrivateKey) else None
