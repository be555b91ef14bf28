"""Certificates in a folder: an entry is a sub-folder, laid out as a mounted Secret is.

Each file is replaced by a rename, so that nobody reads half of one, and keys are their owner's alone. It knows no certificates.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from xds.app.certgen.plan import Contents
from xds.app.errors import UserError

_ORDER: Final = ("ca.crt", "ca.key", "tls.key", "tls.crt")
"""Whom to trust comes first; whoever follows the certificate finds the key beside it."""


class Folder:
    """A folder of entries, made when the first is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def described(self, entry: str) -> str:
        """Return where an entry is."""
        return str(self._path / entry)

    async def read(self, entry: str) -> Contents | None:
        """Return what an entry holds, None where there is nothing of it. Raises ``UserError``."""
        found: dict[str, bytes] = {}
        try:
            for name in _ORDER:
                with contextlib.suppress(FileNotFoundError):
                    found[name] = (self._path / entry / name).read_bytes()
        except OSError as error:
            raise _unusable(error) from None
        return found or None

    async def write(self, entry: str, contents: Contents) -> None:
        """Write an entry: certificates for everybody to read, keys for their owner. Raises ``UserError``."""
        folder = self._path / entry
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in _in_order(contents):
                _replace(folder / name, contents[name], 0o600 if name.endswith(".key") else 0o644)
        except OSError as error:
            raise _unusable(error) from None


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=_ORDER.index)


def _replace(path: Path, content: bytes, mode: int) -> None:
    # A temporary file is its owner's alone from the first byte on.
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            written.chmod(mode)
            written.replace(path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise


def _unusable(error: OSError) -> UserError:
    return UserError(f"{error.filename}: {error.strerror}: give --directory a folder that you may write")
