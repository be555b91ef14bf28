"""What has to be made: pure of files and clusters, from what is there, what is wanted and the time.

There are an authority and, below it, the server's certificate and each tenant's. What is good stays. An authority is replaced
without a moment in which one side shows what the other does not trust yet: the new one is made and trusted long before the old
one ends, and signs from a day after that, when whoever mounts the certificates has it too (kubelet takes a minute or two).
"""

import datetime as dt
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from xds.app.certificates import Authority, Use
from xds.app.errors import UserError

Contents: TypeAlias = Mapping[str, bytes]
"""What an entry holds, by file name: `ca.crt` and `ca.key`, or `tls.crt`, `tls.key` and `ca.crt`."""

CA: Final = "ca"
SERVER: Final = "server"
"""The names of two entries; `tenant_entry` names the others."""

_SETTLED: Final = dt.timedelta(days=1)
_DUE: Final = 1 / 3
"""The part of its life with which a certificate is replaced, as cert-manager does."""
_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What certificates are to be like.

    ``server_names`` are host names and IP addresses by which Envoys reach the control plane, ``trust_domain`` that of the
    tenants' URI SANs.
    """

    server_names: tuple[str, ...]
    trust_domain: str = "cluster.local"
    lifetime: dt.timedelta = dt.timedelta(days=90)
    ca_lifetime: dt.timedelta = dt.timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Made:
    """An entry as it is to be. ``why`` is "" where it is so already."""

    contents: Contents
    expires: dt.datetime
    why: str

    def __repr__(self) -> str:
        return f"<Made until {self.expires.isoformat()}: {self.why or 'kept'}>"


def tenant_entry(tenants: Sequence[str]) -> str:
    """Return the name of the entry with the certificate of these tenants."""
    return f"tenants/{','.join(tenants)}"


class Certificates:
    """The authorities that are there and those that are due. ``contents`` is the entry ``ca`` as it was found, or None.

    ``force`` makes a new authority and trusts no other, which ends everything that was issued before; ``rotate`` makes
    a new one, too, and trusts it beside the others, as if the newest were due.

    Raises ``UserError`` for an entry that cannot be read.
    """

    def __init__(
        self,
        wanted: Wanted,
        contents: Contents | None,
        *,
        now: dt.datetime,
        force: bool = False,
        rotate: bool = False,
    ) -> None:
        self._wanted, self._now, self._force = wanted, now, force
        # The newest first; those that have ended are of no use to anybody.
        valid = (
            [] if force or contents is None else [each for each in _loaded(contents, now) if _end(each) > now]
        )
        self._why = ""
        if not valid:
            self._why = "forced" if force else "missing" if contents is None else "expired"
        elif rotate:
            self._why = "rotated"
        elif self._due(valid[0].certificate):
            self._why = f"the authority before ends {_end(valid[0]):%Y-%m-%d}"
        if self._why:
            name = f"kubelb-xds {now:%Y-%m-%dT%H:%M:%SZ}"
            valid.insert(0, Authority(name, lifetime=wanted.ca_lifetime, now=now))
        self._authorities = valid
        settled = (each for each in valid if _signs_from(each.certificate) <= now)
        self._signer = next(settled, valid[-1])
        self._trusted = b"".join(each.pem for each in valid)

    @property
    def ca(self) -> Made:
        """The entry of the authorities."""
        keys = b"".join(each.key_pem for each in self._authorities)
        expires = _end(self._authorities[0])
        return Made({"ca.crt": self._trusted, "ca.key": keys}, expires, self._why)

    def server(self, contents: Contents | None) -> Made:
        """Return the server's entry, from the one that was found."""
        return self._leaf("kubelb-xds", list(map(_host, self._wanted.server_names)), "server", contents)

    def tenant(self, tenants: Sequence[str], contents: Contents | None) -> Made:
        """Return the entry of an Envoy of these tenants, one or several, from the one that was found."""
        uris = [f"spiffe://{self._wanted.trust_domain}/ns/{tenant}/envoy" for tenant in tenants]
        names: list[x509.GeneralName] = [*map(x509.UniformResourceIdentifier, uris)]
        return self._leaf(f"Envoy of {','.join(tenants)}", names, "client", contents)

    def _leaf(self, name: str, names: list[x509.GeneralName], use: Use, contents: Contents | None) -> Made:
        why = self._why_anew(names, contents)
        if not why and contents is not None:
            expires = _certificate(contents).not_valid_after_utc
            if contents["ca.crt"] == self._trusted:
                return Made(contents, expires, "")
            return Made({**contents, "ca.crt": self._trusted}, expires, "trusts other authorities")
        lifetime = min(self._wanted.lifetime, _end(self._signer) - self._now)
        identity = self._signer.certify(name, names=names, use=use, lifetime=lifetime, now=self._now)
        made = {"tls.crt": identity.chain_pem, "tls.key": identity.key_pem, "ca.crt": self._trusted}
        return Made(made, identity.chain[0].not_valid_after_utc, why)

    def _why_anew(self, names: list[x509.GeneralName], contents: Contents | None) -> str:
        """Return why a leaf has to be made, "" where the one that was found does."""
        if contents is None or self._force:
            return "forced" if self._force else "missing"
        try:
            leaf, named = _leaf_and_names(contents)
        except (ValueError, TypeError, LookupError, x509.ExtensionNotFound):
            return "unreadable"
        if named != set(names):
            return "other names"
        if self._due(leaf):
            return f"the one before ends {leaf.not_valid_after_utc:%Y-%m-%d}"
        return "" if _issued(leaf, self._signer) else "another authority signs now"

    def _due(self, certificate: x509.Certificate) -> bool:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return end - self._now <= (end - begin) * _DUE


def _loaded(contents: Contents, now: dt.datetime) -> list[Authority]:
    try:
        certificates = x509.load_pem_x509_certificates(contents["ca.crt"])
        keys = _PRIVATE_KEY.findall(contents["ca.key"])
        if keys and len(certificates) == len(keys) + 1 and _signs_from(certificates[0]) > now:
            # A run was killed between the two files. It had signed nothing yet: another one takes its place.
            del certificates[0]
        return [_authority(*pair) for pair in zip(certificates, keys, strict=True)]
    except (ValueError, TypeError, LookupError):
        raise UserError(
            "ca.crt and ca.key of the authority are not what certgen wrote: put them back from a backup, or make everything"
            " anew with --force, which ends all that was issued before"
        ) from None


def _authority(certificate: x509.Certificate, key_pem: bytes) -> Authority:
    key = load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("not the authority's key")
    return Authority.loaded(certificate, key)


def _leaf_and_names(contents: Contents) -> tuple[x509.Certificate, set[x509.GeneralName]]:
    """Return a leaf and its names. Raises ValueError, TypeError, LookupError or ExtensionNotFound for what is no whole entry."""
    leaf = _certificate(contents)
    if (
        load_pem_private_key(contents["tls.key"], None).public_key() != leaf.public_key()
        or not contents["ca.crt"]
    ):
        raise ValueError("not the certificate's key")
    return leaf, set(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _certificate(contents: Contents) -> x509.Certificate:
    return x509.load_pem_x509_certificate(contents["tls.crt"])


def _issued(leaf: x509.Certificate, authority: Authority) -> bool:
    try:
        leaf.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _signs_from(authority: x509.Certificate) -> dt.datetime:
    return authority.not_valid_before_utc + _SETTLED


def _end(authority: Authority) -> dt.datetime:
    return authority.certificate.not_valid_after_utc


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
