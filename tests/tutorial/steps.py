"""The tutorial, step by step: the reference's own manifests and commands, its Troubleshooting list, and the bytes that went through Envoy."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.tutorial.clusters import BOUND, HOME, Clusters
from tests.tutorial.teller import Teller
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Attempt, Outcome, ask
from xds.app.demo.ports import LOOPBACK, Ports
from xds.app.demo.recorder import Recorder
from xds.app.demo.waiting import poll

POLICY, CA = "kubelb.k8c.io/backend-tls-policy", "kubelb.k8c.io/backend-tls-ca-secret"
NAME = "my-tls-backend"
INSECURE = """\
apiVersion: v1
kind: Service
metadata:
  name: my-tls-backend
  namespace: default
  annotations:
    kubelb.k8c.io/backend-tls-policy: "Insecure"
spec:
  type: LoadBalancer
  selector:
    app: my-tls-backend
  ports:
    - port: 443
      targetPort: 443
"""
VERIFY = INSECURE.replace(
    '"Insecure"\n', '"Verify"\n    kubelb.k8c.io/backend-tls-ca-secret: "my-backend-ca"\n'
)
NODE = {
    "addresses": [{"type": "ExternalIP", "address": LOOPBACK}],
    "conditions": [{"type": "Ready", "status": "True"}],
}


class Wire:
    """What goes through Envoy, and who saw it."""

    def __init__(
        self, clusters: Clusters, teller: Teller, backend: Backend, recorder: Recorder, port: int
    ) -> None:
        self._clusters = clusters
        self._teller = teller
        self._backend = backend
        self._recorder = recorder
        self._port = port
        self._payloads = 0

    async def passes(self, *, tls: bool) -> None:
        """Wait until a client's bytes come to the backend, and see how."""
        self._payloads += 1
        payload = f"hello {self._payloads}\n".encode()
        attempt = await self._until(lambda it: it.outcome is Outcome.REPLY, payload, "a reply")
        seen = next(each for each in reversed(self._backend.connections) if payload in each.received)
        recording = next(each for each in reversed(self._recorder.recordings) if each.peer)
        assert bool(seen.tls_version) is tls, seen
        how = f"over {seen.tls_version}" if tls else "in the clear"
        self._teller.seen("client", f"sent {payload!r} to Envoy, got {attempt.reply!r} back")
        self._teller.seen("backend", f"{len(payload)} bytes {how}")
        sent = recording.to_backend
        assert sent.only_tls is tls, recording
        self._teller.seen("wire", f"{'all in TLS records' if tls else 'readable'}")

    async def is_cut(self) -> None:
        """Wait until nothing passes."""
        await self._until(lambda it: it.cut, b"hello\n", "a connection that is cut")
        received = len(self._backend.received)
        attempt = await ask(self._port, b"secret\n")
        assert attempt.cut, attempt
        assert len(self._backend.received) == received, "bytes came through"
        self._teller.seen("client", "connection cut by Envoy, no byte came to the backend")

    async def fails_to_verify(self) -> None:
        """Wait until Envoy has refused the backend's certificate, and the backend has heard so."""
        admin = self._clusters.envoy.admin

        async def refused() -> int:
            return sum((await admin.stats("ssl.fail_verify_error")).values())

        count = await poll(refused, bool, within=BOUND, what="ssl.fail_verify_error")
        self._teller.seen("Envoy", f"ssl.fail_verify_error {count}")
        seen = self._backend.connections
        await seen.until(
            lambda: any("UNKNOWN_CA" in each.failure for each in seen), within=BOUND, what="UNKNOWN_CA"
        )
        failure = next(each.failure for each in reversed(seen) if "UNKNOWN_CA" in each.failure)
        self._teller.seen("backend", f"handshake failed: {failure}")

    async def is_refused(self) -> None:
        """Wait until Envoy no longer listens."""
        await self._until(lambda it: it.outcome is Outcome.REFUSED, b"hello\n", "a port that is closed")
        self._teller.seen("client", "connection refused: Envoy no longer listens")

    async def _until(self, holds: Callable[[Attempt], bool], payload: bytes, what: str) -> Attempt:
        return await poll(partial(ask, self._port, payload), holds, within=BOUND, what=what, every=0.1)


async def play(clusters: Clusters, teller: Teller) -> None:
    """Play all of it. Raises NotSeenError and AssertionError for what is not as the reference says."""
    tenant = clusters.tenant
    right, wrong = Authority("right"), Authority("wrong")
    await tenant.quietly(
        "create",
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}}),
    )
    await tenant.quietly(
        "patch", "node", "worker", "--subresource=status", "-p", json.dumps({"status": NODE})
    )

    teller.step("Insecure mode: TLS, and any certificate will do")
    await tenant("apply", "-f", "-", stdin=INSECURE)
    made = json.loads(await tenant.quietly("get", "service", NAME, "-o", "json"))
    while not free(made["spec"]["ports"][0]["nodePort"]):
        teller.say("(that NodePort is taken on this machine: once more)")
        await tenant.quietly("delete", "service", NAME)
        await tenant("apply", "-f", "-", stdin=INSECURE)
        made = json.loads(await tenant.quietly("get", "service", NAME, "-o", "json"))
    node_port, uid = made["spec"]["ports"][0]["nodePort"], made["metadata"]["uid"]
    with TemporaryDirectory(prefix="kubelb-xds-tutorial-") as folder:
        for name, authority in (("right.pem", right), ("wrong.pem", wrong)):
            Path(folder, name).write_bytes(authority.pem)
        async with (
            Backend("web", identity=right.issue("web")) as backend,
            Recorder("web", backend.port, port=node_port) as recorder,
        ):
            recorded = await clusters.management.until(
                *("-n", HOME, "get", "lb", uid, "-o", "jsonpath={.status.service.ports[0].targetPort}"),
                holds=str.isdecimal,
            )
            wire = Wire(clusters, teller, backend, recorder, int(recorded))
            await _tutorial(clusters, teller, wire, uid)
            await _troubleshooting(clusters, teller, wire, uid, backend, Path(folder))
            await _end(clusters, teller, wire)


