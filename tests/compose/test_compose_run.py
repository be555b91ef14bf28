"""docker-compose.yml on a real engine, as README tells it: the proof's rows, what is changed by hand, and that a broken row is noticed.

One project serves all tests here, in their order; the last one breaks it.
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pytest

from tests.support.docker_engine import Project
from xds.app.demo import parts, proof
from xds.app.demo.client import Attempt, ask
from xds.app.demo.ports import bound

pytestmark = pytest.mark.docker

ROWS: Final = tuple(expected.loadbalancer for expected in proof.EXPECTED)
BUILT_WITHIN: Final = 600.0
"""Seconds for the whole of it where nothing is built yet and the network is slow."""
UP_WITHIN: Final = 180.0
ARRIVES_WITHIN: Final = 30.0
"""Seconds after a command within which clients see what it changed; a busy engine takes a few of them to start a container."""
LONG_RUNNING: Final = ("control-plane", "backend-tls", "backend-plain", "envoy", "watch")


def free_range(count: int) -> int:
    """Return the first of so many ports in a row that are free, of those that no other test chooses any from."""
    for first in range(21101, 22000, 100):
        sockets = []
        try:
            for port in range(first, first + count):
                sockets.append(bound(port=port))  # noqa: PERF401 — those that were bound are closed
        except OSError:
            continue
        else:
            return first
        finally:
            for each in sockets:
                each.close()
    raise AssertionError(f"no {count} free ports in a row")


class Running:
    """The project, once it is up, and its published ports."""

    def __init__(self, project: Project, first_port: int, name: str) -> None:
        self.project = project
        self.name = name
        self._first_port = first_port

    def proof(self) -> list[str]:
        """Return the lines of the proof's last run."""
        lines = self.project.said("logs", "--no-log-prefix", "proof").splitlines()
        begin = max(number for number, line in enumerate(lines) if line.startswith("kubelb-xds demo"))
        return lines[begin:]

    def rows(self, mark: str) -> tuple[str, ...]:
        """Return the rows of the proof's last run that bear a mark."""
        return tuple(line.split()[1] for line in self.proof() if line.startswith(f" {mark} "))

    def ask(self, loadbalancer: str) -> Attempt:
        """Connect to a LoadBalancer from this machine."""
        port = self._first_port + ROWS.index(loadbalancer)
        return asyncio.run(ask(port, b"GET / HTTP/1.0\r\n\r\n", at_least=1 << 16))

    def until(self, loadbalancer: str, holds: Callable[[Attempt], bool]) -> None:
        """Connect until it is so."""
        deadline = time.monotonic() + ARRIVES_WITHIN
        while not holds(attempt := self.ask(loadbalancer)):
            assert time.monotonic() < deadline, (loadbalancer, attempt)

    def watched(self, loadbalancer: str) -> list[str]:
        """Return what the watch has said of a LoadBalancer, in order."""
        lines = self.project.said("logs", "--no-log-prefix", "watch").splitlines()
        return [seen for _, name, seen in (line.split(maxsplit=2) for line in lines) if name == loadbalancer]

    def until_watched(self, loadbalancer: str, *seen: str) -> None:
        """Wait until the watch has said this of a LoadBalancer, in this order, and the last of it last.

        While a backend changes its certificate a connection may still get the one before, which is said between.
        """
        deadline = time.monotonic() + ARRIVES_WITHIN
        while not _ends_with(self.watched(loadbalancer), seen):
            assert time.monotonic() < deadline, (loadbalancer, self.watched(loadbalancer))


def _ends_with(said: Sequence[str], seen: Sequence[str]) -> bool:
    rest = iter(said)
    return all(each in rest for each in seen) and said[-1] == seen[-1]


REFUSED, REACHED = "closed without a reply", "reached over TLSv1.3"
"""The watch's words."""


def refused(attempt: Attempt) -> bool:
    """Whether Envoy took the connection, and ended it without an answer."""
    return attempt.cut and not attempt.reply


