"""Sets the tutorial up: two API servers, deploy/ applied to them, and what it deploys as processes on this machine.

The programs are the commands that the Deployments of deploy/ run, with the tokens of the ServiceAccounts there and no further right. Nothing
outlives the stage. It does not know the steps.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from tests.support.command import MAIN, ROOT, environment
from tests.support.kube_api import ApiServer
from tests.support.program import Program
from tests.tutorial.played import EXTERNAL_IP, Nodes, cloud, register
from tests.tutorial.shell import BOUND, Shell, Typed
from xds.app.address import HostPort
from xds.app.bootstrap import Bootstrap
from xds.app.demo.backends import Backend
from xds.app.demo.envoy import Envoy
from xds.app.demo.evidence import Exchange, exchanged
from xds.app.demo.ports import LOOPBACK, Ports
from xds.app.demo.waiting import NotSeenError, poll

HOME: Final = "tenant-primary"
"""The tenant's namespace in the management cluster."""
SERVICE: Final = "my-tls-backend"
CONTROL_PLANE_LOG: Final = "control-plane.log"
"""What the reference calls the manager log."""
CCM_LOG: Final = "ccm.log"

COMMANDS: Final[Mapping[str, str]] = {"serve": MAIN, "ccm": MAIN}
"""The Python code of both programs."""


class SetUpError(RuntimeError):
    """deploy/ could not be applied; the text is kubectl's."""


@dataclass(slots=True)
class Stage:
    """Everything that runs. `port` is Envoy's for the tutorial's Service, once `connect` knows it; `folder` has all files.

    `set_up` are the commands that were typed already.
    """

    folder: Path
    servers: tuple[ApiServer, ApiServer]
    tenant: Shell
    management: Shell
    backend: Backend
    nodes: Nodes
    envoy: Envoy
    set_up: list[Typed] = field(default_factory=list)
    port: int = 0

    async def connect(self) -> None:
        """Learn on which port Envoy listens for the Service. Raises NotSeenError where none is recorded."""
        port = await self.management.shows(
            f"kubectl -n {HOME} get lb -o jsonpath='{{.items[0].status.service.ports[0].targetPort}}'",
            r"^\d+$",
        )
        if not port.holds:
            raise NotSeenError(f"no listener port is recorded: {port.printed}")
        self.port = int(port.printed)

    async def exchange(self) -> Exchange:
        """Send a line through Envoy, as the cloud would from port 443. Raises NotSeenError when nothing listens there."""
        return await exchanged(self.envoy, self.backend, self.port, host=EXTERNAL_IP)

    async def exchange_until(self, holds: Callable[[Exchange], bool]) -> Exchange:
        """Send lines until something holds of one; return the last one, whatever came of it. Raises what `exchange` does."""
        seen: list[Exchange] = []

        async def probe() -> Exchange:
            seen.append(await self.exchange())
            return seen[-1]

        with suppress(NotSeenError):
            await poll(probe, holds, within=BOUND, what="an exchange", every=0.1)
        return seen[-1]


@asynccontextmanager
async def on_stage(
    programs: Path, folder: Path, backend: Backend, commands: Mapping[str, str] = COMMANDS
) -> AsyncIterator[Stage]:
    """Run everything until the block ends; `folder` takes all files. The backend runs already.

    Raises StartError, SetUpError, EnvoyMissingError, EnvoyExitedError or NotSeenError when something does not start.
    """
    for name in ("deploy", "examples"):
        (folder / name).symlink_to(ROOT / name)
    async with AsyncExitStack() as stack:
        ports = Ports()
        tenant_server, management_server = await _servers(stack, programs, folder, ports)
        tenant, management = (
            Shell(side, folder, programs, server.kubeconfig(folder, name=f"{side}.conf"))
            for side, server in (("tenant", tenant_server), ("management", management_server))
        )
        async with tenant_server.client() as client:
            await register(client)
        typed = await _deployed(tenant, management)
        await stack.enter_async_context(cloud(management_server, HOME))
        xds = HostPort(LOOPBACK, ports.choose("the control plane").number)
        serve = await _serve(folder, management_server, xds, commands["serve"], stack)
        ccm = await _ccm(folder, tenant_server, management_server, commands["ccm"], stack)
        bootstrap = folder / "envoy.yaml"
        bootstrap.write_text(Bootstrap(tenant=HOME, xds_address=xds, node_id=f"{HOME}-envoy").yaml())
        envoy = await stack.enter_async_context(Envoy(bootstrap, directory=folder))
        await asyncio.gather(
            _logged(serve, "serving xDS"), _logged(ccm, "following Services"), envoy.ready(within=BOUND)
        )
        nodes = await stack.enter_async_context(Nodes(tenant_server, backend.port))
        servers = (tenant_server, management_server)
        yield Stage(folder, servers, tenant, management, backend, nodes, envoy, typed)


