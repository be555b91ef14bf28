"""The certificates and Secrets that docker-compose.yml's containers share, as files."""

import base64
import ssl
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from xds.app.demo import parts
from xds.app.demo.backend_files import BackendFiles
from xds.app.demo.examples import EXAMPLES, MANIFESTS, loadbalancers
from xds.app.errors import UserError

TENANT = "tenant-primary"


@pytest.fixture
def files(tmp_path: Path) -> BackendFiles:
    """Return the files of the examples' LoadBalancers in two folders, of which there is nothing yet."""
    (tmp_path / "backends").mkdir()
    return BackendFiles(
        loadbalancers(EXAMPLES / MANIFESTS),
        tenant=TENANT,
        backends=tmp_path / "backends",
        secrets=tmp_path / "secrets",
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file in a folder and below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def shown(folder: Path, name: str) -> x509.Certificate:
    """Return the certificate that a backend shows, whose key has to be in the same file."""
    pem = (folder / "backends" / f"{name}.pem").read_bytes()
    leaf = x509.load_pem_x509_certificate(pem)
    assert load_pem_private_key(pem, None).public_key() == leaf.public_key()
    return leaf


def trusted(folder: Path, secret: str) -> list[x509.Certificate]:
    """Return the authorities in a Secret."""
    document = yaml.safe_load((folder / "secrets" / f"{secret}.yaml").read_text(encoding="utf-8"))
    assert document["metadata"] == {"name": secret, "namespace": TENANT}
    return x509.load_pem_x509_certificates(base64.b64decode(document["data"]["ca.crt"]))


def test_all_is_made_as_the_demo_begins(files: BackendFiles, tmp_path: Path) -> None:
    """Six backends have certificates, four Secrets are there, and the one that comes late is not."""
    files.make()
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == {
        *("backend-ca.yaml", "bundle-with-intermediate.yaml", "unrelated-ca.yaml", "rotating-ca.yaml")
    }
    assert {path.stem for path in (tmp_path / "backends").glob("*.pem")} == {
        *("insecure", "verify", "verify-intermediate", "verify-wrong-ca"),
        *("verify-missing-secret", "verify-rotation"),
    }
    shown(tmp_path, parts.VERIFY).verify_directly_issued_by(trusted(tmp_path, "backend-ca")[0])
    shown(tmp_path, parts.ROTATION).verify_directly_issued_by(trusted(tmp_path, "rotating-ca")[0])
    _, intermediate = trusted(tmp_path, "bundle-with-intermediate")
    shown(tmp_path, parts.INTERMEDIATE).verify_directly_issued_by(intermediate)
    with pytest.raises(ValueError, match="issuer"):
        shown(tmp_path, parts.WRONG_CA).verify_directly_issued_by(trusted(tmp_path, "unrelated-ca")[0])


def test_a_server_takes_each_file_as_certificate_and_key(files: BackendFiles, tmp_path: Path) -> None:
    """OpenSSL loads chain and key from the one file, as nginx does."""
    files.make()
    for file in (tmp_path / "backends").glob("*.pem"):
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(file)


def test_every_file_is_for_its_owner_alone(files: BackendFiles, tmp_path: Path) -> None:
    """Whatever the umask, nobody else reads keys or Secrets."""
    files.make()
    files.renew(parts.ROTATION)
    files.trust(parts.ROTATION)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or path.stat().st_mode & 0o777 == 0o600, path


def test_what_is_there_stays(files: BackendFiles, tmp_path: Path) -> None:
    """A second run, as of a second `docker compose up`, changes no file."""
    files.make()
    before = contents(tmp_path)
    assert files.make() == "kept: every backend has its certificate"
    assert contents(tmp_path) == before


def test_a_renewed_certificate_is_of_an_authority_that_nobody_trusts_yet(
    files: BackendFiles, tmp_path: Path
) -> None:
    """Renewing changes what the backend shows and no Secret; trusting changes the Secret and nothing else, as often as one likes."""
    files.make()
    for _ in range(2):
        before, (old,) = contents(tmp_path / "secrets"), trusted(tmp_path, "rotating-ca")
        files.renew(parts.ROTATION)
        assert contents(tmp_path / "secrets") == before
        with pytest.raises((ValueError, InvalidSignature)):
            shown(tmp_path, parts.ROTATION).verify_directly_issued_by(old)
        backends = contents(tmp_path / "backends")
        files.trust(parts.ROTATION)
        (new,) = trusted(tmp_path, "rotating-ca")
        shown(tmp_path, parts.ROTATION).verify_directly_issued_by(new)
        assert contents(tmp_path / "backends") == backends
        after = contents(tmp_path / "secrets")
        assert {name for name in after if after[name] != before[name]} == {"rotating-ca.yaml"}


def test_the_missing_secret_can_be_made(files: BackendFiles, tmp_path: Path) -> None:
    """Its backend's authority is at hand from the beginning."""
    files.make()
    files.trust(parts.MISSING_SECRET)
    (authority,) = trusted(tmp_path, "late-ca")
    shown(tmp_path, parts.MISSING_SECRET).verify_directly_issued_by(authority)


def test_a_name_that_has_no_secret_is_told_those_that_have(files: BackendFiles) -> None:
    """Neither an unknown LoadBalancer nor one that verifies nothing can be renewed or trusted."""
    files.make()
    for act in (files.renew, files.trust):
        for name in ("insecure", "veryfy"):
            with pytest.raises(
                UserError, match=rf"^'{name}' is no LoadBalancer that names a Secret: .*verify, "
            ):
                act(name)


def test_what_was_not_renewed_cannot_be_trusted(files: BackendFiles) -> None:
    """The error says what comes first."""
    files.make()
    with pytest.raises(
        UserError, match=r"^the backend of verify has no renewed certificate: renew verify first"
    ):
        files.trust(parts.VERIFY)
