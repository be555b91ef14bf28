"""The program as somebody who lacks one of its rights, or none: two replicas in one process, and a story that needs each right.

A story is a row of checks. One who lacks a right gets as far as the check that needs it; there the API server refuses him, and
its audit log says so. Everything is a variant's own: tenant, home of the replicas, identity.
"""

import contextlib
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.support.kube_api import ApiServer, Identity
from tests.support.kube_client import ApiClient, Object, RefusedError
from tests.support.replicas import Replica, replica
from tests.support.rights import Right, Rule, rights
from tests.support.scripted_envoy import scripted_envoy
from xds.app.demo.certificates import Authority

GROUP: Final = "kubelb.k8c.io/v1alpha1"
FINALIZER: Final = "kubelb.k8c.io/cleanup"
REFUSAL: Final = "no such thing"
ADDRESS: Final = "192.0.2.7"
PEM: Final = Authority("ca").pem.decode()
OWNER_REFERENCES: Final = "OwnerReferencesPermissionEnforcement"
"""The admission plugin that asks for the right to set an owner's finalizers, where an owner reference blocks its deletion."""


class Check(NamedTuple):
    """Something that can be seen: what ``probe`` returns, and whether ``holds`` holds of it."""

    says: str
    probe: Callable[[], Awaitable[Any]]
    holds: Callable[[Any], bool]