async def _servers(
    stack: AsyncExitStack, programs: Path, folder: Path, ports: Ports
) -> tuple[ApiServer, ApiServer]:
    """Start both API servers at the same time."""
    servers = []
    for side in ("tenant", "management"):
        (folder / f".{side}-server").mkdir()
        servers.append(ApiServer(programs, folder / f".{side}-server", crds=False, ports=ports))
        stack.push_async_callback(servers[-1].stop)
    await asyncio.gather(*(server.start() for server in servers))
    return cast("tuple[ApiServer, ApiServer]", tuple(servers))


async def _deployed(tenant: Shell, management: Shell) -> list[Typed]:
    """Apply deploy/, as docs/ccm.md and docs/kubernetes.md say. Raises SetUpError."""
    typed = []
    for shell, command in (
        (management, "kubectl apply -k deploy"),
        (management, "kubectl wait --for=condition=Established crd --all"),
        (management, "kubectl apply -k deploy/tenant"),
        (management, "kubectl apply -k deploy/ccm/management"),
        (tenant, "kubectl apply -k deploy/ccm/tenant"),
    ):
        typed.append(await shell.does(command, brief=True))
        if not typed[-1].holds:
            raise SetUpError(f"{command}: {typed[-1].printed}")
    return typed


async def _serve(folder: Path, server: ApiServer, xds: HostPort, code: str, stack: AsyncExitStack) -> Program:
    """Run the control plane, as deploy/deployment.yaml does."""
    identity = await server.service_account("kubelb-xds", "kubelb-xds")
    options = (
        *(
            "serve",
            "--kubernetes",
            "--kubeconfig",
            str(server.kubeconfig(folder, identity, name="control-plane.conf")),
        ),
        *("--own-namespace", "kubelb-xds", "--xds-address", str(xds), "--listener-address", EXTERNAL_IP),
    )
    return _program(folder / CONTROL_PLANE_LOG, code, options, stack)


async def _ccm(
    folder: Path, tenant: ApiServer, management: ApiServer, code: str, stack: AsyncExitStack
) -> Program:
    """Run the cloud controller manager, as deploy/ccm/tenant/deployment.yaml does."""
    here = await tenant.service_account("kubelb-ccm", "kubelb")
    there = await management.service_account("kubelb-ccm", HOME)
    options = (
        *("ccm", "--cluster-name", HOME.removeprefix("tenant-"), "--own-namespace", "kubelb"),
        *("--kubeconfig", str(tenant.kubeconfig(folder, here, name="ccm.conf"))),
        *("--management-kubeconfig", str(management.kubeconfig(folder, there, name="ccm-management.conf"))),
    )
    return _program(folder / CCM_LOG, code, options, stack)


def _program(log: Path, code: str, options: Sequence[str], stack: AsyncExitStack) -> Program:
    program = Program(Path(sys.executable), log)
    program.start(
        ["-c", code, *options, "--ops-address", f"{LOOPBACK}:0", "--log-format", "human"],
        environment(GRPC_VERBOSITY="NONE"),
    )
    stack.push_async_callback(program.end, signal.SIGTERM)
    return program


async def _logged(program: Program, text: str) -> None:
    """Wait until a program logs this. Raises StartError when it ends before."""

    async def probe() -> str:
        return "ok" if text in program.log.read_text(encoding="utf-8") else "not logged yet"

    await program.until(probe, f"{text!r} in {program.log.name}")
