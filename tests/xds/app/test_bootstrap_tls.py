"""The TLS parts of `kubelb-xds bootstrap`: three files, of which Envoy follows the certificates."""

import shlex
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from xds.app.address import target_address
from xds.app.bootstrap import AUTHORITY_FILE, BOOTSTRAP_FILE, CLIENT_FILE, Bootstrap, ClientTls
from xds.app.cli import main
from xds.messages import from_dict, message_class, to_dict

TLS = "envoy.extensions.transport_sockets.tls.v3"
Secret = message_class(f"{TLS}.Secret")
Context = message_class(f"{TLS}.UpstreamTlsContext")
TO = ("bootstrap", "--tenant", "tenant-a", "--xds-address")


def files(xds_address: str = "xds.example:18000", server_name: str = "") -> dict[str, Any]:
    """Return the three files as YAML's objects."""
    tls = ClientTls(
        tls_dir=PurePosixPath("/tls"), config_dir=PurePosixPath("/config"), server_name=server_name
    )
    made = Bootstrap(tenant="tenant-a", node_id="envoy-1", xds_address=target_address(xds_address), tls=tls)
    return {name: yaml.safe_load(text) for name, text in made.files().items()}


def context(*args: str) -> dict[str, Any]:
    """Return the UpstreamTlsContext, which holds no field that Envoy does not know."""
    (cluster,) = files(*args)[BOOTSTRAP_FILE]["static_resources"]["clusters"]
    typed = dict(cluster["transport_socket"]["typed_config"])
    assert typed.pop("@type") == f"type.googleapis.com/{TLS}.UpstreamTlsContext"
    return to_dict(from_dict(Context, typed))


def secret(name: str) -> dict[str, Any]:
    """Return the one secret of a file."""
    (resource,) = files()[name]["resources"]
    typed = dict(resource)
    assert typed.pop("@type") == f"type.googleapis.com/{TLS}.Secret"
    return to_dict(from_dict(Secret, typed))


def test_the_certificate_and_the_authority_come_by_path() -> None:
    """Both come over SDS from a file each, whose folder is watched."""
    common = context()["common_tls_context"]
    (client,) = common["tls_certificate_sds_secret_configs"]
    authority = common["combined_validation_context"]["validation_context_sds_secret_config"]
    for config, name, file in ((client, "client", CLIENT_FILE), (authority, "authority", AUTHORITY_FILE)):
        assert config["name"] == name
        assert config["sds_config"]["path_config_source"] == {
            "path": f"/config/{file}",
            "watched_directory": {"path": "/config"},
        }


def test_the_certificates_folder_is_watched() -> None:
    """Envoy reads certificate, key and authority anew when their folder changes, so that a renewal needs no restart."""
    assert secret(CLIENT_FILE) == {
        "name": "client",
        "tls_certificate": {
            "certificate_chain": {"filename": "/tls/tls.crt"},
            "private_key": {"filename": "/tls/tls.key"},
            "watched_directory": {"path": "/tls"},
        },
    }
    assert secret(AUTHORITY_FILE) == {
        "name": "authority",
        "validation_context": {
            "trusted_ca": {"filename": "/tls/ca.crt"},
            "watched_directory": {"path": "/tls"},
        },
    }


@pytest.mark.parametrize(
    ("arguments", "sni", "san_type", "name"),
    [
        (("xds.example:18000",), "xds.example", "DNS", "xds.example"),
        (("10.0.0.1:18000",), None, "IP_ADDRESS", "10.0.0.1"),
        (("[::1]:18000",), None, "IP_ADDRESS", "::1"),
        (("10.0.0.1:18000", "xds.example"), "xds.example", "DNS", "xds.example"),
    ],
)
def test_the_servers_name_is_verified(
    arguments: tuple[str, ...], sni: str | None, san_type: str, name: str
) -> None:
    """The control plane's certificate has to have the name or the address that Envoy connects to, or the one that is given."""
    found = context(*arguments)
    assert found.get("sni") == sni
    validation = found["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    assert validation["match_typed_subject_alt_names"] == [{"san_type": san_type, "matcher": {"exact": name}}]
    parameters = found["common_tls_context"]["tls_params"]
    assert parameters == {
        "tls_minimum_protocol_version": "TLSv1_2",
        "tls_maximum_protocol_version": "TLSv1_3",
    }


def test_the_command_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--output gets three files with absolute paths, and the first lines of the bootstrap say how they were made."""
    monkeypatch.chdir(tmp_path)
    assert main([*TO, "xds.example:1", "--node-id", "e", "--tls-dir", "tls", "--output", "out"]) == 0
    assert capsys.readouterr().out == "wrote  out: envoy --config-path out/envoy.yaml\n"
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {BOOTSTRAP_FILE, CLIENT_FILE, AUTHORITY_FILE}
    assert str(tmp_path / "tls" / "tls.crt") in (out / CLIENT_FILE).read_text(encoding="utf-8")
    text = (out / BOOTSTRAP_FILE).read_text(encoding="utf-8")
    assert str(out / AUTHORITY_FILE) in text

    again = tmp_path / "again"
    again.mkdir()
    monkeypatch.chdir(again)
    assert main(shlex.split(text.splitlines()[1].removeprefix("#"))[1:]) == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in again.iterdir()} == {
        path.name: path.read_text(encoding="utf-8") for path in out.iterdir()
    }


def test_plaintext_may_be_written_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without TLS --output gets what is printed otherwise, and nothing else."""
    assert main([*TO, "10.0.0.1:1", "--node-id", "e"]) == 0
    printed = capsys.readouterr().out
    assert main([*TO, "10.0.0.1:1", "--node-id", "e", "--output", str(tmp_path / "out")]) == 0
    (file,) = (tmp_path / "out").iterdir()
    assert file.read_text(encoding="utf-8") == printed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tls-dir", "t"), "'--output': with TLS it is three files"),
        (("--server-name", "x"), "'--server-name': it goes with --tls-dir"),
        (("--config-dir", "x", "--output", "o"), "'--config-dir': it goes with --tls-dir"),
        (("--tls-dir", "t", "--output", "o", "--server-name", "x:1"), "without a port"),
    ],
)
def test_options_that_do_not_go_together(
    options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is one line that says what is missing."""
    assert main([*TO, "10.0.0.1:1", *options]) == 2
    assert says in capsys.readouterr().err
