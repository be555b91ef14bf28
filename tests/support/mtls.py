"""Mutual TLS for tests: who has which certificate, and the files of a server as kubelet mounts and renews them."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import grpc
from cryptography import x509

from tests.kube.sources.manifests import kubelet_writes
from tests.support import pki
from tests.support.pki import Identity
from xds.server import TlsFiles

TRUST_DOMAIN = "test.example"


def names(*, uris: Iterable[str] = (), dns: Iterable[str] = ()) -> pki.ExtraExtension:
    """Return the extension that holds a certificate's names."""
    all_names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, dns)]
    return x509.SubjectAlternativeName(all_names), False


def envoy_of(
    ca: Identity, *tenants: str, start: datetime = pki.START, end: datetime | None = None, seed: str = ""
) -> Identity:
    """Issue the certificate of an Envoy, which names these tenants."""
    uris = [f"spiffe://{TRUST_DOMAIN}/ns/{tenant}/envoy" for tenant in tenants]
    return ca.issue("envoy", extensions=[names(uris=uris)], start=start, end=end, seed=seed)


def server_of(ca: Identity, *, seed: str = "") -> Identity:
    """Issue the certificate of a control plane on this machine."""
    return ca.issue("control-plane", dns=["localhost"], ips=["127.0.0.1"], seed=seed)


def credentials(ca: Identity, envoy: Identity | None) -> grpc.ChannelCredentials:
    """Return what a gRPC client connects with that trusts this authority, and shows this certificate if any."""
    shown = (envoy.key_pem, envoy.chain_pem) if envoy else (None, None)
    return grpc.ssl_channel_credentials(ca.pem, *shown)


class Volume:
    """A server's certificate, key and client authorities in a folder, each time replaced as kubelet does."""

    def __init__(self, path: Path, server: Identity, *client_cas: Identity) -> None:
        path.mkdir()
        self.path = path
        self.certificate, self.key, self.client_ca = (
            path / name for name in ("tls.crt", "tls.key", "ca.crt")
        )
        self._generation = 0
        self.write(server, *client_cas)

    def write(self, server: Identity, *client_cas: Identity) -> None:
        """Replace all three in one rename."""
        self._generation += 1
        files = {
            "tls.crt": server.chain_pem.decode(),
            "tls.key": server.key_pem.decode(),
            "ca.crt": b"".join(ca.pem for ca in client_cas).decode(),
        }
        kubelet_writes(self.path, files, self._generation)

    def files(self) -> TlsFiles:
        """Return them as a server takes them."""
        return TlsFiles(certificate=self.certificate, key=self.key, client_ca=self.client_ca)
