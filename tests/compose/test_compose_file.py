"""docker-compose.yml and Dockerfile as they stand, without an engine: commands, paths, keys, rights."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import typer
import yaml

from tests.support import command
from tests.support.command import ROOT
from xds.app import cli
from xds.app.demo import compose, proof
from xds.app.settings import ServeSettings

FOLDER: Final = ROOT / "examples/compose"
COMPOSE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[Mapping[str, Mapping[str, Any]]] = COMPOSE["services"]
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS: Final = {name for name, service in SERVICES.items() if service["image"].startswith("kubelb-xds")}
USER: Final = "65532:65532"


class Mount(NamedTuple):
    """What a service has at a path: a folder or file of the checkout, which begins with a dot, or a volume."""

    source: str
    target: str
    writable: bool


def mounts(name: str) -> list[Mount]:
    """Return a service's mounts."""
    found = []
    for text in SERVICES[name].get("volumes", ()):
        source, target, *options = text.split(":")
        assert options in ([], ["ro"]), text
        found.append(Mount(source, target, writable=not options))
    return found


def words(name: str) -> list[str]:
    """Return what a service's program is given."""
    return [str(word) for word in SERVICES[name].get("command", ())]


def parse(app: typer.Typer, arguments: list[str]) -> dict[str, Any]:
    """Return the options of a command line as the program's own parser has them. Nothing is run."""
    group: Any = typer.main.get_command(app)
    with group.make_context("program", list(arguments)) as context:
        name, chosen, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        with chosen.make_context(name, rest, parent=context) as parsed:
            return {"command": name, **parsed.params}


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_program_takes_each_command_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command is one of the program's, or of the demo's, with options that it has and all that it needs."""
    for variable, value in SERVICES[name].get("environment", {}).items():
        monkeypatch.setenv(variable, value)
    match SERVICES[name].get("entrypoint"):
        case None:
            assert parse(cli.app, words(name))["command"] in {"serve", "certgen"}
        case ["python", "-m", module]:
            assert module == compose.__name__
            assert parse(compose.app, words(name))["command"] in {"make", "prove", "watch"}
        case other:
            pytest.fail(f"{name} runs {other}")


def test_a_mistake_in_a_command_line_would_be_found() -> None:
    """The parser refuses what the program would refuse."""
    with pytest.raises(typer.TyperException):
        parse(cli.app, ["serve", "--manifest=/manifests"])
    with pytest.raises(typer.TyperException):
        parse(compose.app, ["prove"])


@pytest.mark.process
def test_xds_is_mutual_tls_and_nothing_else() -> None:
    """The control plane serves off loopback with the three files, and the options go together as `serve` wants them."""
    done = command.run(*words("control-plane"), code=command.SETTINGS)
    assert done.returncode == 0, done.stderr
    for fact in (
        "xds_address='0.0.0.0:18000'",
        "tls_cert=PosixPath('/tls/tls.crt')",
        "tls_key=PosixPath('/tls/tls.key')",
        "tls_client_ca=PosixPath('/tls/ca.crt')",
    ):
        assert fact in done.stdout
    assert "insecure-plaintext" not in (ROOT / "docker-compose.yml").read_text(
        encoding="utf-8"
    ).lower().replace("_", "-")


@pytest.mark.parametrize("name", SERVICES)
def test_every_path_of_a_service_is_mounted(name: str) -> None:
    """A path on a command line or in the environment is a mount, or lies in or around one."""
    targets = [Path(mount.target) for mount in mounts(name)]
    given = [
        *words(name),
        *SERVICES[name].get("entrypoint", ()),
        *SERVICES[name].get("environment", {}).values(),
    ]
    paths = [Path(found) for word in given for found in re.findall(r"(?:^|=)(/[\w./-]+)$", word)]
    for path in paths:
        assert any(path.is_relative_to(each) or each.is_relative_to(path) for each in targets), path


def test_what_is_mounted_of_the_checkout_is_there_and_read_only() -> None:
    """Each bind mount names a file or a folder of the checkout, and nobody may write it."""
    for name in SERVICES:
        for mount in mounts(name):
            if mount.source.startswith("."):
                assert (ROOT / mount.source).exists(), mount
                assert not mount.writable, mount


def test_each_key_is_where_it_is_needed_and_nowhere_else() -> None:
    """Who makes keys writes their volumes, one container reads each, and nobody but the maker has the authority's."""
    held: dict[str, dict[str, bool]] = {volume: {} for volume in COMPOSE["volumes"]}
    for name in SERVICES:
        for mount in mounts(name):
            if not mount.source.startswith("."):
                held[mount.source][name] = mount.writable
    assert held == {
        "authority": {"xds-certificates": True},
        "control-plane-tls": {"xds-certificates": True, "control-plane": False},
        "envoy-tls": {"xds-certificates": True, "envoy": False},
        "backend-tls": {"backend-certificates": True, "backend-tls": False},
        "secrets": {"backend-certificates": True, "control-plane": False},
    }