def over_tls(attempt: Attempt) -> bool:
    """Whether a backend answered that it was reached over TLS."""
    return attempt.reply.endswith(b", reached over TLSv1.3\n")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Bring it up as README says, on ports that are free, and take it down with all that it made."""
    first_port, name = free_range(len(ROWS)), f"kubelb-xds-test-{os.getpid()}"
    ports = f"{first_port}-{first_port + len(ROWS) - 1}"
    project = Project(tmp_path_factory.mktemp("compose"), name, {"DEMO_PORTS": ports})
    try:
        project.said("up", "--build", "--wait", within=BUILT_WITHIN)
        yield Running(project, first_port, name)
    finally:
        project("down", "--volumes", "--timeout", "1")


def test_every_row_is_as_expected(running: Running) -> None:
    """One command brings it up, and the proof shows all nine rows."""
    assert running.rows("ok") == ROWS
    assert running.rows("!!") == ()
    assert running.proof()[-1].startswith("All 9 rows are as expected")


def test_clients_outside_reach_the_published_ports(running: Running) -> None:
    """What a client of this machine gets is what the proof saw."""
    for expected in proof.EXPECTED:
        attempt = running.ask(expected.loadbalancer)
        if expected.over:
            assert attempt.reply.endswith(f"{expected.loadbalancer}, reached {expected.over}\n".encode()), (
                attempt
            )
        else:
            assert refused(attempt), attempt


def test_no_process_has_rights(running: Running) -> None:
    """Every process of every service is the same nobody, without capabilities, and its file system is read-only."""
    for service in LONG_RUNNING:
        status = running.project.said("exec", "-T", service, "cat", "/proc/1/status")
        found: Mapping[str, str] = dict(re.findall(r"^(\w+):\s*(.*)$", status, re.MULTILINE))
        assert set(found["Uid"].split()) == {"65532"}, (service, found)
        assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 0, (service, found)
        assert found["NoNewPrivs"] == "1"
        done = running.project("exec", "-T", service, "touch", "/written")
        assert "Read-only file system" in done.stderr, (service, done)


def test_nothing_is_derived_at_the_start(running: Running) -> None:
    """The image has Envoy's schema as it is derived once, readable for its user: envoy-data-plane is not even loaded."""
    command = (
        "import sys, xds.app.control_plane, xds.messages._classes; print('envoy_data_plane' in sys.modules)"
    )
    assert running.project.said("exec", "-T", "control-plane", "python", "-c", command).strip() == "False"


def test_the_control_plane_speaks_mutual_tls_only(running: Running) -> None:
    """The log says so, and on its network TLS without a certificate is hung up on before a word of HTTP/2, as plaintext is."""
    log = running.project.said("logs", "--no-log-prefix", "control-plane")
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]
    (serving,) = (line for line in lines if line["event"] == "serving xDS")
    assert serving["tls"] == "mutual"
    assert {line["tenant"] for line in lines if line["event"] == "stream opened"} == {"tenant-primary"}
    for wrapped in ("ssl._create_unverified_context().wrap_socket(plain)", "plain"):
        heard = running.project.said("exec", "-T", "watch", "python", "-c", _STRANGER.format(wrapped))
        assert heard == "b''\n", wrapped


_STRANGER: Final = """
import socket, ssl
plain = socket.create_connection(("control-plane", 18000), timeout=10)
connection = {}
connection.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\4\\0\\0\\0\\0\\0")
print(connection.recv(1))
"""
"""A client of HTTP/2 with its preface and settings, to which a server that lets it in answers with its own."""


def test_a_changed_manifest_arrives(running: Running) -> None:
    """Another policy in an edited file, and the LoadBalancer that was refused is reached; and back again."""
    running.project.change(parts.WRONG_CA, lambda text: text.replace("policy: Verify", "policy: Insecure"))
    running.until(parts.WRONG_CA, over_tls)
    running.project.change(parts.WRONG_CA, lambda text: text.replace("policy: Insecure", "policy: Verify"))
    running.until(parts.WRONG_CA, refused)


