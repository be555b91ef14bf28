"""Which source the settings name, and what it costs those who name the other."""

from pathlib import Path

import pytest

from kube.client import Access
from kube.informer.store import Store
from kube.sources.cluster import Scope
from tests.support.command import ROOT, SETTINGS, run
from xds.app.control_plane import references
from xds.app.errors import UserError
from xds.app.settings import ServeSettings
from xds.app.source import Cluster, Folders, source_of

LOADED = """
import asyncio, sys
from pathlib import Path
from xds.app.serve import ControlPlane
from xds.app.settings import ServeSettings

async def build():
    ControlPlane(ServeSettings(manifests=(Path(sys.argv[1]),)))

asyncio.run(build())
print("kubernetes" in sys.modules)
"""
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: there
contexts: [{name: there, context: {cluster: there, user: me}}]
clusters: [{name: there, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: t}}]
"""


@pytest.fixture
def store() -> Store:
    """Return an empty store."""
    return Store(references=references)


async def test_folders(store: Store, tmp_path: Path) -> None:
    """Without --kubernetes the objects come from the folders, and the store waits for these."""
    source = source_of(ServeSettings(manifests=(tmp_path,)), store)
    assert isinstance(source, Folders)
    assert store.unsynced == {"manifests"}
    assert (source.described, source.informers) == ({"manifests": [str(tmp_path)]}, ())


async def test_a_cluster(store: Store) -> None:
    """With --kubernetes they come from the API that kubeconfig and context lead to, in the namespaces that are named."""
    settings = ServeSettings(
        kubernetes=True, kubeconfig=Path("k"), context="c", namespaces=("tenant-a", "tenant-b")
    )
    source = source_of(settings, store)
    assert isinstance(source, Cluster)
    assert source._api._access == Access(kubeconfig=Path("k"), context="c")
    assert source._source._scope == Scope(namespaces=("tenant-a", "tenant-b"))
    assert store.unsynced == {informer.name for informer in source.informers}
    assert "Secret in tenant-b" in store.unsynced


async def test_a_cluster_is_told_with_its_address(store: Store, tmp_path: Path) -> None:
    """Once it is open, its log line has the API server, the selector and that it only reads; the server is not asked for that."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG, encoding="utf-8")
    settings = ServeSettings(
        kubernetes=True, kubeconfig=kubeconfig, namespace_selector="team=edge", read_only=True
    )
    source = source_of(settings, store)
    await source.open()
    assert source.described == {
        "kubernetes": "https://127.0.0.1:1",
        "read_only": True,
        "namespace_selector": "team=edge",
    }
    await source.close()


async def test_credentials_that_cannot_be_used(store: Store, tmp_path: Path) -> None:
    """A kubeconfig that is not there is for the user to put right."""
    source = source_of(ServeSettings(kubernetes=True, kubeconfig=tmp_path / "none"), store)
    with pytest.raises(UserError, match="none"):
        await source.open()


def test_credentials_that_cannot_be_used_are_one_line(tmp_path: Path) -> None:
    """They end the start with exit code 2 and one line that names the file."""
    missing = str(tmp_path / "none")
    done = run("serve", "--kubernetes", "--kubeconfig", missing, "--xds-address", "127.0.0.1:0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"kubelb-xds: {missing}: ")
    assert done.stderr.count("\n") == 1


def test_options_become_settings() -> None:
    """Every option about the cluster reaches the settings, a namespace that is named twice once."""
    namespaces = [word for name in ("a", "b", "a") for word in ("--namespace", name)]
    done = run("serve", "--kubernetes", "--kubeconfig", "k", "--context", "c", *namespaces, code=SETTINGS)
    assert "kubernetes=True, kubeconfig=PosixPath('k'), context='c', namespaces=('a', 'b')" in done.stdout


def test_variables_become_settings() -> None:
    """So does every variable; namespaces have spaces between them."""
    variables = {
        "KUBELB_XDS_KUBERNETES": "true",
        "KUBELB_XDS_KUBECONFIG": "k",
        "KUBELB_XDS_CONTEXT": "c",
        "KUBELB_XDS_OPS_ADDRESS": "off",
    }
    done = run("serve", code=SETTINGS, KUBELB_XDS_NAMESPACES="a b", **variables)
    assert "kubernetes=True, kubeconfig=PosixPath('k'), context='c', namespaces=('a', 'b')" in done.stdout
    assert "ops_address='off'" in done.stdout
    done = run("serve", code=SETTINGS, KUBELB_XDS_NAMESPACE_SELECTOR="team in (a, b)", **variables)
    assert "namespace_selector='team in (a, b)'" in done.stdout


def test_folders_load_no_kubernetes() -> None:
    """Whoever serves folders does not wait for the Kubernetes client to be imported."""
    assert run(str(ROOT / "examples" / "manifests"), code=LOADED).stdout == "False\n"