def test_the_image_has_the_folders_whose_owner_the_volumes_take() -> None:
    """A volume that a container writes is mounted where its image has a folder of that user."""
    (made,) = re.findall(r"^RUN install -d -m 0700 -o 65532 -g 65532 (.+)$", DOCKERFILE, re.MULTILINE)
    written = {mount.target for name in SERVICES for mount in mounts(name) if mount.writable}
    assert written == set(made.split())


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_more_rights_than_it_needs(name: str) -> None:
    """No root, no capability, none to be gained, a read-only file system; and ports on loopback only."""
    service = SERVICES[name]
    assert service["user"] == USER
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_who_reaches_whom() -> None:
    """The control plane meets Envoy only, the backends meet Envoy only, and neither network leads outside."""
    networks = {name: set(service.get("networks", ())) for name, service in SERVICES.items()}
    assert networks["control-plane"] == {"xds"}
    assert networks["backend-tls"] == networks["backend-plain"] == {"backends"}
    assert networks["envoy"] == {"xds", "backends", "clients"}
    assert {name for name, each in COMPOSE["networks"].items() if each.get("internal")} == {"xds", "backends"}
    modes = {name: service.get("network_mode") for name, service in SERVICES.items() if not networks[name]}
    assert modes == {
        **dict.fromkeys(("xds-certificates", "backend-certificates"), "none"),
        **dict.fromkeys(("proof", "watch"), "service:envoy"),
    }


