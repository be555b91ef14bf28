"""The backends' certificates, and the Secrets with the authorities behind them, as files for programs that run elsewhere.

Each backend has one file with its certificate and its key, so that both are replaced at once; it and every other file is for its owner
alone to read. This module knows each LoadBalancer's part in the demo, and not which programs show and which trust what it writes.
"""

from collections.abc import Mapping
from pathlib import Path

from xds.app.demo import manifests, parts
from xds.app.demo.certificates import Authority, Identity
from xds.app.demo.examples import Example
from xds.app.demo.manifests import ManifestFolder
from xds.app.errors import UserError


class BackendFiles:
    """Certificates in the folder `backends`, Secrets' manifests of `tenant` in the folder `secrets`. Its methods return what they did.

    They raise `UserError` for a LoadBalancer that has no such file, `OSError` when a file cannot be written.
    """

    def __init__(
        self, loadbalancers: Mapping[str, Example], *, tenant: str, backends: Path, secrets: Path
    ) -> None:
        self._loadbalancers = loadbalancers
        self._tenant = tenant
        self._backends = backends
        self._secrets = ManifestFolder(secrets)

    def make(self) -> str:
        """Make everything as the demo begins: each backend its certificate, each Secret but the one that is missing. Done once."""
        cast = parts.cast_parts()
        identities = {name: part.identity for name, part in cast.items() if part.identity}
        if all(self._shown(name).exists() for name in identities):
            return "kept: every backend has its certificate"
        for name, identity in identities.items():
            self._show(name, identity)
        for name, part in cast.items():
            if part.ca:
                self._put_ca(name, part.ca)
        self.renew(parts.MISSING_SECRET)  # by an authority that can be trusted later
        return f"wrote the certificates of {len(identities)} backends and the Secrets that they are verified with"

    def renew(self, name: str) -> str:
        """Give a backend a new certificate of a new authority, which nobody trusts yet."""
        self._secret(name)
        authority = Authority(f"New CA of {name}")
        manifests.replace(self._vouching(name), authority.pem)
        self._show(name, authority.issue(name))
        return f"the backend of {name} shows a certificate of a new authority"

    def trust(self, name: str) -> str:
        """Make the Secret that a LoadBalancer names hold the authority of its backend's renewed certificate, and no other."""
        secret = self._secret(name)
        try:
            ca = self._vouching(name).read_bytes()
        except FileNotFoundError:
            raise UserError(f"the backend of {name} has no renewed certificate: renew {name} first") from None
        self._put_ca(name, ca)
        return f"Secret {secret} holds the authority of {name}'s backend"

    def _shown(self, name: str) -> Path:
        return self._backends / f"{name}.pem"

    def _vouching(self, name: str) -> Path:
        return self._backends / f"{name}.ca.crt"

    def _show(self, name: str, identity: Identity) -> None:
        manifests.replace(self._shown(name), identity.chain_pem + identity.key_pem)

    def _put_ca(self, name: str, ca: bytes) -> None:
        secret = self._secret(name)
        self._secrets.put(f"{secret}.yaml", manifests.secret(self._tenant, secret, ca))

    def _secret(self, name: str) -> str:
        """Return the Secret that a LoadBalancer's backend is verified with."""
        example = self._loadbalancers.get(name)
        if example is None or not example.secret:
            known = ", ".join(each.name for each in self._loadbalancers.values() if each.secret)
            raise UserError(f"{name!r} is no LoadBalancer that names a Secret: take one of {known}")
        return example.secret