def free(port: int) -> bool:
    """Return whether nobody else has a port of this machine, which plays the node."""
    return Ports().choose("a node port", wanted=port).replaces is None


async def _tutorial(clusters: Clusters, teller: Teller, wire: Wire, uid: str) -> None:
    tenant, management = clusters.tenant, clusters.management
    await management("-n", HOME, "get", "lb")
    spec = await management.quietly("-n", HOME, "get", "lb", uid, "-o", "jsonpath={.spec.upstreamTLS}")
    assert json.loads(spec) == {"policy": "Insecure"}
    teller.seen("spec", f"upstreamTLS: {spec}")
    await wire.passes(tls=True)
    await tenant.until(
        "get", "events", "--field-selector", "reason=Programmed", holds=lambda it: "Normal" in it
    )

    teller.step("The cloud gives Envoy's Service an address, and the tenant sees it")
    service = f"envoy-{uid}"
    address = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}})
    await management.until("-n", HOME, "get", "service", service, holds=lambda it: "LoadBalancer" in it)
    await management("-n", HOME, "patch", "service", service, "--subresource=status", "-p", address)
    await tenant.until("get", "service", NAME, holds=lambda it: "203.0.113.7" in it)


async def _troubleshooting(
    clusters: Clusters, teller: Teller, wire: Wire, uid: str, backend: Backend, folder: Path
) -> None:
    """Play Verify mode by way of everything that can be wrong with it, in the reference's words."""
    tenant, management, log = clusters.tenant, clusters.management, clusters.manager_log
    secret = ("-n", HOME, "create", "secret", "generic", "my-backend-ca")

    async def said(text: str) -> None:
        """See it in all three places: the Event on the Service, the condition on the LoadBalancer, the manager's log."""
        await tenant.until("get", "events", "--field-selector", "type=Warning", holds=lambda it: text in it)
        conditions = "jsonpath={range .status.conditions[*]}{.type}={.status}: {.message}{'\\n'}{end}"
        await management.until("-n", HOME, "get", "lb", uid, "-o", conditions, holds=lambda it: text in it)
        await log.says(text)
        teller.seen("manager log", text)

    teller.step("Verify mode, and the Secret does not exist: failed to get CA secret")
    await tenant("apply", "-f", "-", stdin=VERIFY)
    await said("failed to get CA secret")
    await wire.is_cut()

    teller.step("The Secret has no ca.crt: secret <name> missing 'ca.crt' key")
    await management(*secret, f"--from-file=tls.crt={folder / 'right.pem'}")
    await said("secret my-backend-ca missing 'ca.crt' key")
    await wire.is_cut()

    teller.step("Another CA: the handshake fails with certificate verify failed")
    await management("-n", HOME, "delete", "secret", "my-backend-ca")
    await management(*secret, f"--from-file=ca.crt={folder / 'wrong.pem'}")
    await wire.fails_to_verify()
    await wire.is_cut()

    teller.step("The right CA: changes to the Secret are picked up, nothing has to be triggered")
    await management("-n", HOME, "delete", "secret", "my-backend-ca")
    await management(*secret, f"--from-file=ca.crt={folder / 'right.pem'}")
    await wire.passes(tls=True)

    teller.step("Verify without a CA: caSecretRef is required for Verify policy, and plain TCP")
    await tenant("annotate", "service", NAME, f"{CA}-")
    await said("caSecretRef is required for Verify policy")
    backend.present(None)
    await wire.passes(tls=False)

    teller.step("TLS to a plain backend: the connection is cut")
    await tenant("annotate", "--overwrite", "service", NAME, f"{POLICY}=Insecure")
    await wire.is_cut()

    teller.step("A word that is none of the two changes nothing, and says so")
    await tenant("annotate", "--overwrite", "service", NAME, f"{POLICY}=insecure")
    await tenant.until(
        *("get", "events", "--field-selector", "reason=InvalidBackendTLSPolicy"),
        holds=lambda it: "must be exactly Insecure or Verify" in it,
    )
    await wire.is_cut()

    teller.step("Without the annotation: plain TCP")
    await tenant("annotate", "service", NAME, f"{POLICY}-")
    await wire.passes(tls=False)


async def _end(clusters: Clusters, teller: Teller, wire: Wire) -> None:
    teller.step("The Service is deleted, and nothing is left")
    await clusters.tenant("delete", "service", NAME)
    await clusters.management.until(
        "-n", HOME, "get", "lb,service", holds=lambda it: "No resources found" in it
    )
    await wire.is_refused()
    teller.say("")
    teller.say("The tutorial gives what it says.")