def test_a_row_that_fails_fails_the_whole() -> None:
    """Everything starts once what it needs is well, and last of all something that goes on, once the proof has succeeded."""
    conditions = {
        name: {other: each["condition"] for other, each in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert conditions["watch"] == {"proof": "service_completed_successfully"}
    assert conditions["proof"] == {"envoy": "service_healthy"}
    assert set(conditions["envoy"].values()) == {"service_healthy"}
    assert conditions["envoy"].keys() == {"control-plane", "backend-tls", "backend-plain"}
    waited_for = {
        name for each in conditions.values() for name, how in each.items() if how == "service_healthy"
    }
    for name in waited_for - {"control-plane"} | {"watch"}:
        assert SERVICES[name]["healthcheck"]["test"], name  # the control plane's is the image's


@pytest.mark.process
def test_the_envoy_starts_with_what_bootstrap_prints(tmp_path: Path) -> None:
    """The files are those of the command that the first names, which has the paths of the compose file's mounts."""
    line = (FOLDER / "envoy/envoy.yaml").read_text(encoding="utf-8").splitlines()[1]
    arguments = shlex.split(line.removeprefix("#"))
    options = parse(cli.app, arguments[1:])
    assert (arguments[0], options["tenant"], str(options["xds_address"])) == (
        *("kubelb-xds", compose.TENANT, "control-plane:18000"),
    )
    targets = {mount.source: mount.target for mount in mounts("envoy")}
    assert str(options["tls_dir"]) == targets["envoy-tls"]
    assert str(options["config_dir"]) == targets["./examples/compose/envoy"]
    assert options["admin_port"] == compose.ADMIN_PORT
    assert f"/dev/tcp/127.0.0.1/{compose.ADMIN_PORT}" in " ".join(SERVICES["envoy"]["healthcheck"]["test"])
    done = command.run(*arguments[1:-2], "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    printed = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert printed == {path.name: path.read_text(encoding="utf-8") for path in (FOLDER / "envoy").iterdir()}


def test_certgen_makes_what_is_asked_for() -> None:
    """The server's certificate has the name by which Envoy reaches it, and the tenant's is the Envoy's."""
    options = parse(cli.app, words("xds-certificates"))
    assert options["server_names"] == ["control-plane"]
    assert "control-plane" in SERVICES
    assert options["tenants"] == [compose.TENANT]
    targets = {mount.source: mount.target for mount in mounts("xds-certificates")}
    assert targets["envoy-tls"] == f"{options['directory']}/tenants/{compose.TENANT}"


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects in a folder."""
    for path in sorted(folder.glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def test_the_loadbalancers_are_those_of_the_examples() -> None:
    """But for where their backends are, and for the file, which has their name."""
    ours = {thing["metadata"]["name"]: thing for thing in documents(FOLDER / "manifests")}
    theirs = {thing["metadata"]["name"]: thing for thing in documents(ROOT / "examples/manifests")}
    backends = {name for name, thing in ours.items() if thing["kind"] == "Addresses"}
    assert ours.keys() - backends == theirs.keys() == {each.loadbalancer for each in proof.EXPECTED}
    for name, thing in theirs.items():
        (group,) = ours[name]["spec"]["endpoints"]
        assert group.pop("addressesReference")["name"] in backends
        assert thing["spec"]["endpoints"][0].pop("addresses")
        assert ours[name] == thing
        assert (FOLDER / f"manifests/{name}.yaml").exists()
    for name in backends:
        assert ours[name]["spec"]["addresses"] == [{"hostname": name}]
        assert name in SERVICES


def test_nginx_serves_each_backend_where_its_loadbalancer_looks_for_it() -> None:
    """Every LoadBalancer's port is one that its backend listens on, under the LoadBalancer's name."""
    for thing in documents(FOLDER / "manifests"):
        if thing["kind"] == "LoadBalancer":
            (group,) = thing["spec"]["endpoints"]
            text = (FOLDER / f"{group['addressesReference']['name']}.conf").read_text(encoding="utf-8")
            ports = dict(re.findall(r"^ +(\d{5}) ([a-z-]+);$", text, re.MULTILINE))
            (port,) = group["ports"]
            assert ports[str(port["port"])] == thing["metadata"]["name"]
            assert re.search(rf"listen {port['port']}\b", text)


def test_published_ports_are_those_of_the_loadbalancers() -> None:
    """Clients on this machine reach every LoadBalancer, and nothing else."""
    listening = {
        thing["spec"]["ports"][0]["port"]
        for thing in documents(FOLDER / "manifests")
        if thing["kind"] == "LoadBalancer"
    }
    assert listening == set(range(20001, 20010))
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published == ["127.0.0.1:${DEMO_PORTS:-20001-20009}:20001-20009"]


def test_the_image_is_built_in_stages_and_runs_as_nobody() -> None:
    """One base image is named; what is built in one stage runs in another, and the last one is the program's, without the demo's folders."""
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", DOCKERFILE, re.MULTILINE)
    names = {name for _, name in stages if name}
    assert [image for image, _ in stages if image not in names] == ["python:3.13-slim"]
    assert stages[-1] == ("runtime", "")
    runtime = DOCKERFILE.partition(" AS runtime\n")[2].partition("\nFROM ")[0]
    assert f"\nUSER {USER}\n" in runtime
    assert "HEALTHCHECK " in runtime
    assert SERVICES["control-plane"]["build"] == "."
    (health,) = re.findall(r"^HEALTHCHECK .*CMD (\[.+\])$", runtime, re.MULTILINE)
    host, port = ServeSettings().ops_address.split(":")
    assert f"h.HTTPConnection('{host}', {port}" in json.loads(health)[2]
    assert "/readyz" in health


def test_only_what_is_pinned_is_installed() -> None:
    """Pip installs from the two requirements files by hash, and the program without its dependencies and without an index."""
    installs = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&\n]+", DOCKERFILE)
    assert len(installs) == 4
    for each in installs:
        assert "--require-hashes --requirement requirements" in each or "--no-deps" in each, each


def test_the_build_gets_what_it_copies_and_nothing_else() -> None:
    """.dockerignore lets in what the Dockerfile copies: no checkout's leftovers, no keys."""
    ignored, *allowed = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    copied = {
        source.rstrip("/")
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in sources.split()
    }
    assert ignored == "*"
    assert {line.removeprefix("!") for line in allowed if line.startswith("!")} == copied
    assert all((ROOT / each).exists() for each in copied)
