from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kube.client import Access, AccessError, KubeApi
from tests.kube.client.servers import data, document, write
from tests.support.pki import ca

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "https://10.0.0.1:6443"
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x"}
ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
ME = ca("me")
OTHER = ca("other")


async def complaint(access: Access) -> str:
    """Return why credentials cannot be used."""
    with pytest.raises(AccessError) as caught:
        await KubeApi(access).__aenter__()
    text = str(caught.value)
    assert "\n" not in text
    assert "SECRET" not in text
    return text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "FILE: is empty: give a kubeconfig"),
        ("[]", "FILE: holds a list, not fields: give a kubeconfig"),
        ("token: SECRET\na: [", "FILE: is no YAML in line 2: "),
        ("a: \x00", "FILE: is no YAML: give a kubeconfig"),
        ("[" * 2_000, "FILE: is no YAML"),
        ("{}", "FILE: current-context: is not set: name a context"),
        ("current-context: 1", "FILE: kubeconfig.current-context: is a number, not a text: put it in quotes"),
        ("current-context: a", "FILE: current-context: 'a' is not among contexts: take one of: none"),
        ("current-context: a\ncontexts: {}", "FILE: current-context: 'a' is not among contexts"),
        ("current-context: a\ncontexts: a", "FILE: contexts: is a text: write a list"),
        (
            "current-context: a\ncontexts: [{token: SECRET}]",
            "FILE: contexts[0].name: is missing or no text: name it",
        ),
        (
            "current-context: a\ncontexts: [{name: a}]",
            "FILE: contexts[a].cluster: is not set: name one of clusters",
        ),
        ("current-context: a\ncontexts: [{name: a, context: 1}]", "FILE: contexts[a].context: is a number"),
        (
            "current-context: a\ncontexts: [{name: a, context: {}}, {name: a, context: {}}]",
            "FILE: contexts: 'a' is there 2 times: remove one",
        ),
    ],
)
async def test_what_is_no_kubeconfig(content: str, expected: str, tmp_path: Path) -> None:
    """A file that is no kubeconfig is said to be none, with what is wrong."""
    path = tmp_path / "config"
    path.write_text(content)
    assert (await complaint(Access(path))).startswith(expected.replace("FILE", str(path)))


@pytest.mark.parametrize(
    ("cluster", "user", "expected"),
    [
        (
            {"server": None},
            {},
            "clusters[a].server: nothing is no URL of http or https: write https://HOST:PORT",
        ),
        ({"server": "10.0.0.1"}, {}, "clusters[a].server: 10.0.0.1 is no URL"),
        ({"server": "https://a:b"}, {}, "clusters[a].server: https://a:b is no URL"),
        (
            {"server": "https://u:SECRET@h"},
            {},
            "clusters[a].server: holds more than a host, a port and a path",
        ),
        ({"proxy-url": "socks5://h"}, {}, "clusters[a].proxy-url: socks5://h is no URL of http or https"),
        (
            {"insecure-skip-tls-verify": "false"},
            {},
            "clusters[a].insecure-skip-tls-verify: is a text: write true or",
        ),
        ({"certificate-authority-data": "?"}, {}, "clusters[a].certificate-authority-data: is no base64"),
        (
            {"certificate-authority": "no"},
            {},
            "clusters[a].certificate-authority: DIR/no: No such file or directory",
        ),
        (
            {"certificate-authority-data": "YQ=="},
            {},
            "clusters[a].certificate-authority: holds no usable certificate",
        ),
        ({}, {"token": 1}, "users[a].token: is a number, not a text: put it in quotes"),
        (
            {},
            {"token": "SECRET\nb"},
            "users[a].token: holds characters that no token has: copy it again, in one line",
        ),
        ({}, {"tokenFile": "no"}, "users[a].tokenFile: DIR/no: No such file or directory: correct the path"),
        ({}, {"tokenFile": "empty"}, "users[a].tokenFile: DIR/empty: is empty: put a token into it"),
        (
            {},
            {"auth-provider": {"name": "oidc"}},
            "users[a].auth-provider: is not supported: use an exec plugin",
        ),
        ({}, {"as": "somebody"}, "users[a].as: is not supported: "),
        ({}, {"client-certificate-data": data(ME.pem)}, "users[a].client-key: is missing"),
        ({}, {"client-key-data": data(ME.key_pem)}, "users[a].client-certificate: is missing"),
        (
            {},
            {"client-certificate-data": data(ME.pem), "client-key-data": data(OTHER.key_pem)},
            "users[a].client-certificate: and client-key cannot be used (key values mismatch)",
        ),
        (
            {},
            {"client-certificate-data": data(ME.pem), "client-key-data": data(ENCRYPTED)},
            "users[a].client-key: is encrypted",
        ),
        ({}, {"exec": "x"}, "users[a].exec: is a text: write fields"),
        ({}, {"exec": PLUGIN | {"command": ""}}, "users[a].exec.command: is not set"),
        (
            {},
            {"exec": PLUGIN | {"apiVersion": "v1"}},
            "users[a].exec.apiVersion: is v1: write client.authentication",
        ),
        ({}, {"exec": PLUGIN | {"args": [1]}}, "users[a].exec.args: is no list of texts"),
        ({}, {"exec": PLUGIN | {"env": [{"name": "a"}]}}, "users[a].exec.env: is no list of name and value"),
    ],
)
async def test_a_field_that_cannot_be_used(
    cluster: dict[str, Any], user: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    """A field that cannot be used is named with its file, what is wrong with it, and the remedy."""
    (tmp_path / "empty").touch()
    access = write(tmp_path / "config", document(SERVER, user, cluster))
    wanted = f"{access.kubeconfig}: {expected.replace('DIR', str(tmp_path))}"
    assert (await complaint(access)).startswith(wanted)


async def test_a_name_that_leads_nowhere(tmp_path: Path) -> None:
    """A context, cluster or user that is not there is told with the names that are."""
    content = document(SERVER)
    access = write(tmp_path / "config", content)
    path = access.kubeconfig
    assert await complaint(Access(path, "b")) == f"{path}: context: 'b' is not among contexts: take one of: a"
    content["contexts"][0]["context"]["user"] = "b"
    write(tmp_path / "config", content)
    assert await complaint(access) == f"{path}: contexts[a].user: 'b' is not among users: take one of: a"


async def test_files_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file is named, whichever way it was asked for."""
    for access in (Access(tmp_path / "a"), Access()):
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "a"))
        assert (await complaint(access)).startswith(f"{tmp_path}/a: no such file: ")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/a:{tmp_path}/b")
    assert (await complaint(Access())).startswith(f"{tmp_path}/a, {tmp_path}/b: no such file: ")
    assert (
        await complaint(Access(tmp_path))
    ) == f"{tmp_path}: cannot be read: Is a directory: correct its permissions"