def _by_hand(running: Running, verb: str, loadbalancer: str) -> None:
    running.project.said("run", "--rm", "backend-certificates", verb, loadbalancer)


def test_a_rotated_ca_arrives(running: Running) -> None:
    """The backend's certificate of a new CA is refused until ca.crt has that CA; the watch tells both, and of no other."""
    _by_hand(running, "renew", parts.ROTATION)
    running.until(parts.ROTATION, refused)
    running.until_watched(parts.ROTATION, REACHED, REFUSED)
    assert over_tls(running.ask(parts.VERIFY))
    _by_hand(running, "trust", parts.ROTATION)
    running.until(parts.ROTATION, over_tls)
    running.until_watched(parts.ROTATION, REACHED, REFUSED, REACHED)
    assert running.watched(parts.VERIFY) == [REACHED]


def test_the_missing_secret_arrives(running: Running) -> None:
    """Once the Secret is there, its LoadBalancer is reached, and the watch tells."""
    assert refused(running.ask(parts.MISSING_SECRET))
    _by_hand(running, "trust", parts.MISSING_SECRET)
    running.until(parts.MISSING_SECRET, over_tls)
    running.until_watched(parts.MISSING_SECRET, REFUSED, REACHED)


def test_the_certificates_of_xds_are_renewed_under_way(running: Running) -> None:
    """`certgen --force` replaces authority and certificates; both sides take them up, and a change arrives after it, too."""
    certgen = (
        "certgen",
        "--directory=/certs",
        "--server-name=control-plane",
        "--tenant=tenant-primary",
        "--force",
    )
    running.project.said("run", "--rm", "xds-certificates", *certgen)
    running.project.said("restart", "--timeout", "5", "control-plane")
    running.project.change(parts.WITHOUT_REF, lambda text: text.replace("policy: Verify", "policy: Insecure"))
    running.until(parts.WITHOUT_REF, refused)
    running.project.change(parts.WITHOUT_REF, lambda text: text.replace("policy: Insecure", "policy: Verify"))
    running.until(parts.WITHOUT_REF, lambda attempt: attempt.reply.endswith(b"over plain TCP\n"))


UPSTREAM_TLS = re.compile(r"  upstreamTLS:\n(?:    .+\n)+")


def _spec_tls(*lines: str) -> Callable[[str], str]:
    """Return an edit that makes this the whole of spec.upstreamTLS; nothing for none."""
    text = "".join(f"{line}\n" for line in ("  upstreamTLS:", *lines)) if lines else ""
    return lambda manifest: UPSTREAM_TLS.sub("", manifest).replace("spec:\n", f"spec:\n{text}", 1)


def _verify(secret: str) -> Callable[[str], str]:
    return _spec_tls("    policy: Verify", "    caSecretRef:", f"      name: {secret}")


INSECURE = _spec_tls("    policy: Insecure")
BROKEN: Final[Mapping[str, Callable[[str], str]]] = {
    parts.PLAIN: INSECURE,
    parts.INSECURE: _spec_tls(),
    parts.VERIFY: _verify("unrelated-ca"),
    parts.INTERMEDIATE: _verify("backend-ca"),
    parts.WRONG_CA: _verify("backend-ca"),
    parts.WITHOUT_REF: INSECURE,
    parts.MISSING_SECRET: INSECURE,
    parts.PLAIN_BACKEND: _spec_tls(),
    parts.ROTATION: _verify("unrelated-ca"),
}
"""How each row is broken: what is reached is to be refused, what is refused to be reached, or TLS is left out."""


def test_every_broken_row_is_noticed(running: Running) -> None:
    """With all nine LoadBalancers changed, `docker compose up --wait` fails, and the proof names each of them."""
    for loadbalancer, edit in BROKEN.items():
        running.project.change(loadbalancer, edit)
    done = running.project("up", "--wait", within=UP_WITHIN)
    assert done.returncode != 0
    assert 'service "proof" didn\'t complete successfully: exit 1' in done.stderr
    assert running.rows("!!") == ROWS
    assert running.proof()[-1].startswith("9 of 9 rows are not as expected")
