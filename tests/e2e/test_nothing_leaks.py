"""Private keys and Secrets that are marked, and everything that the program says: no mark is in it."""

import asyncio
import base64
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support import pki
from tests.support.command import MAIN, ROOT, Serving, run, serving
from tests.support.mtls import Volume, credentials, envoy_of, server_of
from tests.support.pki import Identity
from tests.support.xds_client import XdsClient
from xds.admin import csds, debug
from xds.admin.rpc import stub_of
from xds.app import explain
from xds.app.cli import app
from xds.messages import debug_pb2 as pb
from xds.messages import message_class
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

CA = pki.ca("root")
TENANT = "tenant-primary"
VALUE = "mark-f2b1c9d07e-value"
TOKEN = "mark-5d3a8e61c4-token"
KEY = pki.ca("marked").key_pem
SERVER = server_of(CA)

LOADBALANCER = """
apiVersion: kubelb.k8c.io/v1alpha1
kind: LoadBalancer
metadata: {name: web, namespace: tenant-primary}
spec:
  ports: [{name: main, port: 20001, protocol: TCP}]
  endpoints: [{addresses: [{ip: 127.0.0.1}], ports: [{name: main, port: 1, protocol: TCP}]}]
  upstreamTLS: {policy: Verify, caSecretRef: {name: backend-ca}}
"""


def marks(*keys: bytes) -> Iterator[bytes]:
    """Yield what betrays a key, in PEM, without line breaks, in base64 once more and in hexadecimal, and the values."""
    for pem in keys:
        lines = pem.splitlines()[1:-1]
        body = base64.b64decode(b"".join(lines))
        yield from (line[:24] for line in lines)
        # The scalar, which is 32 bytes from the 36th on in PKCS #8 of P-256.
        yield body[36:68]
        yield body[36:68].hex().encode()
        yield base64.b64encode(pem)[60:84]
    for text in (VALUE, TOKEN):
        yield text.encode()
        yield base64.b64encode(text.encode())[:-4]


ALL_MARKS = tuple(marks(KEY, SERVER.key_pem))


def search(*outputs: str | bytes) -> None:
    """Fail where a mark is in what was emitted."""
    said = b"\n".join(text.encode() if isinstance(text, str) else text for text in outputs)
    assert said.strip()
    for mark in ALL_MARKS:
        assert mark not in said, said[max(0, said.index(mark) - 300) :][:600]


def secret(**data: str) -> str:
    """Return a Secret's manifest."""
    lines = "".join(f"  {key}: {value}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: backend-ca, namespace: {TENANT}}}\n{lines}"


def encoded(content: bytes) -> str:
    """Return content as a Secret's data has it."""
    return base64.b64encode(content).decode()


INDENTED = textwrap.indent(KEY.decode(), "    ")
SECRETS = {
    "beside the CA": secret(
        data=f"{{ca.crt: {encoded(CA.pem + KEY)}, tls.key: {encoded(KEY)}, password: {encoded(VALUE.encode())}}}"
    ),
    "in place of the CA": secret(data=f"{{ca.crt: {encoded(KEY)}}}"),
    "no PEM": secret(stringData=f"{{ca.crt: {VALUE}}}"),
    "half a certificate": secret(data=f"{{ca.crt: {encoded(CA.pem + KEY[:-40])}}}"),
    "no base64": secret(data=f"{{ca.crt: '!{VALUE}!'}}"),
    "a list": secret(data=f"{{ca.crt: [{VALUE}]}}"),
    "text for data": secret(data=VALUE),
    "broken YAML": secret(data=f"{{ca.crt: {VALUE}\n{INDENTED}"),
    "broken YAML in a block": secret(stringData=f"\n    ca.crt: |\n{INDENTED}\n  x: [{VALUE}"),
    "a tag": secret(data=f"!!python/object:{VALUE} {{}}"),
    "a key twice": secret(data=f"{{ca.crt: {VALUE}, ca.crt: {VALUE}}}"),
    "an annotation": secret(data="{}")
    + f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: x, namespace: [{VALUE}]}}\n",
}


