"""What a management cluster of 10,000 LoadBalancers costs, on a real API server: time, CPU and memory until everything is served.

`python -m bench.kubernetes`; builds the API server first if need be. `kubelb-xds serve --kubernetes` runs as a process of its
own, first against an empty cluster, whose cost is taken off the memory. Then one Secret is patched again and again, and the
time is taken until the last of 100 streams has its new cluster; a plain watch of the same Secret runs beside, which is what
the API server itself takes. These only read.

Then everything is written back, faster than the program does, with an Envoy for each of 100 tenants that takes it all; the program is
restarted as it is, and what it writes is counted until every patience is over.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.envtest.assets import assets
from tests.support.command import MAIN, READING, Serving, serving
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object
from tests.support.scripted_envoy import scripted_envoy
from tests.support.xds_client import XdsClient
from xds.app.demo.waiting import poll
from xds.snapshot.types import CLUSTER

TENANTS = 100
STREAMS = 100
PATCHES = 60
PATIENCE = 10
"""Seconds, the setting: when the program has said all that it is going to say."""
GOALS = {"synced": "10 s", "memory": "200 MB", "patch": "25 ms", "written": "0"}
HURRIED = f"""
from kube.coordination import writer
writer.PARALLEL = 64
writer.Writer.__init__.__kwdefaults__["rate"] = 1000.0
{MAIN}
"""
"""The program with twenty times the rate at which it writes: 10,000 LoadBalancers would take it seven minutes."""
TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What a process has used so far: seconds of CPU, and megabytes of memory now."""

    cpu: float
    memory: float

    @classmethod
    def of(cls, pid: int) -> "Cost":
        """Read it from /proc."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return cls((int(fields[11]) + int(fields[12])) / TICKS, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


class Authorities:
    """Makes CA certificates, all with one key: making keys is not what is measured."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._now = datetime.now(UTC)

    def pem(self, name: str) -> str:
        """Return a new certificate."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder(subject, subject, self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(days=1))
            .not_valid_after(self._now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def tenant_of(number: int) -> str:
    """Return the namespace of a LoadBalancer."""
    return f"tenant-{number % TENANTS}"


def loadbalancer(number: int) -> Object:
    """Return a LoadBalancer with a Secret of its own."""
    return {
        "apiVersion": "kubelb.k8c.io/v1alpha1",
        "kind": "LoadBalancer",
        "metadata": {"name": f"lb-{number}", "namespace": tenant_of(number)},
        "spec": {
            "endpoints": [
                {
                    "addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}],
                    "ports": [{"name": "main", "port": 30443}],
                }
            ],
            "ports": [{"name": "main", "port": 10000 + number // TENANTS}],
            "upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": f"ca-{number}"}},
        },
    }


def secret(number: int, pem: str) -> Object:
    """Return its Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"ca-{number}", "namespace": tenant_of(number)},
        "stringData": {"ca.crt": pem},
    }


@asynccontextmanager
async def served(
    kubeconfig: Path, arguments: Sequence[str] = READING, code: str = MAIN
) -> AsyncIterator[tuple[Serving, int, float, Cost]]:
    """Run the control plane until it has synced; yields it, its port, the seconds that took, and what it cost."""
    began = time.monotonic()
    async with serving((*arguments, "--kubeconfig", str(kubeconfig)), code) as process:
        port = int((await process.logged("serving xDS"))["address"].rpartition(":")[2])
        await process.logged("synced")
        seconds = time.monotonic() - began
        cost = Cost.of(process.pid)
        yield process, port, seconds, cost


async def patched(admin: ApiClient, port: int, authorities: Authorities) -> tuple[list[float], list[float]]:
    """Patch one Secret many times; return the milliseconds to the last stream, and those to a plain watch."""
    target = secret(0, "")
    seen: asyncio.Queue[float] = asyncio.Queue()

    async def watch() -> None:
        version = await admin.resource_version("v1", "Secret", tenant_of(0))
        async with admin.watch("v1", "Secret", tenant_of(0), resourceVersion=version) as events:
            async for _ in events:
                seen.put_nowait(time.monotonic())

    ours, theirs = [], []
    async with AsyncExitStack() as stack:
        watching = asyncio.create_task(watch())
        stack.callback(watching.cancel)
        clients = []
        for number in range(STREAMS):
            node = {"id": f"envoy-{number}", "cluster": tenant_of(0)}
            clients.append(await stack.enter_async_context(XdsClient(port, delta=True, node=node)))
        await asyncio.gather(*(client.subscribe(CLUSTER) for client in clients))
        await asyncio.gather(*map(_take, clients))
        for number in range(PATCHES):
            change = {"stringData": {"ca.crt": authorities.pem(f"rotated-{number}")}}
            taking = [asyncio.create_task(_take(client)) for client in clients]
            began = time.monotonic()
            await admin.patch(target, change)
            moments = await asyncio.gather(*taking)
            ours.append((max(moments) - began) * 1e3)
            theirs.append((await seen.get() - began) * 1e3)
    return ours, theirs


