"""The real kubectl, as people use it."""

import asyncio
from pathlib import Path

import yaml

from tests.support.kube_api import ApiServer
from tests.support.kube_client import Object

WITHIN = 30.0
"""Seconds within which kubectl has done what it is told, on a machine that is busy."""


class Kubectl:
    """kubectl as the administrator of a server."""

    def __init__(self, server: ApiServer, directory: Path) -> None:
        self._command: list[str | Path] = [
            *(server.programs / "kubectl", "--kubeconfig", server.kubeconfig(directory, name="admin")),
            *("--cache-dir", directory / "cache"),
        ]

    async def run(self, *arguments: str | Path) -> str:
        """Run it to its end, and return what it says."""
        return await _run(*self._command, *arguments)


async def kustomized(programs: Path, folder: Path) -> list[Object]:
    """Return what ``kubectl kustomize`` makes of a folder."""
    return [*yaml.safe_load_all(await _run(programs / "kubectl", "kustomize", folder))]


def only(things: list[Object], kind: str) -> Object:
    """Return the one object of a kind."""
    (thing,) = (thing for thing in things if thing["kind"] == kind)
    return thing


async def _run(*command: str | Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WITHIN):
        stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()
