"""The docker engine that DOCKER_HOST names: whether docker-compose.yml can be run for real, and a project of it in a folder of its own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tests.support.command import ROOT

VARIABLE: Final = "DOCKER_HOST"
_COPIED: Final = (
    ".dockerignore",
    "Dockerfile",
    "docker-compose.yml",
    "LICENSE",
    "README.md",
    "pyproject.toml",
)
_FOLDERS: Final = ("kube", "xds", "examples/compose")


@cache
def problem() -> str:
    """Return why docker-compose.yml is not run here, "" where it is.

    In CI an engine that is named has to answer: then the tests run, and fail where it does not.
    """
    if not os.environ.get(VARIABLE):
        return f"{VARIABLE} is not set"
    if os.environ.get("CI"):
        return ""
    for arguments in (("docker", "info"), ("docker", "compose", "version")):
        try:
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"`{' '.join(arguments)}`: {error}"
        if done.returncode:
            return f"`{' '.join(arguments)}`: {(done.stderr or done.stdout).strip().splitlines()[-1]}"
    return ""


class Project:
    """docker-compose.yml and what belongs to it, copied into a folder, under a name of its own."""

    def __init__(self, folder: Path, name: str, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.manifests = folder / "examples/compose/manifests"
        self._command = ("docker", "compose", "--project-name", name, "--progress", "plain")
        self._environment = {**os.environ, **variables}
        for file in (*_COPIED, *(path.name for path in ROOT.glob("requirements*.txt"))):
            shutil.copy2(ROOT / file, folder / file)
        for each in _FOLDERS:
            shutil.copytree(ROOT / each, folder / each, ignore=shutil.ignore_patterns("__pycache__"))
        # As in a checkout that others can read: a program in a container is another user.
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def __call__(self, *arguments: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` with these arguments to its end."""
        return subprocess.run(  # noqa: S603
            [*self._command, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def said(self, *arguments: str, within: float = 60.0) -> str:
        """Run it as above, and return what it says on stdout; it is to succeed."""
        done = self(*arguments, within=within)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        return done.stdout

    def change(self, loadbalancer: str, edit: Callable[[str], str]) -> None:
        """Edit a manifest as an editor does: another file in its place."""
        path = self.manifests / f"{loadbalancer}.yaml"
        before = path.read_text(encoding="utf-8")
        after = edit(before)
        assert after != before
        beside = path.with_suffix(".new")
        beside.write_text(after, encoding="utf-8")
        beside.chmod(0o644)
        beside.replace(path)
