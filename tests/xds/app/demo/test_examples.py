"""What the demo reads in the checkout's examples, and what it does about ports that are taken."""

from pathlib import Path
from shutil import copytree

import pytest

from tests.xds.app.demo.machine import MachineWith
from xds.app.demo.examples import BOOTSTRAP, EXAMPLES, MANIFESTS, Example, prepare
from xds.app.demo.parts import cast_parts
from xds.app.errors import UserError


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a folder with examples that a test may change."""
    return Path(copytree(EXAMPLES, tmp_path / "own"))


def _texts(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in (folder / BOOTSTRAP, *sorted((folder / MANIFESTS).rglob("*.yaml")))
    }


def test_the_examples_are_used_as_they_are(tmp_path: Path) -> None:
    """With every port free, the control plane and Envoy run on the checkout's own files."""
    examples = prepare(EXAMPLES, MachineWith(), tmp_path / "copies")
    assert (examples.manifests, examples.bootstrap) == (EXAMPLES / MANIFESTS, EXAMPLES / BOOTSTRAP)
    assert not (tmp_path / "copies").exists()


def test_what_the_examples_say(tmp_path: Path) -> None:
    """A LoadBalancer is known by its ports, its name in Envoy, its policy and its Secret."""
    examples = prepare(EXAMPLES, MachineWith(), tmp_path)
    assert (examples.tenant, examples.xds_port, examples.admin_port) == ("tenant-primary", 18000, 19000)
    assert examples.loadbalancers["verify"] == Example(
        "verify", 20003, 21003, "tenant-primary-verify-ep-0-port-21003-TCP", "Verify", "backend-ca"
    )


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("plain", "no upstreamTLS"),
        ("insecure", "Insecure"),
        ("verify", "Verify, Secret backend-ca"),
        ("verify-without-secret-ref", "Verify, no caSecretRef"),
    ],
)
def test_what_a_loadbalancer_asks_for_is_said_in_a_few_words(name: str, asked: str, tmp_path: Path) -> None:
    """The words are those of the LoadBalancer's own spec.upstreamTLS."""
    assert prepare(EXAMPLES, MachineWith(), tmp_path).loadbalancers[name].asked == asked


def test_every_loadbalancer_of_the_examples_has_a_part(tmp_path: Path) -> None:
    """The demo plays all of the examples, and nothing that is not among them."""
    assert prepare(EXAMPLES, MachineWith(), tmp_path).loadbalancers.keys() == cast_parts().keys()


def test_each_port_is_chosen_once_and_for_a_purpose(tmp_path: Path) -> None:
    """The control plane, Envoy's admin interface, and both sides of every LoadBalancer have a port of their own."""
    ports = MachineWith()
    prepare(EXAMPLES, ports, tmp_path)
    numbers = [choice.number for choice in ports.choices]
    assert len(set(numbers)) == len(numbers) == 20
    assert "LoadBalancer verify" in {choice.purpose for choice in ports.choices}


def test_a_taken_port_is_another_one_in_a_copy_and_nothing_else_is(tmp_path: Path) -> None:
    """Copies have the new number wherever the old one stood, comments included, and are the originals otherwise."""
    ports = MachineWith({18000: 11111, 20003: 12345, 21009: 11109})
    examples = prepare(EXAMPLES, ports, tmp_path / "copies")
    assert examples.manifests == tmp_path / "copies" / MANIFESTS
    assert [choice.replaces for choice in ports.replaced] == [18000, 20003, 21009]
    assert examples.xds_port == 11111
    assert examples.loadbalancers["verify"].port == 12345
    assert examples.loadbalancers["verify-rotation"].backend_port == 11109
    expected = {
        name: text.replace("18000", "11111").replace("20003", "12345").replace("21009", "11109")
        for name, text in _texts(EXAMPLES).items()
    }
    assert _texts(tmp_path / "copies") == expected


def test_two_ports_may_change_places(tmp_path: Path) -> None:
    """A number that is chosen in one place is not taken for the one that it replaces in another."""
    examples = prepare(EXAMPLES, MachineWith({20001: 20002, 20002: 20001}), tmp_path)
    assert [examples.loadbalancers[name].port for name in ("plain", "insecure")] == [20002, 20001]


def test_an_installation_without_examples_says_where_the_demo_runs(tmp_path: Path) -> None:
    """One line tells that the demo needs a checkout."""
    with pytest.raises(
        UserError, match=r"examples of a checkout, and .* has none: run `make demo` in a clone"
    ):
        prepare(tmp_path, MachineWith(), tmp_path / "copies")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (BOOTSTRAP, "admin:", "administrator:"),
        (BOOTSTRAP, "node:", "node: ["),
        (f"{MANIFESTS}/01-plain.yaml", "port: 20001", "port: none"),
        (f"{MANIFESTS}/01-plain.yaml", "ip: 127.0.0.1", "ip: 192.0.2.1"),
        (f"{MANIFESTS}/01-plain.yaml", "kind: LoadBalancer", "kind: Ingress"),
    ],
)
def test_examples_that_were_changed_too_far_say_so(
    file: str, old: str, new: str, own: Path, tmp_path: Path
) -> None:
    """What cannot be played on one machine is told with its folder and a remedy."""
    text = (own / file).read_text(encoding="utf-8")
    assert old in text
    (own / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"the examples in .*own are not as the demo knows them .*git checkout"
    ):
        prepare(own, MachineWith(), tmp_path / "copies")
