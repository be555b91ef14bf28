"""One run of certgen over a store, a folder or a cluster: read what is there, make what is due, say what became of it.

A tenant whose entry cannot be read or written stops no other.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Protocol

from xds.app.certgen.plan import CA, SERVER, Certificates, Contents, Made, Wanted, tenant_entry
from xds.app.errors import UserError


class Store(Protocol):
    """Where entries are kept."""

    def described(self, entry: str) -> str:
        """Return where an entry is."""
        ...

    async def read(self, entry: str) -> Contents | None:
        """Return what an entry holds, None where there is nothing of it. Raises ``UserError``."""
        ...

    async def write(self, entry: str, contents: Contents) -> None:
        """Write an entry that was read before. Raises ``UserError``."""
        ...


async def run(
    store: Store,
    wanted: Wanted,
    tenants: Sequence[Sequence[str]],
    *,
    force: bool = False,
    rotate: bool = False,
    say: Callable[[str], None],
) -> list[UserError]:
    """Make what is due, and return what went wrong with tenants. Raises ``UserError`` for the authority and the server."""

    async def keep(entry: str, made: Made) -> None:
        if made.why:
            await store.write(entry, made.contents)
        what, why = ("wrote", f": {made.why}") if made.why else ("kept ", "")
        say(f"{what}  {store.described(entry)}  until {made.expires:%Y-%m-%d}{why}")

    now = dt.datetime.now(dt.UTC)
    certificates = Certificates(wanted, await store.read(CA), now=now, force=force, rotate=rotate)
    await keep(CA, certificates.ca)
    await keep(SERVER, certificates.server(await store.read(SERVER)))
    wrong = []
    for each in tenants:
        entry = tenant_entry(each)
        try:
            await keep(entry, certificates.tenant(each, await store.read(entry)))
        except UserError as error:
            wrong.append(error)
    return wrong
