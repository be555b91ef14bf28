"""What somebody else does to the Service is undone, and nothing more."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kube.controllers.exposing import exposing, loadbalancer, look, service
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object

OTHER_PORT = {"name": "extra", "port": 9999, "targetPort": 1, "protocol": "TCP"}
EDITS: dict[str, Callable[[Object], None]] = {
    "selector": lambda it: it["spec"]["selector"].update(app="other"),
    "no selector": lambda it: it["spec"].pop("selector"),
    "type": lambda it: it["spec"].update(type="NodePort"),
    "policy": lambda it: it["spec"].update(externalTrafficPolicy="Local"),
    "target port": lambda it: it["spec"]["ports"][0].update(targetPort=1),
    "port number": lambda it: it["spec"]["ports"][0].update(port=8443),
    "one port more": lambda it: it["spec"]["ports"].append(OTHER_PORT),
    "another port of the same name": lambda it: it["spec"].update(
        ports=[OTHER_PORT | {"name": "https"}, it["spec"]["ports"][1]]
    ),
    "a port name": lambda it: it["spec"]["ports"][0].update(name="renamed"),
    "annotation": lambda it: it["metadata"]["annotations"].update(a="other"),
    "no annotations": lambda it: it["metadata"].pop("annotations"),
    "label": lambda it: it["metadata"]["labels"].update({"kubelb.k8c.io/tenant": "other"}),
    "the label that it is followed by": lambda it: it["metadata"].pop("labels"),
    "no owner": lambda it: it["metadata"].pop("ownerReferences"),
    "managed fields": lambda it: it["metadata"].update(managedFields=[{}]),
}


def _ours(it: Object) -> dict[str, Any]:
    """Return what of a Service is ours to say."""
    metadata, spec = it["metadata"], it["spec"]
    ports = [{key: port[key] for key in ("name", "port", "protocol", "targetPort")} for port in spec["ports"]]
    found = {
        "uid": metadata["uid"],
        "labels": metadata.get("labels"),
        "annotations": metadata.get("annotations"),
        "owners": metadata.get("ownerReferences"),
        "applied": [
            entry["fieldsV1"]["f:metadata"]
            for entry in metadata.get("managedFields", ())
            if (entry["manager"], entry["operation"]) == ("kubelb-xds", "Apply")
        ],
        "spec": [spec[key] for key in ("type", "externalTrafficPolicy")],
        "selector": spec.get("selector"),
        "ports": sorted(ports, key=lambda port: int(port["port"])),
    }
    return copy.deepcopy(found)


@pytest.mark.parametrize("edit", EDITS)
async def test_an_edit_is_undone(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path, edit: str
) -> None:
    """Whatever field of ours somebody edits in the Service is as before soon after, by few writes."""
    ports = {"https": 443, "http": 80}
    await admin.create(loadbalancer(tenant, ports=ports, annotations={"a": "1"}))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant))
        await world.settled()
        before, writes = _ours(made), len(world.sent)
        made["apiVersion"], made["kind"] = "v1", "Service"
        EDITS[edit](made)
        edited = await admin.replace(made)
        assert _ours(edited) != before
        await world.stands(service(tenant), lambda it: _ours(it) == before)
        await world.settled()
        assert 1 <= len(world.sent) - writes <= 2
        assert _ours(await admin.get(service(tenant))) == before


async def test_a_port_that_somebody_added_and_we_want_later(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """Ports that were once replaced together with somebody's are still ours to remove."""
    await admin.apply(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant))
        await admin.patch(made, {"spec": {"ports": [OTHER_PORT]}})
        await world.stands(
            service(tenant), lambda it: [port["port"] for port in it["spec"]["ports"]] == [443]
        )
        await admin.apply(loadbalancer(tenant, ports={"http": 80}))
        await world.stands(service(tenant), lambda it: [port["port"] for port in it["spec"]["ports"]] == [80])
        await world.settled()


async def test_a_deletion_is_undone(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A Service that somebody deletes is made again; one that a finalizer of the cloud's keeps, when that is gone."""
    await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        first = await world.stands(service(tenant))
        await admin.delete(first | service(tenant))
        second = await world.stands(
            service(tenant), lambda it: it["metadata"]["uid"] != first["metadata"]["uid"]
        )
        finalizer = "service.kubernetes.io/load-balancer-cleanup"
        await admin.patch(service(tenant), {"metadata": {"finalizers": [finalizer]}})
        await admin.delete(service(tenant))
        await world.settled()
        kept = await look(admin, service(tenant))
        assert kept is not None
        assert kept["metadata"]["uid"] == second["metadata"]["uid"]
        assert world.of("web") == ({}, {}, None)
        await admin.patch(service(tenant), {"metadata": {"finalizers": None}})
        await world.stands(service(tenant), lambda it: it["metadata"]["uid"] != second["metadata"]["uid"])
