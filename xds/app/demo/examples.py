"""The checkout's `examples/` as the demo plays them: which LoadBalancers there are, and on which ports.

The files are used as they are. When one of their ports is taken, copies are used in which that number, and nothing else, is
another one. This module knows what the examples say, and not what becomes of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from kube.objects import LoadBalancer, decode
from xds.app.demo.ports import LOOPBACK, Ports
from xds.app.errors import UserError
from xds.translate.naming import resource_name

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
"""Where a checkout has them; an installed wheel does not."""

MANIFESTS: Final = "manifests"
BOOTSTRAP: Final = "envoy-bootstrap.yaml"

_NUMBER: Final = re.compile(r"\b\d+\b")
_UNKNOWN: Final = (ValueError, LookupError, TypeError, AttributeError, OSError, yaml.YAMLError)
"""What is raised where a file is missing, or does not hold what is looked for."""


@dataclass(frozen=True, slots=True)
class Example:
    """One LoadBalancer of the examples: Envoy listens on `port` for it, and connects to `backend_port` of its backend.

    `resource` names its cluster, listener and assignment in Envoy; `policy` is spec.upstreamTLS's, empty without one, and `secret` the
    Secret that caSecretRef names, empty without one.
    """

    name: str
    port: int
    backend_port: int
    resource: str
    policy: str
    secret: str

    @property
    def asked(self) -> str:
        """What spec.upstreamTLS says, in a few words."""
        if not self.policy:
            return "no upstreamTLS"
        if self.policy == "Verify" and not self.secret:
            return "Verify, no caSecretRef"
        return f"{self.policy}, Secret {self.secret}" if self.secret else self.policy


@dataclass(frozen=True, slots=True)
class Examples:
    """The files to run on and what they say; `loadbalancers` is keyed by name."""

    manifests: Path
    bootstrap: Path
    tenant: str
    xds_port: int
    admin_port: int
    loadbalancers: Mapping[str, Example]


def prepare(folder: Path, ports: Ports, copies: Path) -> Examples:
    """Read the examples in `folder`; when ports of theirs are taken, choose others and write copies below `copies`.

    What was chosen instead of what is in `ports.replaced`. Raises `UserError` when there are no examples, or none that can be
    played on one machine; `OSError` when there is no free port.
    """
    if not (folder / BOOTSTRAP).is_file() or not (folder / MANIFESTS).is_dir():
        raise UserError(
            f"the demo plays the examples of a checkout, and {folder} has none: run `make demo` in a clone of the repository"
        )
    examples = _read(folder)
    chosen: dict[str, str] = {}
    for purpose, wanted in _purposes(examples):
        choice = ports.choose(purpose, wanted)
        if choice.replaces is not None:
            chosen[str(wanted)] = str(choice.number)
    if not chosen:
        return examples
    _copy(folder, copies, chosen)
    return _read(copies)


def _purposes(examples: Examples) -> Iterator[tuple[str, int]]:
    """Yield what each port in the examples is for."""
    yield "the control plane", examples.xds_port
    yield "Envoy's admin interface", examples.admin_port
    for example in examples.loadbalancers.values():
        yield f"LoadBalancer {example.name}", example.port
        yield f"{example.name}'s backend", example.backend_port


def _copy(folder: Path, copies: Path, chosen: Mapping[str, str]) -> None:
    """Copy the examples with other numbers, comments and all: a port's number stands for nothing else in them."""
    (copies / MANIFESTS).mkdir(parents=True)
    for path in (folder / BOOTSTRAP, *_files(folder / MANIFESTS)):
        text = path.read_text(encoding="utf-8")
        adapted = _NUMBER.sub(lambda number: chosen.get(number[0], number[0]), text)
        (copies / path.relative_to(folder)).write_text(adapted, encoding="utf-8")


def _files(manifests: Path) -> list[Path]:
    return sorted(manifests.glob("*.yaml"))


def _read(folder: Path) -> Examples:
    try:
        bootstrap = yaml.safe_load((folder / BOOTSTRAP).read_text(encoding="utf-8"))
        (control_plane,) = bootstrap["static_resources"]["clusters"]
        (endpoint,) = control_plane["load_assignment"]["endpoints"][0]["lb_endpoints"]
        return Examples(
            manifests=folder / MANIFESTS,
            bootstrap=folder / BOOTSTRAP,
            tenant=bootstrap["node"]["cluster"],
            xds_port=_port(endpoint["endpoint"]),
            admin_port=_port(bootstrap["admin"]),
            loadbalancers={
                lb.metadata.name: _example(_on_loopback(lb)) for lb in _objects(folder / MANIFESTS)
            },
        )
    except _UNKNOWN as error:
        raise _not_as_known(folder, error) from None


def loadbalancers(manifests: Path) -> Mapping[str, Example]:
    """Return the LoadBalancers in a folder of manifests, by name, wherever their backends are. Raises `UserError`."""
    try:
        return {lb.metadata.name: _example(lb) for lb in _objects(manifests)}
    except _UNKNOWN as error:
        raise _not_as_known(manifests, error) from None


def _not_as_known(folder: Path, error: Exception) -> UserError:
    return UserError(
        f"the examples in {folder} are not as the demo knows them ({error!r}): `git checkout` brings them back"
    )


def _port(holder: Mapping[str, Any]) -> int:
    return int(holder["address"]["socket_address"]["port_value"])


def _objects(manifests: Path) -> Iterator[LoadBalancer]:
    """Yield the LoadBalancers in a folder, in the order of its files."""
    for path in _files(manifests):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            match decode(document):
                case LoadBalancer() as lb:
                    yield lb


def _on_loopback(lb: LoadBalancer) -> LoadBalancer:
    (group,) = lb.spec.endpoints
    (address,) = group.addresses
    if address.ip != LOOPBACK:
        raise ValueError(f"{lb.ref} has its endpoint at {address.ip}, not {LOOPBACK}")
    return lb


def _example(lb: LoadBalancer) -> Example:
    (port,), (group,) = lb.spec.ports, lb.spec.endpoints
    (backend,) = group.ports
    tls = lb.spec.upstream_tls
    return Example(
        name=lb.metadata.name,
        port=port.port,
        backend_port=backend.port,
        resource=resource_name(lb.metadata.namespace, lb.metadata.name, 0, backend.port, backend.protocol),
        policy=tls.policy if tls else "",
        secret=tls.ca_secret_ref.name if tls and tls.ca_secret_ref else "",
    )
