"""The conditions about a LoadBalancer's own words and what it names, as the leader writes them on a real API server, and their Events."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.world import World, loadbalancer, world
from tests.e2e.written import WITHIN, Written, condition_of
from tests.support.kube_client import Object
from tests.support.pki import ca as authority
from xds.app.demo.manifests import secret
from xds.app.demo.waiting import poll

FreePort = Callable[..., int]
GARBAGE = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"
NOW = datetime.now(UTC)
LONG_AGO, YESTERDAY, SOON, LATER = (NOW + timedelta(days=days) for days in (-60, -1, 10, 400))


async def says(cluster: Written, text: str, *, condition: str = "ResolvedRefs", since: int = 0) -> Object:
    """Wait until a condition of "web" has this text; return the condition."""
    lb = await cluster.stands(
        "web", lambda lb: text in condition_of(lb, condition).get("message", ""), what=text, since=since
    )
    return condition_of(lb, condition)


async def told(cluster: Written, message: str, reason: str, *, count: int = 1) -> None:
    """Wait for an Event with this text about "web", which is there once and counts so often."""

    async def events() -> list[Object]:
        return [event for event in await cluster.events("web") if event["message"] == message]

    (event,) = await poll(
        events, lambda them: [each["count"] for each in them] == [count], within=WITHIN, what="an Event"
    )
    assert (event["type"], event["reason"]) == ("Warning", reason)
    assert event["involvedObject"]["uid"] == (await cluster.get("web"))["metadata"]["uid"]


async def test_what_it_names(cluster: Written, writing: World) -> None:
    """ResolvedRefs has Gateway API's reason and words that name the Secret, while that is missing or no use, and is True when it is right.

    Each thing that is wrong is one Event, and one that comes again counts.
    """
    pem = authority("ca").pem
    without_key = {"type": "Opaque", "data": {"other": base64.b64encode(pem).decode()}}
    wrong: list[tuple[str, Object | None]] = [
        ('names "backend-ca", and namespace', None),
        ("secret backend-ca missing 'ca.crt' key", without_key),
        (f"Secret {cluster.tenant}/backend-ca: ca.crt", {**secret(cluster.tenant, "backend-ca", GARBAGE)}),
    ]
    mark = 0
    await writing.put("web", loadbalancer("web", 443, 30443, policy="Verify", ca="backend-ca"))
    changed: set[str] = set()
    texts: list[str] = []
    for text, manifest in wrong:
        if manifest is not None:
            named = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "backend-ca"}}
            await writing.put("backend-ca", named | manifest)
        said = await says(cluster, text, since=mark)
        assert (said["status"], said["reason"]) == ("False", "InvalidCACertificateRef")
        assert said["observedGeneration"] == 1
        changed.add(said["lastTransitionTime"])
        texts.append(said["message"])
        mark = len(cluster.said)
    assert len(changed) == 1
    # It is served, and fails closed; nothing is wrong with its own words.
    await cluster.says("web", "Programmed", "True")
    await cluster.says("web", "Accepted", "True")

    await writing.put_ca("backend-ca", pem)
    said = await cluster.says("web", "ResolvedRefs", "True", reason="ResolvedRefs", since=mark)
    assert (said["message"], said["observedGeneration"]) == ("", 1)

    mark = len(cluster.said)
    await writing.remove("backend-ca")
    await says(cluster, wrong[0][0], since=mark)
    for message in texts:
        await told(cluster, message, "InvalidCACertificateRef", count=1 + (message == texts[0]))
    assert len(await cluster.events("web")) == len(texts)


async def test_its_own_words(cluster: Written, writing: World) -> None:
    """Accepted is False with the field and the remedy, of what makes no sense or is not to be had; what only has no effect is said, too."""
    await writing.put("web", loadbalancer("web", 443, 30443, policy="Verify"))
    said = await cluster.says("web", "Accepted", "False", reason="CASecretRefRequired")
    assert "caSecretRef is required for Verify policy" in said["message"]

    mark = len(cluster.said)
    await writing.put("web", loadbalancer("web", 443, 30443, hostname="web.example.com"))
    said = await cluster.says("web", "Accepted", "True", since=mark)
    assert "spec.hostname" in said["message"]
    await told(cluster, said["message"], "HostnameIgnored")
    assert said["observedGeneration"] == 2

    # Somebody else's Service has the name.
    mark = len(cluster.said)
    service = cluster.service("web")
    await cluster.client.create(service | {"spec": {"ports": [{"port": 80}]}})
    await writing.put("web", loadbalancer("web", 443, 30443, type="LoadBalancer"))
    said = await cluster.says("web", "Accepted", "False", reason="ServiceNameTaken", since=mark)
    assert "envoy-web" in said["message"]
    mark = len(cluster.said)
    await cluster.client.delete(service)
    await writing.put("web", loadbalancer("web", 444, 30443, type="LoadBalancer"))
    await cluster.says("web", "Accepted", "True", since=mark)
    await cluster.found(
        service, lambda it: it is not None and it["spec"]["type"] == "LoadBalancer", what="its own"
    )
    reasons = [event["reason"] for event in await cluster.events("web")]
    assert reasons == ["CASecretRefRequired", "HostnameIgnored", "ServiceNameTaken"]


@pytest.mark.parametrize("what", ["certificate", "CRL"])
async def test_what_runs_out_soon(
    tmp_path: Path,
    cluster: Written,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
    what: str,
) -> None:
    """CACertificateExpiring is True while a certificate or CRL in the bundle runs out within the setting, and absent otherwise."""
    soon, later = (authority("ca", start=LONG_AGO, end=end) for end in (SOON, LATER))
    expiring = soon.pem if what == "certificate" else later.pem + later.crl(start=LONG_AGO, end=SOON)
    lasting = later.pem + later.crl(start=LONG_AGO, end=LATER)
    xds_port = free_port()
    async with world(tmp_path, "delta", xds_port, cluster) as writing:
        await writing.put_ca("backend-ca", expiring)
        await writing.put("web", loadbalancer("web", 443, 30443, policy="Verify", ca="backend-ca"))
        said = await cluster.says("web", "CACertificateExpiring", "True")
        assert said["observedGeneration"] == 1
        assert f"{SOON:%Y-%m-%d}" in said["message"]
        await cluster.says("web", "ResolvedRefs", "True")
        await cluster.says("web", "Programmed", "True")
        await told(
            cluster, said["message"], "CACertificateExpiring" if what == "certificate" else "CRLExpiring"
        )

        mark = len(cluster.said)
        await writing.put_ca("backend-ca", lasting)
        await cluster.stands(
            "web",
            lambda lb: not condition_of(lb, "CACertificateExpiring"),
            what="no such condition",
            since=mark,
        )
        mark = len(cluster.said)
        await writing.put_ca("backend-ca", expiring)
        await cluster.says("web", "CACertificateExpiring", "True", since=mark)
        assert await writing.rejected() == {}

        # Run out: that is an Event as well.
        mark = len(cluster.said)
        over = authority("ca", start=LONG_AGO, end=YESTERDAY)
        await writing.put_ca(
            "backend-ca",
            over.pem if what == "certificate" else later.pem + later.crl(start=LONG_AGO, end=YESTERDAY),
        )
        said = await says(cluster, f"expired at {YESTERDAY:%Y-%m-%d}", since=mark)
        await told(
            cluster, said["message"], "CACertificateExpired" if what == "certificate" else "CRLExpired"
        )
        await writing.put_ca("backend-ca", expiring)
    # Whoever is to warn later does.
    mark = len(cluster.said)
    played = World(cluster, xds_port, ca_expiry_warning_days=9)
    await played.start_control_plane()
    try:
        await cluster.stands(
            "web",
            lambda lb: not condition_of(lb, "CACertificateExpiring"),
            what="no such condition",
            since=mark,
        )
    finally:
        await played.stop_control_plane()
