"""The server's own TLS: certificate, key and the authorities of its clients, in files that change while it runs.

Every handshake looks whether the files are still the same, before it begins: three ``stat`` calls, 10 µs beside the millisecond
that a handshake costs. So a new certificate is in force for the next client, however the files were replaced (Kubernetes swaps a
symlink), and nothing has to be watched: no inotify handle, of which a node has few, and no event that may get lost. Open
connections stay as they are. gRPC starts afresh with every configuration that it is given, session tickets included (measured
on 1.85), so a client of an authority that is gone cannot resume a session of before.

It knows neither tenants nor streams.
"""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files while nobody connects: what is wrong with them is told at the second look."""
_AT_ONCE: Final = 3
"""How often files that change while they are read are read again at once."""

_Seen: TypeAlias = tuple[tuple[int, ...] | None, ...]


class TlsError(Exception):
    """The files cannot be used as they are; the text names one of them, what is wrong with it and the remedy."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the files hold. The key is in ``configuration``, where Python does not reach it."""

    configuration: Any
    digest: bytes
    subject: str
    expires: datetime


class TlsFiles:
    """Certificate, key and client authorities of a server, each a PEM file.

    ``certificate`` holds the server's certificate and its intermediates, ``key`` its key without a password, ``client_ca`` the
    authorities whose clients are let in. What the files hold at first has to be right; from then on files that are half written,
    or do not fit together, leave in force what was right before.

    Raises ``TlsError``.
    """

    def __init__(self, *, certificate: Path, key: Path, client_ca: Path) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._log = structlog.get_logger("xds.server")
        # gRPC asks in threads of its own.
        self._lock = threading.Lock()
        self._wrong: TlsError | None = None
        self._seen = self._look()
        self._loaded = self._load()
        #: How often the files were found changed: to something usable, and to something that is not.
        self.reloads = 0
        self.failures = 0

    def __repr__(self) -> str:
        return f"<TlsFiles {self._certificate}>"

    @property
    def expires(self) -> datetime:
        """The moment from which on no client accepts the server's certificate."""
        return self._loaded.expires

    @property
    def problem(self) -> str:
        """What is wrong with the files as they are; "" when they are in force."""
        wrong = self._wrong
        return str(wrong) if wrong else ""

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a gRPC server listens with: TLS 1.2 or newer, and no client without a certificate of ``client_ca``."""
        with self._lock:
            told = self._loaded

        def fetch() -> Any:
            """Return the configuration, unless this server has it already. gRPC calls it before each handshake."""
            nonlocal told
            with self._lock:
                self._refresh()
                if told is self._loaded:
                    return None
                told = self._loaded
                return told.configuration

        return grpc.dynamic_ssl_server_credentials(told.configuration, fetch, True)

    async def follow(self) -> None:
        """Look at the files once a second, so that the log tells of a change before the next client comes; runs until cancelled."""
        self._warn_of_end(self._loaded)
        told: TlsError | None = None
        while True:
            before = self._wrong
            await asyncio.sleep(_LOOK_EVERY)
            with self._lock:
                self._refresh()
                wrong = self._wrong
            # What is wrong at first sight is often half written only.
            if wrong is not None and wrong is before and wrong is not told:
                told = wrong
                self._log.error(
                    "TLS files are not taken: what they held before stays in force",
                    error=str(wrong),
                    until=self.expires.isoformat(),
                )

    def _look(self) -> _Seen:
        return tuple(_identity(path) for path in (self._certificate, self._key, self._client_ca))

    def _refresh(self) -> None:
        """Take what the files hold, if they have changed and it is right."""
        seen = self._look()
        if seen == self._seen:
            return
        wrong: TlsError | None = None
        loaded = self._loaded
        for _ in range(_AT_ONCE):
            try:
                loaded, wrong = self._load(), None
            except TlsError as error:
                wrong = error
            before, seen = seen, self._look()
            if seen == before:
                break
        self._seen = seen
        self._wrong = wrong
        if wrong is not None:
            self.failures += 1
        elif loaded.digest != self._loaded.digest:
            self._loaded = loaded
            self.reloads += 1
            self._log.info(
                "TLS files reloaded",
                certificate=loaded.subject,
                client_ca=str(self._client_ca),
                expires=loaded.expires.isoformat(),
            )
            self._warn_of_end(loaded)

    def _warn_of_end(self, loaded: _Loaded) -> None:
        if loaded.expires <= datetime.now(UTC):
            self._log.error(
                f"{self._certificate} holds a certificate that has expired: no Envoy accepts it; put a new one there",
                certificate=loaded.subject,
                expires=loaded.expires.isoformat(),
            )

    def _load(self) -> _Loaded:
        chain_pem, key_pem, ca_pem = map(_read, (self._certificate, self._key, self._client_ca))
        leaf, *_ = _certificates(self._certificate, chain_pem)
        if _public_key(self._key, key_pem) != leaf.public_key():
            raise TlsError(
                f"{self._key} is not the key of the certificate in {self._certificate}: write both anew, from one"
                " issuance"
            )
        _certificates(self._client_ca, ca_pem)
        parts = (chain_pem, key_pem, ca_pem)
        return _Loaded(
            configuration=grpc.ssl_server_certificate_configuration([(key_pem, chain_pem)], ca_pem),
            digest=hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest(),
            subject=leaf.subject.rfc4514_string(),
            expires=leaf.not_valid_after_utc,
        )


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file's content does, or a symlink on the way to it; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(
            f"{path}: {error.strerror or error}: put the file there, readable for this process"
        ) from None


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, every one of them: a parser would pass over one that is cut short."""
    found: list[x509.Certificate] = _understood(
        path,
        lambda: x509.load_pem_x509_certificates(pem),
        "certificate: write it in PEM, from BEGIN to END CERTIFICATE",
    )
    if not len(found) == pem.count(b"-----BEGIN ") == pem.count(b"-----END "):
        raise TlsError(
            f"{path} is cut short, or holds more than certificates: write whole certificates in PEM, and nothing else"
        )
    return found


def _public_key(path: Path, pem: bytes) -> Any:
    key = _understood(
        path,
        lambda: load_pem_private_key(pem, password=None),
        "private key: write it in PEM, without a password",
    )
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TlsError(
            f"{path} holds a key of a kind that gRPC does not take: make one on P-256, or an RSA key"
        )
    return key.public_key()


def _understood(path: Path, parse: Callable[[], Any], wanted: str) -> Any:
    try:
        return parse()
    except (ValueError, TypeError, UnsupportedAlgorithm):  # their texts may quote what they could not read
        raise TlsError(f"{path} holds no usable {wanted}") from None
