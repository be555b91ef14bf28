"""A kubeconfig's exec plugin: a program that prints credentials.

kubernetes.aio prepares the command and its environment; running it is ours: the library's own way waits for ever, blocks
when the plugin writes much to stderr, leaves the program behind when cancelled, and only logs what went wrong.
"""

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import ConfigNode

from kube.client.errors import AccessError, short

TIMEOUT: Final = 60.0
"""Seconds that a plugin may take; those of the clouds ask a server or two."""

KILLED: Final = 1.0
"""Seconds until a killed plugin is gone; one that made itself a session of its own is left behind."""

INFO: Final = "KUBERNETES_EXEC_INFO"


class Credential(msgspec.Struct):
    """What a plugin gives: a token, a certificate with its key, or both."""

    token: str | None = None
    certificate: str | None = msgspec.field(default=None, name="clientCertificateData")
    key: str | None = msgspec.field(default=None, name="clientKeyData")

    def __repr__(self) -> str:
        return "Credential(…)"


class _Answer(msgspec.Struct):
    version: str = msgspec.field(name="apiVersion")
    status: Credential


class ExecPlugin(NamedTuple):
    """A plugin, and where the kubeconfig names it. `cluster` is told to it when it wants to know (provideClusterInfo)."""

    place: str
    config: Mapping[str, Any]
    cluster: Mapping[str, Any]

    async def run(self) -> Credential:
        """Run it and return what it prints; raise AccessError when it fails, or takes longer than TIMEOUT."""
        provider = ExecProvider(ConfigNode(self.place, dict(self.config)))  # type: ignore[no-untyped-call]
        spec: dict[str, Any] = {"interactive": False}
        if self.config.get("provideClusterInfo"):
            spec["cluster"] = self.cluster
        info = {"apiVersion": provider.api_version, "kind": "ExecCredential", "spec": spec}
        environment = {**provider.env, INFO: json.dumps(info)}
        try:
            process = await _start(provider.args, environment)
        except (OSError, ValueError) as error:
            hint = self.config.get("installHint") or "install it, or give its full path"
            said = getattr(error, "strerror", None) or error
            raise self._error(f"cannot be run: {said}: {short(str(hint))}") from None
        try:
            async with asyncio.timeout(TIMEOUT):
                output, complaint = await process.communicate()
        except TimeoutError:
            await _kill(process)
            raise self._error(f"gave no credentials within {TIMEOUT:g} s: run it by hand") from None
        except asyncio.CancelledError:
            await _kill(process)
            raise
        if process.returncode:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise self._error(
                f"ended with {process.returncode}: {short(last) or 'run it by hand to see why'}"
            )
        return self._credential(output)

    def _credential(self, output: bytes) -> Credential:
        try:
            answer = msgspec.json.decode(output, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):  # their texts may quote the token
            raise self._error("did not print an ExecCredential in JSON: run it by hand") from None
        if answer.version != self.config["apiVersion"]:
            raise self._error(
                f"speaks {short(answer.version)}, not {self.config['apiVersion']}: correct apiVersion in {self.place}"
            )
        given = answer.status
        if bool(given.certificate) != bool(given.key):
            raise self._error("gave a certificate without a key or a key without a certificate")
        if not given.token and not given.certificate:
            raise self._error("gave neither a token nor a client certificate")
        return given

    def _error(self, problem: str) -> AccessError:
        return AccessError(f"{self.place}: the plugin {short(str(self.config['command']))} {problem}")


async def _start(command: Sequence[str], environment: Mapping[str, str]) -> Process:
    """Start a program; when cancelled, once it has started: asyncio may wait for ever if it is cancelled before."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError, ValueError):
            await _kill(await starting)
        raise


async def _kill(process: Process) -> None:
    """Kill a plugin with the programs that it started: one of them may hold the output when it has ended itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILLED):
            await process.communicate()
