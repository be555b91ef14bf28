"""What the tutorial is played on: two API servers, the control plane, the CCM and Envoy, each a process of its own, and kubectl."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import yaml

from tests.kube.ccm.clusters import rules
from tests.support.command import Serving, serving
from tests.support.kube_api import ApiServer
from tests.support.workbench import running_envoy
from tests.tutorial.teller import Teller
from xds.app.address import HostPort
from xds.app.bootstrap import Bootstrap
from xds.app.demo.envoy import Envoy
from xds.app.demo.ports import LOOPBACK, Ports
from xds.app.demo.waiting import poll

CLUSTER, HOME = "primary", "tenant-primary"
BOUND = 30.0
DEPLOY = Path(__file__).parents[2] / "deploy"


class Kubectl:
    """The real kubectl on one cluster, as its administrator; what is typed is shown, unless it is asked again and again."""

    def __init__(self, side: str, server: ApiServer, directory: Path, teller: Teller) -> None:
        self._side = side
        self._teller = teller
        config = server.kubeconfig(directory, name=f"{side}-admin.conf")
        self._command = [
            *(str(server.programs / "kubectl"), "--kubeconfig", str(config)),
            *("--cache-dir", str(directory / f"{side}-cache")),
        ]

    async def quietly(self, *arguments: str, stdin: str = "") -> str:
        """Run it and return what it says; an error's text where it fails."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(BOUND):
            out, _ = await process.communicate(stdin.encode())
        return out.decode()

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run it, and show both the command and what it says."""
        self._teller.command(self._side, arguments)
        if stdin:
            self._teller.file(stdin)
        said = await self.quietly(*arguments, stdin=stdin)
        self._teller.answer(said)
        return said

    async def until(self, *arguments: str, holds: Callable[[str], bool]) -> str:
        """Run it until what it says is what is waited for, and show it then."""

        async def probe() -> str:
            return await self.quietly(*arguments)

        said = await poll(probe, holds, within=BOUND, what=f"kubectl {' '.join(arguments)}", every=0.2)
        self._teller.command(self._side, arguments)
        self._teller.answer(said)
        return said


class Log:
    """What a process of ours logs, read all the time."""

    def __init__(self, process: Serving) -> None:
        self._process = process
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        # No line begins so: each call reads until it has waited for long enough, the last one until the process ends.
        with contextlib.suppress(AssertionError):
            while True:
                with contextlib.suppress(TimeoutError):
                    await self._process.logged("\0")

    async def says(self, text: str) -> str:
        """Wait until a line says this, and return it."""

        async def probe() -> str:
            return next((line["event"] for line in self._process.lines if text in line["event"]), "")

        return await poll(probe, bool, within=BOUND, what=f"{text!r} in the log")

    def close(self) -> None:
        """Read no more."""
        self._reading.cancel()


class Clusters:
    """Both clusters with their kubectl, the two programs' logs, and Envoy."""

    def __init__(self, tenant: Kubectl, management: Kubectl, envoy: Envoy, manager_log: Log) -> None:
        self.tenant = tenant
        self.management = management
        self.envoy = envoy
        self.manager_log = manager_log


@asynccontextmanager
async def on_clusters(programs: Path, directory: Path, teller: Teller) -> AsyncIterator[Clusters]:
    """Start everything, with the rights of deploy/ and no others, and end it afterwards."""
    async with AsyncExitStack() as stack:
        servers = []
        for side in ("tenant", "management"):
            (directory / side).mkdir()
            servers.append(await stack.enter_async_context(ApiServer(programs, directory / side)))
        here, there = servers
        tenant, management = (
            Kubectl(side, server, directory, teller)
            for side, server in (("tenant", here), ("management", there))
        )
        teller.say(f"tenant's cluster     {here.url}")
        teller.say(f"management cluster   {there.url}")
        await management.quietly("create", "namespace", HOME)
        await tenant.quietly("create", "namespace", "kubelb")
        identities = here.identity(), there.identity(), there.identity()
        await here.allow(identities[0], rules("tenant", "ClusterRole"))
        await here.allow(identities[0], rules("tenant", "Role"), "kubelb")
        await there.allow(identities[1], rules("management", "Role"), HOME)
        for role in yaml.safe_load_all((DEPLOY / "rbac.yaml").read_text(encoding="utf-8")):
            if "rules" in role:
                namespace = HOME if role["kind"] == "Role" else ""
                await there.allow(identities[2], role["rules"], namespace)
        configs = [
            str(server.kubeconfig(directory, identity, name=f"{name}.conf"))
            for server, identity, name in (
                (here, identities[0], "ccm-tenant"),
                (there, identities[1], "ccm-management"),
                (there, identities[2], "control-plane"),
            )
        ]
        port = Ports().choose("xDS").number
        control_plane = await stack.enter_async_context(
            serving(
                [
                    *("--kubernetes", "--write", "--kubeconfig", configs[2], "--namespace", HOME),
                    *("--own-namespace", HOME, "--listener-address", LOOPBACK),
                ],
                KUBELB_XDS_ADDRESS=f"{LOOPBACK}:{port}",
            )
        )
        ccm = await stack.enter_async_context(
            serving(
                [
                    *("--cluster-name", CLUSTER, "--own-namespace", "kubelb"),
                    *("--kubeconfig", configs[0], "--management-kubeconfig", configs[1]),
                ],
                command="ccm",
            )
        )
        logs = Log(control_plane), Log(ccm)
        for log in logs:
            stack.callback(log.close)
        bootstrap = Bootstrap(tenant=HOME, xds_address=HostPort(LOOPBACK, port), node_id=f"{HOME}-envoy")
        envoy = await stack.enter_async_context(running_envoy(bootstrap.yaml(), directory))
        teller.say("control plane        kubelb-xds serve --kubernetes --write, in the management cluster")
        teller.say("CCM                  kubelb-xds ccm --cluster-name primary, in the tenant's")
        teller.say("Envoy                live")
        yield Clusters(tenant, management, envoy, logs[0])
