"""`python -m tests.page.screenshots`: takes the pictures of the status page that the docs show. Look at them before you commit them."""

import asyncio
import os
import tempfile
import zlib
from pathlib import Path

from tests.page.cast import played
from tests.support.browser import chromium, prefer, resize

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PICTURES = (
    ("status-page-light", "/", "light", 1100, 860),
    ("status-page-loadbalancers-dark", "/loadbalancers", "dark", 1150, 720),
    ("status-page-envoys-light", "/envoys", "light", 1150, 560),
    ("status-page-phone", "/", "light", 390, 844),
)
"""File, path, scheme, and the size in CSS pixels."""


def smaller(png: bytes) -> bytes:
    """Return the same picture, compressed as well as it can be; what is not needed to draw it is left out."""
    chunks = []
    at = 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + size]))
        at += 12 + size
    drawn = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    header = next(content for kind, content in chunks if kind == b"IHDR")
    kept = ((b"IHDR", header), (b"IDAT", zlib.compress(drawn, 9)), (b"IEND", b""))
    return png[:8] + b"".join(
        len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)
        for kind, content in kept
    )


def _take(url: str, profile: Path) -> None:
    with chromium(profile) as browser:
        for name, path, scheme, width, height in PICTURES:
            resize(browser, width, height)
            prefer(browser, scheme)
            browser.get(url + path)
            browser.execute_async_script(
                "const done = arguments[0], wait = () => document.getElementById('connection').textContent === '● live' ? done()"
                " : setTimeout(wait, 20); wait()"
            )
            (IMAGES / f"{name}.png").write_bytes(smaller(browser.get_screenshot_as_png()))


async def _main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "manifests"
        await asyncio.to_thread(folder.mkdir)
        # No path of this machine is to be in a picture.
        os.chdir(made)
        async with played(folder, Path("manifests")) as page:
            await asyncio.to_thread(_take, page.url, Path(made) / "profile")


if __name__ == "__main__":
    asyncio.run(_main())
