"""The schema as a former process derived it, so that a command answers at once.

Deriving it loads envoy-data-plane's dataclasses: two thirds of a second of CPU and some 40 MB, in each process, for the same
result each time. So what was derived is kept in a folder, a file for each package, under a name that changes with whatever it was
derived from. A folder that cannot be read, written or trusted costs that second and nothing else.

It does not know what is in a descriptor: ``_schema`` does.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

_WELL_KNOWN: Final = "google.protobuf"
_DERIVED_FROM: Final = ("envoy-data-plane", "betterproto2", "protobuf")
_FOREIGN_WRITERS: Final = stat.S_IWGRP | stat.S_IWOTH
_KEY_LENGTH: Final = 16


class KeptSchema:
    """A protobuf ``DescriptorDatabase`` that answers from `folder`, and asks ``_schema`` for what is not there yet."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder if folder is not None and _is_ours(folder) else None
        self._derived: Any = None

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptorProto:  # noqa: N802 — protobuf's
        """Return the file that declares the message or the service with this full name. Raises ``KeyError``."""
        package = package_of(symbol)
        if package != _WELL_KNOWN and (file := self._read(package)) is not None:
            name = symbol.removeprefix(f"{package}.").partition(".")[0]
            if name in {*(each.name for each in file.message_type), *(each.name for each in file.service)}:
                return file
        return self._keep(self._schema().FindFileContainingSymbol(symbol))

    def FindFileByName(self, name: str) -> FileDescriptorProto:  # noqa: N802 — protobuf's
        """Return a file by the name that another file imports it by. Raises ``KeyError``."""
        return self._read(name) or self._keep(self._schema().FindFileByName(name))

    def _schema(self) -> Any:
        if self._derived is None:
            from xds.messages._schema import Schema  # noqa: PLC0415 — what all this is there to avoid

            self._derived = Schema()
        return self._derived

    def _read(self, name: str) -> FileDescriptorProto | None:
        if self._folder is None:
            return None
        try:
            file = FileDescriptorProto.FromString((self._folder / _file_name(name)).read_bytes())
        except (OSError, DecodeError):
            return None
        return file if file.name == name else None

    def _keep(self, file: FileDescriptorProto) -> FileDescriptorProto:
        if self._folder is not None:
            with contextlib.suppress(OSError):
                _write(self._folder / _file_name(file.name), file.SerializeToString(deterministic=True))
        return file


def package_of(symbol: str) -> str:
    """Return the package of a message, an enum or a service by its full name: Envoy's are lower case, and what is in them is not."""
    return ".".join(takewhile(lambda part: not part[:1].isupper(), symbol.split(".")))


def folder() -> Path | None:
    """Return where this version's files are: in `XDG_CACHE_HOME`, or `~/.cache`; None without a home."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    digest = hashlib.sha256(Path(__file__).with_name("_schema.py").read_bytes())
    for package in _DERIVED_FROM:
        digest.update(f"{package} {metadata.version(package)}\n".encode())
    return cache / "kubelb-xds" / "messages" / digest.hexdigest()[:_KEY_LENGTH]


def _is_ours(folder: Path) -> bool:
    """Tell whether nobody but this user or root can have written what is in a folder; make it where it is not there."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid in {0, os.getuid()} and not found.st_mode & _FOREIGN_WRITERS


def _file_name(name: str) -> str:
    return name.replace("/", "-") + ".binpb"


def _write(path: Path, content: bytes) -> None:
    """Put a file in its place whole, whoever reads or writes it meanwhile."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(content)
            file.close()
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
