"""The status page in a real browser, which is started once: live, searched, on a phone, in the dark, and without a complaint."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.page.cast import REFUSED, WORDS, played
from tests.support import objects
from tests.support.browser import chromium, missing, prefer, resize
from tests.support.paged import paged, paging
from tests.support.xds_client import XdsClient
from tests.xds.app.fake_source import FakeSource
from tests.xds.app.manifests import loadbalancer, write
from xds.admin import page_server
from xds.app.control_plane import ControlPlane
from xds.app.demo.waiting import poll
from xds.app.settings import ServeSettings
from xds.server import Observer
from xds.snapshot.types import CLUSTER

WITHIN = 20.0
PATHS = (
    "/",
    "/loadbalancers",
    "/tenants",
    "/envoys",
    "/nacks",
    "/loadbalancers/tenant-shop/checkout",
    "/nowhere",
)
CONTRASTS = """
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = parts(color).slice(0, 3).map((each) => each / 255)
    .map((each) => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if (parts(color)[3] !== 0) return color;
  }
  return "rgb(255, 255, 255)";
};
return [...document.querySelectorAll("body *")]
  .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && each.checkVisibility())
  .filter((each) => !["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(each.tagName))
  .map((each) => {
    const [a, b] = [light(getComputedStyle(each).color), light(behind(each))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), each.tagName + "." + each.className + " " + each.textContent.trim().slice(0, 40)];
  });
"""
"""Returns the contrast of each element that has text, as WCAG 2 defines it, and which that is."""


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Start the browser, once."""
    lacking = missing()
    if lacking:
        pytest.skip(f"apt-get install {' '.join(lacking)}")  # where CI is set, a failure
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(chrome: Chrome) -> Iterator[Chrome]:
    """Yield the browser with a large window, and see afterwards that it had nothing to complain of and asked nobody else."""
    resize(chrome, 1200, 900)
    prefer(chrome, "light")
    for log in ("browser", "performance"):
        chrome.get_log(log)  # type: ignore[no-untyped-call]
    yield chrome
    # Before the listener stops, which a page that is open would complain of.
    assert complaints(chrome) == []


def complaints(browser: Chrome) -> list[str]:
    """Return what the console has, errors and refusals by the policy among it, and requests that went elsewhere."""
    said = [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]
    said = [message for message in said if "/nowhere" not in message]
    for entry in browser.get_log("performance"):  # type: ignore[no-untyped-call]
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not url.startswith(("http://127.0.0.1:", "data:", "about:")):
                said.append(f"asked for {url}")
    return said


async def go(browser: Chrome, url: str) -> None:
    """Open a page, and wait until it is live."""
    await asyncio.to_thread(browser.get, url)
    await script(
        browser, "return document.getElementById('connection').textContent", lambda said: said == "● live"
    )


async def leave(browser: Chrome) -> None:
    """Close the page."""
    await asyncio.to_thread(browser.get, "about:blank")


async def script(browser: Chrome, code: str, holds: Callable[[Any], bool] = lambda _: True) -> Any:
    """Return what a script returns, once it holds."""

    async def ask() -> Any:
        return await asyncio.to_thread(browser.execute_script, code)

    return await poll(ask, holds, within=WITHIN, what=code)


async def seen(browser: Chrome, *words: str, without: str = "") -> str:
    """Return the text of the live part, once all these words are in it, and this is not."""
    text: str = await script(
        browser,
        "return document.getElementById('live').innerText.replace(/\\s+/g, ' ')",
        lambda text: all(word in text for word in words) and not (without and without in text),
    )
    return text


async def test_an_envoys_life_is_seen_without_reloading(
    browser: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It connects, is STALE, refuses, heals and goes, on a page that was loaded once; how long ago goes on by itself."""
    monkeypatch.setattr(page_server, "EVERY", 0.1)
    write(tmp_path, "web.yaml", loadbalancer("web"))
    async with paged(tmp_path) as page:
        await go(browser, f"{page.url}/envoys")
        await seen(browser, "No Envoy is connected to this replica.")
        await script(browser, "window.loaded = 'once'")
        async with XdsClient(page.xds, delta=True, node={"id": "envoy-9", "cluster": "tenant-a"}) as client:
            await client.subscribe(CLUSTER)
            response = await client.receive()
            await seen(browser, "1–1 of 1 Envoys", "envoy-9", "STALE 0/1 sent ")  # noqa: RUF001
            await client.nack(response, "<img src=x onerror=alert(1)> no such thing")
            await seen(browser, "NACK 0/1", "refused", "<img src=x onerror=alert(1)> no such thing")
            await seen(browser, "Connected", " s ago")
            write(tmp_path, "web.yaml", loadbalancer("web", tls={"policy": "Insecure"}))
            await client.ack(await client.receive())
            await seen(browser, "SYNCED 1/1", without="no such thing")
        await seen(browser, "No Envoy is connected to this replica.")
        assert await script(browser, "return window.loaded") == "once"
        await leave(browser)


async def test_what_is_marked_stays_until_it_is_copied(
    browser: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody has marked something on the page it is left as it is, and afterwards it is as it should be."""
    monkeypatch.setattr(page_server, "EVERY", 0.1)
    write(tmp_path, "web.yaml", loadbalancer("web"))
    async with paged(tmp_path) as page:
        await go(browser, f"{page.url}/loadbalancers")
        await script(browser, "document.getSelection().selectAllChildren(document.querySelector('#live td'))")
        revision = page.site.changes.revision
        write(tmp_path, "more.yaml", loadbalancer("more", port=20002))
        async with asyncio.timeout(WITHIN):
            await page.site.changes.after(revision)
        # The browser has heard by the time that a later question of its own is answered.
        await script(browser, "window.tick = performance.now()")
        await script(browser, "return performance.now() - window.tick", lambda passed: passed > 1500)
        assert "more" not in await script(browser, "return document.getElementById('live').innerText")
        await script(browser, "document.getSelection().removeAllRanges()")
        await seen(browser, "more")
        await leave(browser)


async def test_it_reads_well_everywhere(browser: Chrome, tmp_path: Path) -> None:
    """No page scrolls sideways on a phone; in light and dark each text has a contrast of 4.5 to 1; nothing is complained of."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    async with played(folder, folder) as page:
        backgrounds = set()
        for width, scheme in ((1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")):
            await asyncio.to_thread(resize, browser, width, 800)
            await asyncio.to_thread(prefer, browser, scheme)
            for path in PATHS:
                await asyncio.to_thread(browser.get, page.url + path)
                wide = await script(browser, "return document.documentElement.scrollWidth")
                assert wide <= width, (path, wide)
                contrasts = await script(browser, CONTRASTS)
                assert len(contrasts) > 5
                assert [each for each in contrasts if each[0] < 4.5] == [], (path, scheme)
            backgrounds.add(await script(browser, "return getComputedStyle(document.body).backgroundColor"))
        assert len(backgrounds) == 2
        await go(browser, f"{page.url}/nacks")
        await seen(browser, "1–1 of 1 NACKs", "envoy-shop-1", REFUSED, WORDS)  # noqa: RUF001
        headings = await script(
            browser, "return [...document.querySelectorAll('th')].every((th) => th.scope)"
        )
        assert headings
        labels = (
            "return [...document.querySelectorAll('input, select')].every((each) => each.labels.length === 1)"
        )
        assert await script(browser, labels)
        await leave(browser)


async def test_what_is_not_allowed_would_be_seen(browser: Chrome, tmp_path: Path) -> None:
    """A script within the page and a picture from elsewhere are refused by the policy, and the console says so."""
    async with paged(write(tmp_path, "web.yaml", loadbalancer("web"))) as page:
        await go(browser, page.url)
        await script(
            browser,
            "const bad = document.createElement('script'); bad.textContent = 'window.bad = 1'; document.body.append(bad);"
            " const far = document.createElement('img'); far.src = 'http://127.0.0.2:1/x.png'; document.body.append(far);",
        )
        assert await script(browser, "return window.bad") is None
        said = await asyncio.to_thread(complaints, browser)
        assert sum("Content Security Policy" in each for each in said) == 2, said
        await leave(browser)


async def test_ten_thousand_loadbalancers(browser: Chrome) -> None:
    """Of 10,000 a page has a hundred; searching and leafing find any of them, and each page costs some milliseconds."""
    sources: list[FakeSource] = []

    def source_of(settings: ServeSettings, store: Any) -> FakeSource:
        sources.append(FakeSource(settings, store))
        return sources[0]

    plane = ControlPlane(ServeSettings(xds_address="127.0.0.1:0"), observer=Observer(), source_of=source_of)
    xds = await plane.start()
    many = [
        objects.loadbalancer(
            f"lb-{number:05}",
            namespace=f"tenant-{number % 50:02}",
            port=20001 + number // 50,
            policy="Insecure" if number % 3 else None,
        )
        for number in range(10_000)
    ]
    sources[0].sync(*many)
    async with paging(plane, xds) as page:

        async def count() -> int:
            return len(plane.pipeline.translations)

        await poll(count, lambda found: found == 10_000, within=60, what="translations")
        await page.shown("/loadbalancers")  # the first look makes the index
        for path, query in (
            ("/loadbalancers", {}),
            ("/loadbalancers", {"q": "tenant-07 insecure", "page": "2"}),
            ("/", {}),
            ("/tenants", {}),
        ):
            began = time.process_time()
            for _ in range(3):
                await page.shown(path, **query)
            each = (time.process_time() - began) / 3
            print(f"{path} {query}: {each * 1000:.1f} ms")  # noqa: T201 — what docs/operations.md says
            assert each < 0.25
        await go(browser, f"{page.url}/loadbalancers")
        await seen(browser, "1–100 of 10000 LoadBalancers", "page 1 of 100")  # noqa: RUF001
        await script(browser, "document.querySelector('[rel=last]').click()")
        await seen(browser, "9901–10000 of 10000", "lb-09999")  # noqa: RUF001
        await script(
            browser,
            "document.querySelector('[name=q]').value = 'LB-0123 tenant-3';"
            " document.querySelector('[name=only]').value = 'tls-insecure'; document.querySelector('form').requestSubmit()",
        )
        text = await seen(browser, "LoadBalancers", "lb-01231", without="lb-09999")
        assert "lb-01233" not in text  # plain
        await leave(browser)
