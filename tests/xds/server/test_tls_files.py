"""What becomes of a server's TLS files when they change: taken if they are right, and kept as they were if not."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tests.support import pki
from tests.support.mtls import Volume, server_of
from xds.app.demo.waiting import poll
from xds.server import TlsError, TlsFiles
from xds.server import tls as tls_module

CA = pki.ca("root")
OTHER_CA = pki.ca("other")
SERVER = server_of(CA)
RENEWED = server_of(CA, seed="renewed")


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """Return a server's files."""
    return Volume(tmp_path / "tls", SERVER, CA)


@asynccontextmanager
async def followed(files: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Any]]:
    """Look at the files every few milliseconds; yields the lines of log."""
    monkeypatch.setattr(tls_module, "_LOOK_EVERY", 0.01)
    with structlog.testing.capture_logs() as lines:
        task = asyncio.create_task(files.follow())
        try:
            yield lines
        finally:
            task.cancel()
            await asyncio.wait((task,))
    if not task.cancelled():
        task.result()


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is true."""

    async def ask() -> bool:
        return bool(condition())

    await poll(ask, bool, within=5, what="a change of the files")


async def test_a_swapped_symlink_is_taken(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """When kubelet swaps the volume, the new certificate is taken, and the log has its name and its end."""
    files = TlsFiles(certificate=volume.certificate, key=volume.key, client_ca=volume.client_ca)
    async with followed(files, monkeypatch) as lines:
        renewed = CA.issue("renewed", ips=["127.0.0.1"], end=datetime(2031, 1, 1, tzinfo=UTC))
        volume.write(renewed, CA)
        await until(lambda: files.reloads)
    (line,) = lines
    assert line == {
        "event": "TLS files reloaded",
        "log_level": "info",
        "certificate": "CN=renewed",
        "client_ca": str(volume.client_ca),
        "expires": "2031-01-01T00:00:00+00:00",
    }
    assert files.expires == datetime(2031, 1, 1, tzinfo=UTC)
    assert (files.failures, files.problem) == (0, "")


async def test_a_pair_that_does_not_fit_changes_nothing(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key of another certificate leaves the last good pair in force; one line of log names both files and the remedy."""
    files = volume.files()
    async with followed(files, monkeypatch) as lines:
        volume.key.resolve().write_bytes(RENEWED.key_pem)
        await until(lambda: lines)
        assert (files.reloads, files.failures, files.expires) == (
            0,
            1,
            SERVER.certificate.not_valid_after_utc,
        )
        assert files.problem == (
            f"{volume.key} is not the key of the certificate in {volume.certificate}: write both anew, from one issuance"
        )
        volume.certificate.resolve().write_bytes(RENEWED.chain_pem)
        await until(lambda: files.reloads)
    wrong, right = lines
    assert (wrong["log_level"], wrong["event"]) == (
        "error",
        "TLS files are not taken: what they held before stays in force",
    )
    assert wrong["error"].startswith(f"{volume.key} is not the key")
    assert right["event"] == "TLS files reloaded"
    assert files.problem == ""


async def test_what_is_half_written_for_a_moment_is_not_told(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is there before its key is no error as long as nobody looks a second time."""
    files = volume.files()
    async with followed(files, monkeypatch) as lines:
        volume.certificate.resolve().write_bytes(RENEWED.chain_pem)
        fetch_now = files._refresh
        fetch_now()  # a client connects at this moment
        assert files.problem
        volume.key.resolve().write_bytes(RENEWED.key_pem)
        await until(lambda: files.reloads)
    assert [line["event"] for line in lines] == ["TLS files reloaded"]


async def test_a_file_that_is_touched_changes_nothing(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal contents are no change: sessions and the log stay as they are."""
    files = volume.files()
    async with followed(files, monkeypatch) as lines:
        volume.write(SERVER, CA)
        os.utime(volume.key)
        volume.write(RENEWED, CA)
        await until(lambda: files.reloads)
    assert len(lines) == files.reloads == 1


WRONG: dict[str, tuple[str, Callable[[], bytes] | None, str]] = {
    "no file": ("certificate", None, "No such file or directory: put the file there"),
    "empty": ("certificate", lambda: b"", "no usable certificate"),
    "a key for a certificate": ("certificate", lambda: SERVER.key_pem, "no usable certificate"),
    "half a chain": ("certificate", lambda: SERVER.pem + CA.pem[:-30], "is cut short"),
    "half a bundle": ("client_ca", lambda: CA.pem + OTHER_CA.pem[:100], "is cut short"),
    "a CRL": ("client_ca", lambda: CA.pem + CA.crl(), "holds more than certificates"),
    "no authority": ("client_ca", lambda: b"\n", "no usable certificate"),
    "no key": ("key", lambda: SERVER.pem, "no usable private key"),
    "half a key": ("key", lambda: SERVER.key_pem[:100], "no usable private key"),
    "a key with a password": (
        "key",
        lambda: SERVER.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        "without a password",
    ),
    "a key of another kind": (
        "key",
        lambda: CA.issue("x", key="Ed25519").key_pem,
        "of a kind that gRPC does not take",
    ),
    "another's key": ("key", lambda: RENEWED.key_pem, "is not the key of the certificate in"),
}


@pytest.mark.parametrize(("field", "content", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_used_is_refused(
    volume: Volume, field: str, content: Callable[[], bytes] | None, says: str
) -> None:
    """At the start each mistake is an error that names the file and the remedy; later it leaves in force what was there."""
    files = volume.files()
    path: Path = getattr(volume, field)
    path.resolve().unlink()
    if content is not None:
        path.resolve().write_bytes(content())
    with pytest.raises(TlsError) as raised:
        volume.files()
    text = str(raised.value)
    assert text.startswith(str(path))
    assert says in text
    files._refresh()
    assert files.problem == text
    assert (files.reloads, files.failures) == (0, 1)
    # A parser's own words may quote what it read.
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


async def test_an_expired_certificate_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that has expired is taken, since none is better, and an error in the log says that nobody accepts it."""
    ended = datetime.now(UTC) - timedelta(days=1)
    old = CA.issue("old", ips=["127.0.0.1"], end=ended)
    async with followed(Volume(tmp_path / "tls", old, CA).files(), monkeypatch) as lines:
        await until(lambda: lines)
    assert lines[0]["log_level"] == "error"
    assert f"{tmp_path}/tls/tls.crt holds a certificate that has expired" in lines[0]["event"]


def test_no_key_is_kept(volume: Volume) -> None:
    """Neither the object nor what it prints holds the key."""
    files = volume.files()
    body = SERVER.key_pem.splitlines()[1].decode()
    assert body not in repr(files)
    assert body not in repr({**vars(files), "loaded": files._loaded})