async def _take(client: XdsClient) -> float:
    """Read a response and ACK it; return the moment when it was there."""
    response = await client.receive(within=60)
    moment = time.monotonic()
    await client.ack(response)
    return moment


async def _statuses(admin: ApiClient) -> dict[tuple[str, str], tuple[str, str]]:
    """Return version and condition Programmed of every LoadBalancer, by namespace and name."""
    listed = await admin.list("kubelb.k8c.io/v1alpha1", "LoadBalancer")
    found = {}
    for lb in listed["items"]:
        said = {each["type"]: each["status"] for each in lb.get("status", {}).get("conditions", ())}
        metadata = lb["metadata"]
        version = metadata["resourceVersion"]
        found[metadata["namespace"], metadata["name"]] = version, said.get("Programmed", "")
    return found


@asynccontextmanager
async def _envoys(port: int) -> AsyncIterator[None]:
    """Connect an Envoy for each tenant that takes everything."""
    async with AsyncExitStack() as stack:
        for number in range(TENANTS):
            await stack.enter_async_context(scripted_envoy(port, tenant_of(number)))
        yield


async def _measure_writing(admin: ApiClient, kubeconfig: Path, empty: Cost) -> None:
    """Have everything written, restart the program, and count what it writes then."""
    writing = ("--kubernetes", "--patience", str(PATIENCE))
    began = time.monotonic()
    async with served(kubeconfig, writing, HURRIED) as (process, port, *_), _envoys(port):
        await poll(
            lambda: _statuses(admin),
            lambda found: all(programmed == "True" for _, programmed in found.values()),
            within=900,
            every=5,
            what="everything written",
        )
        print(f"(written in {time.monotonic() - began:.0f} s)", flush=True)
        process.send(signal.SIGTERM)
        await process.ended()
    before = await _statuses(admin)
    async with served(kubeconfig, writing) as (process, port, seconds, _), _envoys(port):
        await process.has_logged("leads: this replica writes")
        await asyncio.sleep(3 * PATIENCE)
        _row("writing: process start to synced", f"{seconds:.1f} s", GOALS["synced"])
        cost = Cost.of(process.pid)
        _row(f"CPU in {3 * PATIENCE} s, less the empty process's", f"{cost.cpu - empty.cpu:.1f} s")
        _row("memory above the empty process", f"{cost.memory - empty.memory:.0f} MB")
    after = await _statuses(admin)
    written = sum(before[key] != value for key, value in after.items())
    _row("LoadBalancers written after a restart", str(written), GOALS["written"])


def _row(name: str, seen: str, goal: str = "") -> None:
    print(f"{name:<52}{seen:>12}{goal:>10}", flush=True)


async def run(count: int) -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        programs = assets(lambda line: print(line, file=sys.stderr))
        async with ApiServer(programs, directory) as server, server.client() as admin:
            await _measure(server, admin, directory, count)


async def _measure(server: ApiServer, admin: ApiClient, directory: Path, count: int) -> None:
    await server.crds()
    kubeconfig = server.kubeconfig(directory)
    _row(f"{count:,} LoadBalancers, as many Secrets", "seen", "goal")
    async with served(kubeconfig) as (_, _, seconds, empty):
        _row("empty cluster: process start to synced", f"{seconds:.1f} s")
        _row("empty cluster: memory", f"{empty.memory:.0f} MB")
    authorities = Authorities()
    for number in range(TENANTS):
        await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant_of(number)}})
    began = time.monotonic()
    await admin.create_all(secret(number, authorities.pem(f"ca-{number}")) for number in range(count))
    await admin.create_all(map(loadbalancer, range(count)))
    print(f"(created in {time.monotonic() - began:.0f} s)", flush=True)
    async with served(kubeconfig) as (process, port, seconds, cost):
        _row("process start to synced", f"{seconds:.1f} s", GOALS["synced"])
        _row("CPU until then, less the empty process's", f"{cost.cpu - empty.cpu:.1f} s")
        _row("memory above the empty process", f"{cost.memory - empty.memory:.0f} MB", GOALS["memory"])
        ours, theirs = await patched(admin, port, authorities)
        _row(f"a Secret patched to the last of {STREAMS} streams, p50", _ms(ours, 50), GOALS["patch"])
        _row("the same, p99", _ms(ours, 99))
        _row("the API server's own part (a plain watch), p50", _ms(theirs, 50))
        _row(
            "memory above the empty process, afterwards",
            f"{Cost.of(process.pid).memory - empty.memory:.0f} MB",
        )
    await _measure_writing(admin, kubeconfig, empty)


def _ms(values: Sequence[float], percent: int) -> str:
    return f"{statistics.quantiles(values, n=100)[percent - 1]:.1f} ms"


def main() -> None:
    """Measure with as many LoadBalancers as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--count", type=int, default=10_000, help="LoadBalancers, and Secrets (default: 10,000)"
    )
    asyncio.run(run(parser.parse_args().count))


if __name__ == "__main__":
    main()