@pytest.fixture
def manifests(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with a LoadBalancer and a Secret of that name."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "lb.yaml").write_text(LOADBALANCER, encoding="utf-8")
    (folder / "secret.yaml").write_text(SECRETS[request.param], encoding="utf-8")
    return folder


@pytest.mark.parametrize("output", ["table", "json"])
def test_validate_tells_nothing(tmp_path: Path, output: str) -> None:
    """Whatever is wrong with a Secret, `validate` says so without its content."""
    for number, text in enumerate(SECRETS.values()):
        for name, manifest in (("lb", LOADBALANCER), ("secret", text)):
            own = manifest.replace(TENANT, f"tenant-{number}")
            (tmp_path / f"{name}-{number}.yaml").write_text(own, encoding="utf-8")
    done = run("validate", "--output", output, str(tmp_path))
    assert done.returncode == 1
    assert (
        len({f"tenant-{number}" for number in range(len(SECRETS)) if f"tenant-{number}" in done.stdout}) > 6
    )
    search(done.stdout, done.stderr)


@pytest.mark.parametrize("manifests", SECRETS, indirect=True)
@pytest.mark.parametrize("command", ["explain", "probe"])
@pytest.mark.parametrize("output", ["table", "json"])
def test_explain_and_probe_tell_nothing(
    manifests: Path, command: str, output: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is wrong with a Secret, they explain and dial without its content."""
    from xds.app.cli import main  # noqa: PLC0415

    assert main([command, f"{TENANT}/web", "--output", output, "--manifests", str(manifests)]) in {0, 1}
    search(*capfd.readouterr())


async def inside(channel: Any) -> list[str | bytes]:
    """Ask the admin listener for all that it knows of the tenant."""
    answers = [
        await stub_of(csds.SERVICE, channel).fetch_client_status(
            message_class("envoy.service.status.v3.ClientStatusRequest")(), timeout=10
        ),
        await stub_of(explain.SERVICE, channel).explain(
            pb.ExplainRequest(namespace=TENANT, name="web"), timeout=10
        ),
    ]
    stub = stub_of(debug.SERVICE, channel)
    for call in (
        stub.list_tenants(pb.ListTenantsRequest(), timeout=10),
        stub.list_envoys(pb.ListEnvoysRequest(), timeout=10),
        stub.dump_snapshot(pb.DumpSnapshotRequest(tenant=TENANT), timeout=10),
    ):
        answers += [answer async for answer in call]
    return [part for answer in answers for part in (str(answer), answer.SerializeToString())]


async def pages(server: Serving) -> list[str | bytes]:
    """Look at every status page, and at one that there is not."""
    url = (await server.logged("serving the status page"))["url"].rstrip("/")
    timeout = aiohttp.ClientTimeout(total=10)
    said: list[str | bytes] = []
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for path in (
            *("/", "/tenants", "/loadbalancers", "/envoys", "/nacks", f"/loadbalancers/{TENANT}/web"),
            *("/page.js", "/page.css", "/icon.svg", f"/{VALUE[:4]}"),
        ):
            async with session.get(f"{url}{path}") as answer:
                assert answer.status == (404 if VALUE[:4] in path else 200)
                said += [await answer.text(), str(answer.headers)]
        async with session.get(f"{url}/changes") as answer:
            said += [await answer.content.readline(), str(answer.headers)]
    return said


async def everything(server: Serving, tenant_key: Identity) -> list[str | bytes]:
    """Ask a server for all that it tells: every page, health, and xDS as an Envoy, a stranger and nonsense."""
    said: list[str | bytes] = []
    ops = (await server.logged("serving ops"))["address"]
    admin = (await server.logged("serving admin"))["address"]
    timeout = aiohttp.ClientTimeout(total=10)
    for path in ("/healthz", "/readyz", "/metrics", "/config_dump", "/debug/pprof", f"/{VALUE[:4]}"):
        async with aiohttp.request("GET", f"http://{ops}{path}", timeout=timeout) as answer:
            said += [await answer.text(), str(answer.headers)]
    async with grpc.aio.insecure_channel(admin) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        said.append(str(answer))
    (line,) = [line for line in server.lines if line["event"] == "serving xDS"]
    port = int(line["address"].rpartition(":")[2])
    for tenant in (TENANT, "another"):
        node = {"id": "envoy", "cluster": tenant}
        shown = credentials(CA, tenant_key)
        async with XdsClient(port, delta=True, node=node, credentials=shown) as client:
            await client.subscribe(CLUSTER)
            if tenant != TENANT:
                said.append(str(await client.status()))
                continue
            said.append((await client.receive()).SerializeToString())
            for type_url in (ENDPOINT, LISTENER):
                await client.subscribe(type_url)
                said.append((await client.receive()).SerializeToString())
            async with grpc.aio.insecure_channel(admin) as channel:
                said += await inside(channel)
            said += await pages(server)
            await client.send_bytes(b"\xff\xff\xff")
            said.append(str(await client.status()))
    return said


@pytest.mark.parametrize("manifests", ["beside the CA", "text for data", "broken YAML"], indirect=True)
async def test_serve_tells_nothing(manifests: Path, tmp_path: Path) -> None:
    """Neither log nor pages nor xDS has anything of a Secret but its CA, or of the server's key, at level debug and when things go wrong."""
    volume = Volume(tmp_path / "tls", SERVER, CA)
    files = ["--tls-cert", volume.certificate, "--tls-key", volume.key, "--tls-client-ca", volume.client_ca]
    options = ["--manifests", str(manifests), "--log-level", "debug", *map(str, files)]
    async with serving(options) as server:
        said = await everything(server, envoy_of(CA, TENANT))
        volume.certificate.resolve().write_bytes(KEY)  # mixed up, as it happens
        await server.logged("TLS files are not taken")
        volume.certificate.resolve().write_bytes(SERVER.chain_pem)
        volume.key.resolve().write_bytes(KEY[:-20])
        await server.logged("TLS files are not taken")
        (manifests / "secret.yaml").write_text(SECRETS["broken YAML"], encoding="utf-8")
        server.send(signal.SIGTERM)
        code, stdout = await server.ended()
    assert code == 0
    search(stdout, str(server.lines), *said)


FAULT = (
    """
import sys
from pathlib import Path
import xds.app.control_plane as control_plane
held = []

class Broken(RuntimeError): pass

def failing(*args, **kwargs):
    local_key, key_of_the_frame = Path(sys.argv[-1]).read_bytes(), held
    key_of_the_frame.append(local_key)
    raise Broken("out of order")

control_plane.registry_of = failing
"""
    + MAIN
)


def test_a_traceback_shows_no_variables(tmp_path: Path) -> None:
    """A fault of the program, with a key in the variables of its frames, is a traceback of lines and no values."""
    volume = Volume(tmp_path / "tls", SERVER, CA)
    manifests = str(ROOT / "examples" / "manifests")
    for log_format in ("json", "human"):
        files = [
            "--tls-cert",
            volume.certificate,
            "--tls-client-ca",
            volume.client_ca,
            "--tls-key",
            volume.key,
        ]
        done = run(
            *("serve", "--manifests", manifests, "--log-format", log_format, "--log-level", "debug"),
            *map(str, files),
            code=FAULT,
        )
        assert done.returncode == 1
        assert "out of order" in done.stderr
        search(done.stdout, done.stderr)


def test_the_other_commands_tell_nothing(tmp_path: Path) -> None:
    """certgen, bootstrap and mistakes of all commands tell paths and reasons, and no content of a file."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        f"users: [{{name: u, user: {{token: {TOKEN}, client-key-data: {encoded(KEY)}, client-certificate-data: x}}}}]\n",
        encoding="utf-8",
    )
    broken = tmp_path / "broken"
    broken.write_text(kubeconfig.read_text(encoding="utf-8") + f"  - [{TOKEN}\n", encoding="utf-8")
    key = tmp_path / "key"
    key.write_bytes(KEY)
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (keys / name).write_bytes(KEY)
    certs = tmp_path / "certs"
    ran: dict[str, Any] = {
        "certgen": ("certgen", "--directory", certs, "--tenant", TENANT),
        "bootstrap": (
            *("bootstrap", "--tenant", TENANT, "--xds-address", "h:1"),
            *("--tls-dir", certs / "tenants" / TENANT, "--output", tmp_path / "envoy"),
        ),
        "validate": ("validate", key),
        "serve": (
            "serve",
            "--manifests",
            tmp_path,
            "--tls-cert",
            key,
            "--tls-key",
            key,
            "--tls-client-ca",
            key,
        ),
        "serve with a kubeconfig": ("serve", "--kubernetes", "--kubeconfig", kubeconfig),
        "serve with a broken one": ("serve", "--kubernetes", "--kubeconfig", broken),
        "serve with a key for one": ("serve", "--kubernetes", "--kubeconfig", key),
        "certgen with a kubeconfig": ("certgen", "--kubernetes", "--kubeconfig", kubeconfig),
        "certgen with a broken one": ("certgen", "--kubernetes", "--kubeconfig", broken),
        "ccm": (
            "ccm",
            "--cluster-name",
            "primary",
            "--kubeconfig",
            key,
            "--management-kubeconfig",
            kubeconfig,
        ),
        "ccm with a broken kubeconfig": (
            *("ccm", "--cluster-name", "primary"),
            *("--kubeconfig", kubeconfig, "--management-kubeconfig", broken),
        ),
        "demo": ("demo", "--help"),
        **{
            name: (name, *words, "--admin-address", "127.0.0.1:1", "--admin-tls-dir", keys)
            for name, words in (
                ("status", ()),
                ("watch", ()),
                ("dump", ()),
                ("explain", (f"{TENANT}/web",)),
                ("probe", (f"{TENANT}/web",)),
            )
        },
    }
    commands = {name for each in app.registered_commands if (name := getattr(each.callback, "__name__", ""))}
    assert commands <= {words[0] for words in ran.values()}  # a new command is to be tried here, too
    said = [run(*map(str, words), KUBELB_XDS_ADDRESS="127.0.0.1:0") for words in ran.values()]
    search(*(text for done in said for text in (done.stdout, done.stderr)))
    (certs / "ca" / "ca.crt").write_bytes(KEY)
    again = run("certgen", "--directory", str(certs))
    assert again.returncode == 2
    search(again.stderr)
    made = [path.read_bytes() for path in certs.rglob("*.key")]
    everything_said = "".join(done.stdout + done.stderr for done in said).encode() + again.stderr.encode()
    for mark in marks(*made):
        if mark not in ALL_MARKS:
            assert mark not in everything_said
    written = [path.read_bytes() for path in (tmp_path / "envoy").iterdir()]
    search(*written)


async def test_the_marks_would_be_found(tmp_path: Path) -> None:
    """The search finds each form in which a key or a value may leak."""
    for leaked in (
        KEY,
        base64.b64encode(KEY),
        repr(KEY).encode(),
        VALUE.encode(),
        encoded(TOKEN.encode()).encode(),
    ):
        await asyncio.to_thread((tmp_path / "log").write_bytes, b"line\n" + leaked + b"\nline")
        with pytest.raises(AssertionError):
            search((tmp_path / "log").read_bytes())
