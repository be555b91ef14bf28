"""What was derived of Envoy's schema once is read from a folder by the next process, and whatever that holds, the messages are the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.xds.messages.process import ROOT

SHOW = """
import hashlib, sys
from xds.messages import POOL, Cluster, DiscoveryRequest, message_class
from google.protobuf.descriptor_pb2 import FileDescriptorProto

message_class("envoy.service.status.v3.ClientStatusRequest")
POOL.FindServiceByName("envoy.service.status.v3.ClientStatusDiscoveryService")
seen = {}
def visit(file):
    if file.name in seen:
        return
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    seen[file.name] = proto.SerializeToString(deterministic=True)
    for other in file.dependencies:
        visit(other)
visit(Cluster.DESCRIPTOR.file)
visit(DiscoveryRequest.DESCRIPTOR.file)
print(len(seen), hashlib.sha256(b"".join(seen[name] for name in sorted(seen))).hexdigest())
print("derived" if "envoy_data_plane" in sys.modules else "read")
"""


def start(cache: Path, program: str = SHOW) -> list[str]:
    """Run a process with this cache, and return what it prints; fail with its traceback."""
    result = subprocess.run(  # noqa: S603 — the programs are the tests' own
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a cache that a process has filled, and what its messages were."""
    cache = tmp_path_factory.mktemp("cache")
    messages, how = start(cache)
    assert how == "derived"
    return cache, messages


def files(cache: Path) -> list[Path]:
    """Return what is in a cache."""
    return sorted(cache.rglob("*.binpb"))


def test_the_second_process_derives_nothing(filled: tuple[Path, str]) -> None:
    """Its messages are the same to the byte, and envoy-data-plane is not even loaded; no half-written file is left."""
    cache, messages = filled
    assert start(cache) == [messages, "read"]
    assert len(files(cache)) > 50
    assert {path.suffix for path in cache.rglob("*") if path.is_file()} == {".binpb"}


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xffno descriptor", b"\n\x05other"], ids=["empty", "broken", "another's"]
)
def test_a_file_that_is_not_what_it_should_be(filled: tuple[Path, str], content: bytes) -> None:
    """It is derived and written anew."""
    cache, messages = filled
    victim = next(path for path in files(cache) if path.name == "envoy.config.core.v3.binpb")
    whole = victim.read_bytes()
    victim.write_bytes(content)
    assert start(cache) == [messages, "derived"]
    assert victim.read_bytes() == whole
    assert start(cache) == [messages, "read"]


def test_a_folder_that_others_can_write_to(filled: tuple[Path, str]) -> None:
    """It is not trusted, since whoever writes a descriptor decides what Envoy is sent."""
    cache, messages = filled
    folder = files(cache)[0].parent
    folder.chmod(0o777)
    try:
        assert start(cache) == [messages, "derived"]
    finally:
        folder.chmod(0o700)


def test_a_folder_that_cannot_be_made(filled: tuple[Path, str], tmp_path: Path) -> None:
    """Everything works as without one."""
    blocked = tmp_path / "a file"
    blocked.touch()
    assert start(blocked) == [filled[1], "derived"]


def test_a_read_only_file_system(filled: tuple[Path, str], tmp_path: Path) -> None:
    """What is there is read, and what is not is derived and kept nowhere."""
    program = f"import tempfile\ndef refuse(*args, **kwargs): raise OSError(30, 'Read-only file system')\ntempfile.NamedTemporaryFile = refuse\n{SHOW}"
    assert start(filled[0], program) == [filled[1], "read"]
    assert start(tmp_path, program) == [filled[1], "derived"]
    assert files(tmp_path) == []