class Audit:
    """Whom the API server has refused what, by its own audit log: user, verb and resource."""

    _FORBIDDEN = re.compile(r'User "([^"]+)" cannot (\w+) resource "([^"]+)"')

    def __init__(self, directory: Path) -> None:
        self._log = directory / "audit.log"
        policy = directory / "audit-policy.yaml"
        policy.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "audit.k8s.io/v1",
                    "kind": "Policy",
                    "omitStages": ["RequestReceived"],
                    "rules": [{"level": "Metadata", "userGroups": ["tests"]}, {"level": "None"}],
                }
            ),
            encoding="utf-8",
        )
        self.flags = (f"--audit-policy-file={policy}", f"--audit-log-path={self._log}")
        self._read = 0
        self._refused: dict[str, set[str]] = {}

    async def refused(self, user: str) -> frozenset[str]:
        """Return what somebody was refused so far: texts such as ``list secrets``."""
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(self._read)
                news = log.read()
            whole = news[: news.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.splitlines():
                self._take(json.loads(line))
        return frozenset(self._refused.get(user, ()))

    def _take(self, event: Object) -> None:
        status = event.get("responseStatus", {})
        if status.get("code") != 403:
            return
        user, message = event["user"]["username"], status.get("message", "")
        found = self._FORBIDDEN.search(message)
        what = f"{found[2]} {found[3]}" if found else message
        if "you can't set finalizers on" in message:
            what = "update loadbalancers/finalizers"
        self._refused.setdefault(user, set()).add(what)


class Stage(NamedTuple):
    """Where one variant plays: ``home`` is the replicas' own namespace."""

    server: ApiServer
    admin: ApiClient
    tenant: str
    home: str
    kubeconfig: Path
    identity: Identity

    def replica(self, name: str) -> contextlib.AbstractAsyncContextManager[Replica]:
        """Run a replica."""
        return replica(name, self.kubeconfig, tenant=self.tenant, home=self.home)


async def set_up(server: ApiServer, admin: ApiClient, directory: Path, missing: Right | None) -> Stage:
    """Return a stage for somebody who has every right but one."""
    identity = server.identity()
    tenant, home = await server.namespace(), await server.namespace("home")
    left = [right for right in rights() if right != missing]
    await server.allow(identity, _rules(left, "tenants"))
    await server.allow(identity, _rules(left, "own"), home)
    kubeconfig = server.kubeconfig(directory, identity, name=f"{identity.name}.kubeconfig")
    return Stage(server, admin, tenant, home, kubeconfig, identity)


def _rules(left: list[Right], scope: str) -> list[Rule]:
    return [right.rule for right in left if right.scope == scope]


async def story(stage: Stage) -> AsyncGenerator[Check, None]:
    """Yield one check after the other, and between two of them do what leads to the next."""
    admin, tenant = stage.admin, stage.tenant
    web, kept, nodes = (
        _loadbalancer(stage, "web"),
        _loadbalancer(stage, "kept"),
        _loadbalancer(stage, "nodes"),
    )
    web["spec"] |= {"upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": "backend-ca"}}}
    kept["metadata"]["finalizers"] = [FINALIZER]  # as an earlier program has left it
    nodes["spec"]["endpoints"][0]["addressesReference"] = {"name": "late"}
    for thing in (web, kept, nodes):
        await admin.create(thing)
    async with contextlib.AsyncExitStack() as stack:
        one = await stack.enter_async_context(stage.replica("one"))
        yield Check("the first replica is ready", one.missing, lambda missing: not missing)
        yield Check("it leads", partial(_lease, stage), lambda lease: _held_by(lease, "one"))
        yield Check("its lease is renewed", partial(_lease, stage), _is_renewed)
        yield Check("its report is published", partial(_reports, stage), lambda found: "one" in found)
        yield Check("listener ports are recorded", _look(stage, web), _has_port)
        await stack.enter_async_context(scripted_envoy(one.port, tenant))
        programmed = partial(_has, kind="Programmed", status="True")
        yield Check("what every Envoy has ACKed is Programmed", _look(stage, kept), programmed)
        yield Check("a warning is an Event", partial(_count, stage), lambda count: count == 1)
        yield Check("a LoadBalancer gets a Service", _look(stage, _service(stage, "web")), bool)
        yield Check("so does one that has the finalizer", _look(stage, _service(stage, "kept")), bool)

        address = {"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}
        await admin.patch(_service(stage, "web"), address, subresource="status")
        yield Check("the Service's address is copied", _look(stage, web), _has_address)
        later = _loadbalancer(stage, "later")
        await admin.create(later)
        yield Check("a new LoadBalancer gets ports", _look(stage, later), _has_port)
        await admin.create(_secret(stage))
        resolved = partial(_has, kind="ResolvedRefs", status="True")
        yield Check("a CA Secret that is new resolves", _look(stage, web), resolved)
        await admin.create(_addresses(stage))
        yield Check("Addresses that are new resolve", _look(stage, nodes), resolved)

        async with stage.replica("two") as two, scripted_envoy(two.port, tenant) as refusing:
            refusing.refuses[f"{tenant}-kept-ep-0-port-30443-TCP"] = REFUSAL
            refused = partial(_has, kind="Programmed", status="False", text=REFUSAL)
            yield Check(
                "what the other replica's Envoy refuses is not Programmed", _look(stage, kept), refused
            )
            await stack.aclose()  # the first replica ends
            yield Check("the other one leads", partial(_lease, stage), lambda lease: _held_by(lease, "two"))
            yield Check(
                "the first one's report is gone", partial(_reports, stage), lambda found: found == ["two"]
            )
            await admin.delete(_secret(stage))
            yield Check(
                "a warning that was there before is counted", partial(_count, stage), lambda count: count == 2
            )
            await admin.delete(web)
            yield Check(
                "one that is deleted goes, and its Service",
                partial(_remains, stage, "web"),
                lambda left: not left,
            )


# What is seen


def _look(stage: Stage, thing: Object) -> Callable[[], Awaitable[Object | None]]:
    async def probe() -> Object | None:
        try:
            return await stage.admin.get(thing)
        except RefusedError as error:
            if error.status != 404:
                raise
            return None

    return probe


async def _lease(stage: Stage) -> Object | None:
    metadata = {"name": "kubelb-xds", "namespace": stage.home}
    return await _look(
        stage, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
    )()


async def _reports(stage: Stage) -> list[str]:
    """Return the replicas that have a report."""
    listed = await stage.admin.list(
        "v1", "ConfigMap", stage.home, labelSelector="kubelb.k8c.io/report=replica"
    )
    return sorted(item["data"]["replica"].rpartition("-")[0] for item in listed["items"])


async def _count(stage: Stage) -> int:
    """Return how often the warning about the CA Secret was said."""
    listed = await stage.admin.list("v1", "Event", stage.tenant)
    return sum(item["count"] for item in listed["items"] if item["reason"] == "InvalidCACertificateRef")


async def _remains(stage: Stage, name: str) -> list[Object]:
    found = [await _look(stage, thing)() for thing in (_loadbalancer(stage, name), _service(stage, name))]
    return [thing for thing in found if thing]


def _held_by(lease: Object | None, replica: str) -> bool:
    return lease is not None and (lease["spec"].get("holderIdentity") or "").startswith(f"{replica}-")


def _is_renewed(lease: Object | None) -> bool:
    return lease is not None and lease["spec"]["renewTime"] > lease["spec"]["acquireTime"]


def _has_port(thing: Object) -> bool:
    ports = thing.get("status", {}).get("service", {}).get("ports", [])
    return bool(ports) and all(port["targetPort"] for port in ports)


def _has_address(thing: Object) -> bool:
    ingress = thing["status"].get("loadBalancer", {}).get("ingress", [])
    return [each["ip"] for each in ingress] == [ADDRESS]


def _has(thing: Object, *, kind: str, status: str, text: str = "") -> bool:
    conditions = {each["type"]: each for each in thing.get("status", {}).get("conditions", ())}
    found = conditions.get(kind)
    return found is not None and found["status"] == status and text in found["message"]


# What is there


def _loadbalancer(stage: Stage, name: str) -> Object:
    return {
        "apiVersion": GROUP,
        "kind": "LoadBalancer",
        "metadata": {"name": name, "namespace": stage.tenant},
        "spec": {
            "type": "LoadBalancer",
            "endpoints": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "main", "port": 30443}]}],
            "ports": [{"name": "main", "port": 443}],
        },
    }


def _service(stage: Stage, name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"envoy-{name}", "namespace": stage.tenant},
    }


def _secret(stage: Stage) -> Object:
    metadata = {"name": "backend-ca", "namespace": stage.tenant}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"ca.crt": PEM}}


def _addresses(stage: Stage) -> Object:
    metadata = {"name": "late", "namespace": stage.tenant}
    return {
        "apiVersion": GROUP,
        "kind": "Addresses",
        "metadata": metadata,
        "spec": {"addresses": [{"ip": "192.0.2.2"}]},
    }
