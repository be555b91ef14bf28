"""A real Kubernetes API server on this machine, with its etcd, for tests: and all that can happen to one in its life.

It can be paused, killed, started again, compacted, emptied and put back to an earlier state. Only time is not simulated, and what needs
a network between it and its clients: that is `fault_proxy`'s. The programs come from `tests.envtest.assets`; fixtures are in
`kube_fixtures`. This module does not know the program under test.
"""

import asyncio
import base64
import os
import secrets
import shutil
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.kube_client import ApiClient, Object, RefusedError
from tests.support.program import START_WITHIN, Program
from xds.app.demo.ports import LOOPBACK, Ports
from xds.app.demo.waiting import poll

CRDS = Path(__file__).parents[2] / "deploy" / "crds"

FORGETFUL = "--feature-gates=ListFromCacheSnapshot=false"
"""A flag with which continue tokens end with `ApiServer.compact`, as they did before Kubernetes 1.34.

Without it the API server answers them from memory, and looks only every 15 s whether etcd was compacted
(k8s.io/apiserver, storage/cacher/compactor.go).
"""
_IDENTITIES = 500
"""Identities there are to hand out: the API server reads its list of tokens only when it starts."""


class Identity(NamedTuple):
    """Someone the API server knows by a bearer token; may do nothing until `ApiServer.allow` says what."""

    name: str
    group: str
    token: str


