from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kube.sources import folder as folder_module
from tests.kube.sources.manifests import load_balancer, port_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kube.sources.conftest import Follow
    from tests.kube.sources.manifests import Follower

NOT_READ = "manifest not read"


class _Capabilities(ctypes.Structure):
    """`struct __user_cap_data_struct` of linux/capability.h, the lower half."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@pytest.fixture
def bound_by_permissions() -> Iterator[None]:
    """Let permissions bind this thread, and those that it starts, even if it is root's."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    capabilities = (_Capabilities * 2)()
    assert libc.capget(header, capabilities) == 0
    before = capabilities[0].effective
    capabilities[0].effective &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, capabilities) == 0
    yield
    capabilities[0].effective = before
    assert libc.capset(header, capabilities) == 0


async def until_not_read(follower: Follower, path: Path, reason: str) -> None:
    """Wait until the source says that it cannot read a file, and why; which must be a problem, too."""
    await follower.until(lambda: any(line["path"] == str(path) for line in follower.logged(NOT_READ)))
    (line,) = (line for line in follower.logged(NOT_READ) if line["path"] == str(path))
    assert (line["level"], line["line"], line["reason"]) == ("warning", None, reason)
    assert [(str(path), None, reason)] == list(follower.source.problems)


@pytest.mark.usefixtures("bound_by_permissions")
async def test_a_file_without_permission_keeps_its_objects(tmp_path: Path, follow: Follow) -> None:
    """A file that may no longer be read keeps its objects, and is read when it may be again."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    path.write_text(load_balancer("a", port=2))
    path.chmod(0)
    await until_not_read(follower, path, "cannot be read: Permission denied")
    assert port_of(follower.store, "a") == 1
    path.chmod(0o600)
    await follower.until_port("a", 2)
    assert follower.source.problems == ()


@pytest.mark.usefixtures("bound_by_permissions")
async def test_a_file_that_never_could_be_read_is_no_problem_once_it_is_gone(
    tmp_path: Path, follow: Follow
) -> None:
    """A file that could never be read is a problem while it is there, said once however often it is looked at."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a"))
    path.chmod(0)
    follower = await follow(tmp_path, rescan=0.05)
    assert len(follower.source.problems) == 1
    for port in range(1, 4):
        (tmp_path / "b.yaml").write_text(load_balancer("b", port=port))
        await follower.until_port("b", port)
    path.unlink()
    await follower.until_logged("no longer in the way")
    assert not follower.source.problems
    assert len(list(follower.logged(NOT_READ))) == 1


@pytest.mark.usefixtures("bound_by_permissions")
async def test_a_sub_folder_without_permission_keeps_its_objects(tmp_path: Path, follow: Follow) -> None:
    """A sub-folder that may not be listed keeps its objects, and is followed when it may be again."""
    team = tmp_path / "team"
    team.mkdir()
    (team / "a.yaml").write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    team.chmod(0)
    await until_not_read(follower, team, "the folder cannot be listed: Permission denied")
    assert port_of(follower.store, "a") == 1
    team.chmod(0o700)
    (team / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    assert follower.source.problems == ()


@pytest.mark.usefixtures("bound_by_permissions")
async def test_a_folder_without_permission_keeps_its_objects(tmp_path: Path, follow: Follow) -> None:
    """A folder that may not be listed keeps its objects, and is followed when it may be again."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(load_balancer("a", port=1))
    follower = await follow(folder)
    folder.chmod(0)
    line = await follower.until_logged("manifests folder not read")
    assert line["reason"] == "the folder cannot be listed: Permission denied"
    assert port_of(follower.store, "a") == 1
    folder.chmod(0o700)
    (folder / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)


async def test_a_link_into_nothing_keeps_its_objects(tmp_path: Path, follow: Follow) -> None:
    """A link whose target is gone keeps its objects, and goes with the link."""
    target, link = tmp_path / "target", tmp_path / "a.yaml"
    target.write_text(load_balancer("a", port=1))
    link.symlink_to(target)
    follower = await follow(tmp_path)
    target.unlink()
    await until_not_read(follower, link, "a link to something that is not there")
    assert port_of(follower.store, "a") == 1
    target.write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    link.unlink()
    await follower.until_port("a", None)
    assert follower.source.problems == ()


async def test_a_link_to_itself_keeps_its_objects(tmp_path: Path, follow: Follow) -> None:
    """Links that lead in a circle are a problem and hold nothing up."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    path.unlink()
    path.symlink_to("a.yaml")
    await until_not_read(follower, path, "cannot be read: Too many levels of symbolic links")
    assert port_of(follower.store, "a") == 1
    path.unlink()
    path.write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)


async def test_what_is_no_file_is_a_problem(tmp_path: Path, follow: Follow) -> None:
    """A pipe with a manifest's name, which would hold up whoever opens it, is not opened."""
    follower = await follow(tmp_path)
    os.mkfifo(tmp_path / "a.yaml")
    await until_not_read(
        follower, tmp_path / "a.yaml", "no regular file: a manifest is a file or a link to one"
    )
    (tmp_path / "b.yaml").write_text(load_balancer("b"))
    await follower.until_port("b", 443)


async def test_a_file_that_is_too_large_keeps_its_objects(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file over the limit is not read, keeps its last good objects, and says how large it may be."""
    monkeypatch.setattr(folder_module, "MAX_SIZE", 1000)
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    path.write_text(load_balancer("a", port=2) + "#" * 1000)
    line = await follower.until_logged("manifest not parsed")
    assert line["reason"] == f"the file has {path.stat().st_size} bytes, more than 1000: split it"
    assert port_of(follower.store, "a") == 1
    path.write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)


async def test_a_name_that_cannot_be_printed_is_shown_escaped(tmp_path: Path, follow: Follow) -> None:
    """A file whose name is no text is read, and its problems name it in characters that every log can take."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff\n.yaml"))
    path.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    assert port_of(follower.store, "a") == 1
    path.write_text("{")
    line = await follower.until_logged("manifest not parsed")
    assert line["path"] == f"{tmp_path}/a\\udcff\\n.yaml"