class ApiServer:
    """kube-apiserver and etcd; an async context manager that starts both and always ends them.

    ``programs`` is the folder from `assets`; ``directory`` takes their files and logs; ``flags`` are added to the API server's. Without
    ``crds`` it starts without the project's; ``ports`` are shared by those that start at the same time. Waiting is asynchronous, so that
    what runs in the same loop sees the API server go and come.
    """

    def __init__(
        self,
        programs: Path,
        directory: Path,
        *,
        flags: Sequence[str] = (),
        crds: bool = True,
        ports: Ports | None = None,
    ) -> None:
        self.directory = directory
        ports = ports or Ports()
        self.port, self._etcd_port, self._peer_port = (ports.choose("a test").number for _ in range(3))
        self.url = f"https://{LOOPBACK}:{self.port}"
        self.programs = programs
        self._flags = tuple(flags)
        self._has_crds = crds
        self._data = directory / "etcd"
        self._certificates = directory / "certificates"
        self._api = Program(programs / "kube-apiserver", directory / "kube-apiserver.log")
        self._etcd = Program(programs / "etcd", directory / "etcd.log")
        self._snapshots = 0
        self.admin_identity = Identity("admin", "system:masters", secrets.token_hex())
        self._spare = [
            Identity(f"test-{number}", "tests", secrets.token_hex()) for number in range(_IDENTITIES, 0, -1)
        ]

    @property
    def authority(self) -> Path:
        """The file with the certificate authority that clients are to trust."""
        return self._certificates / "apiserver.crt"  # the self-signed certificate, followed by what signed it

    @property
    def pid(self) -> int:
        """The API server's process id."""
        assert self._api.process is not None
        return self._api.process.pid

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start both, empty but for the project's CRDs. Raises `StartError`."""
        self._write_identities()
        self._write_key()
        await self._start_etcd()
        await self.start_again()
        if self._has_crds:
            await self.crds()

    async def stop(self) -> None:
        """End both at once, and delete etcd's files."""
        await self._api.end(signal.SIGKILL)
        await self._etcd.end(signal.SIGKILL)
        shutil.rmtree(self._data, ignore_errors=True)

    # -- who may do what

    def identity(self) -> Identity:
        """Return someone whom the API server knows, nobody has used, and who may do nothing yet."""
        return self._spare.pop()

    async def allow(self, identity: Identity, rules: Sequence[Object], namespace: str = "") -> None:
        """Let an identity do what RBAC rules say, in one namespace or everywhere; replaces what it was allowed there before.

        A rule is ``{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}``; without rules it may do nothing. What is
        allowed is so at once; what is no longer allowed ends some milliseconds later.
        """
        scope = {"namespace": namespace} if namespace else {}
        prefix = "" if namespace else "Cluster"
        metadata = {"name": identity.name} | scope
        api_version = "rbac.authorization.k8s.io/v1"
        role = {"apiVersion": api_version, "kind": f"{prefix}Role", "metadata": metadata, "rules": [*rules]}
        binding = {
            "apiVersion": api_version,
            "kind": f"{prefix}RoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": api_version.partition("/")[0],
                "kind": role["kind"],
                "name": identity.name,
            },
            "subjects": [{"apiGroup": api_version.partition("/")[0], "kind": "User", "name": identity.name}],
        }
        async with self.client() as admin:
            await admin.apply(role)
            await admin.apply(binding)
            for rule in rules:
                allowed = partial(may, admin, identity, rule, namespace)
                await poll(allowed, bool, within=START_WITHIN, what=f"{identity.name} may {rule}")

    async def service_account(self, name: str, namespace: str) -> Identity:
        """Return the identity of a ServiceAccount that exists, with a token of its own."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        async with self.client() as admin:
            answer = await admin.request("POST", path, review)
        return Identity(f"system:serviceaccount:{namespace}:{name}", "", answer["status"]["token"])

    def client(self, identity: Identity | None = None, *, server: str = "") -> ApiClient:
        """Return a client for tests that acts as the administrator, or as someone else; ``server`` is a proxy's URL."""
        server = server or self.url
        authority = str(self.authority) if server.startswith("https:") else None
        return ApiClient(server, (identity or self.admin_identity).token, authority=authority)

    def kubeconfig(
        self, directory: Path, identity: Identity | None = None, *, server: str = "", name: str = "kubeconfig"
    ) -> Path:
        """Write a kubeconfig for an identity (the administrator), and return its path; ``server`` is a proxy's URL."""
        server = server or self.url
        cluster = {"server": server}
        if server.startswith("https:"):
            cluster["certificate-authority"] = str(self.authority)
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": (identity or self.admin_identity).token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path = directory / name
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    # -- what is in it

    async def crds(self) -> None:
        """Install the project's CRDs and wait until their objects are served."""
        definitions = [
            yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(CRDS.glob("*.yaml"))
        ]
        async with self.client() as admin:
            for definition in definitions:
                await admin.apply(definition)
            for definition in definitions:
                spec = definition["spec"]
                path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
                await poll(
                    partial(_status, admin, path),
                    lambda status: status == 200,
                    within=START_WITHIN,
                    what=path,
                )

    async def namespace(self, prefix: str = "tenant") -> str:
        """Create a namespace that no other test has, and return its name."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        async with self.client() as admin:
            await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    # -- what happens to it

    def pause(self) -> None:
        """Make the API server hold still: connections stay, nobody answers."""
        self._api.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._api.send(signal.SIGCONT)

    async def kill(self) -> None:
        """End the API server at once, as when its machine fails; etcd goes on."""
        await self._api.end(signal.SIGKILL)

    async def terminate(self) -> None:
        """End the API server in good order, as an upgrade does; etcd goes on."""
        await self._api.end(signal.SIGTERM)

    async def start_again(self) -> None:
        """Start the API server on the etcd and the port that it had, and wait until it is ready. Raises `StartError`."""
        self._api.start(
            [
                f"--etcd-servers=http://{LOOPBACK}:{self._etcd_port}",
                f"--secure-port={self.port}",
                f"--bind-address={LOOPBACK}",
                f"--advertise-address={LOOPBACK}",  # else it needs a machine with a default route
                "--endpoint-reconciler-type=none",
                f"--cert-dir={self._certificates}",
                f"--service-account-issuer={self.url}",
                f"--service-account-key-file={self.directory / 'service-accounts.pem'}",
                f"--service-account-signing-key-file={self.directory / 'service-accounts.pem'}",
                f"--token-auth-file={self.directory / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--disable-admission-plugins=ServiceAccount",  # its controller does not run here
                *self._flags,
            ],
            {**os.environ, "GOGC": "400"},  # a fifth less CPU, for memory that is there
        )

        async def probe() -> str:
            try:
                async with self.client() as admin:
                    return str(await admin.request("GET", "/readyz"))
            except (
                OSError,
                aiohttp.ClientError,
                RefusedError,
            ) as error:  # no certificate yet, not listening, not ready
                return str(error)

        await self._api.until(probe, "the API server's /readyz")

    async def start_empty(self) -> None:
        """Kill both and start them without any objects or CRDs, as after a restore of nothing."""
        await self._restart_on(None)

    async def snapshot(self) -> Path:
        """Return a copy of everything stored now, for `restore`; clients notice nothing but a moment's wait."""
        self._snapshots += 1
        copy = self.directory / f"snapshot-{self._snapshots}"
        self._etcd.send(signal.SIGSTOP)  # what a killed etcd leaves behind is what its next start is made for
        try:
            await asyncio.to_thread(shutil.copytree, self._data, copy)
        finally:
            self._etcd.send(signal.SIGCONT)
        return copy

    async def restore(self, snapshot: Path) -> None:
        """Kill both and start them as they were at the snapshot: resourceVersions go back, too."""
        await self._restart_on(snapshot)

    async def compact(self) -> int:
        """Compact etcd to its current revision and return that: older ones are gone, with `FORGETFUL` also for continue tokens."""
        found = await self._etcd_call("kv/range", {"key": base64.b64encode(b"health").decode()})
        revision = int(found["header"]["revision"])
        await self._etcd_call("kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    async def _restart_on(self, data: Path | None) -> None:
        await self.kill()
        await self._etcd.end(signal.SIGKILL)
        shutil.rmtree(self._data)
        if data is not None:
            await asyncio.to_thread(shutil.copytree, data, self._data)
        await self._start_etcd()
        await self.start_again()

    async def _start_etcd(self) -> None:
        client, peer = (f"http://{LOOPBACK}:{port}" for port in (self._etcd_port, self._peer_port))
        self._etcd.start(
            [
                f"--data-dir={self._data}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
            ]
        )

        async def probe() -> str:
            try:
                async with aiohttp.ClientSession() as session, session.get(f"{client}/health") as answer:
                    return "ok" if answer.ok else await answer.text()
            except (OSError, aiohttp.ClientError) as error:
                return str(error)

        await self._etcd.until(probe, "etcd's /health")

    async def _etcd_call(self, method: str, body: Object) -> dict[str, Any]:
        url = f"http://{LOOPBACK}:{self._etcd_port}/v3/{method}"
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
            answer.raise_for_status()
            found = await answer.json()
            assert isinstance(found, dict)
            return found

    def _write_identities(self) -> None:
        known = [self.admin_identity, *self._spare]
        lines = [f'{token},{name},{name},"{group}"' for name, group, token in known]
        self.directory.joinpath("tokens.csv").write_text("\n".join(lines), encoding="ascii")

    def _write_key(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        self.directory.joinpath("service-accounts.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


async def _status(client: ApiClient, path: str) -> int:
    try:
        await client.request("GET", path)
    except RefusedError as error:
        return error.status
    return 200


async def may(admin: ApiClient, identity: Identity, rule: Object, namespace: str) -> bool:
    """Return whether a rule is in effect; the API server learns its own rules from a watch."""
    resource, _, subresource = rule["resources"][0].partition("/")
    asked = {"group": rule["apiGroups"][0], "resource": resource, "subresource": subresource}
    asked |= {"verb": rule["verbs"][0], "namespace": namespace, "name": rule.get("resourceNames", [""])[0]}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {"user": identity.name, "groups": [identity.group], "resourceAttributes": asked},
    }
    return bool((await admin.create(review))["status"]["allowed"])
