"""What the status page shows of a running control plane, without a browser."""

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import pki
from tests.support.paged import Paged, paged
from tests.support.scripted_envoy import scripted_envoy
from tests.support.xds_client import XdsClient
from tests.xds.app.manifests import loadbalancer, secret, verify, write
from xds.app.demo.waiting import poll
from xds.snapshot.types import CLUSTER

AUTHORITY = pki.ca("page")
NAME = "tenant-a-verify-ep-0-port-8443-TCP"
HOSTILE = "<script>alert('x')</script>&amp;\"'"
UNPRINTABLE = "\N{RIGHT-TO-LEFT OVERRIDE}\x1b[31m"


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Paged]:
    """Run a control plane with a LoadBalancer of each outcome, and one that never was valid."""
    dns = {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 53, "protocol": "UDP"}]}
    write(
        tmp_path,
        "all.yaml",
        loadbalancer("plain", port=20001),
        loadbalancer("insecure", port=20002, tls={"policy": "Insecure"}),
        loadbalancer("verify", port=20003, tls=verify("ca")),
        loadbalancer("closed", port=20004, tls=verify("missing")),
        loadbalancer("dns", ports=[{"port": 20005, "protocol": "UDP"}], endpoints=[dns]),
        loadbalancer("other", namespace="tenant-b", port=20006, tls={"policy": "<b>&"}),
        secret("ca", ca_crt=AUTHORITY.pem.decode() + AUTHORITY.key_pem.decode()),
    )
    write(tmp_path, "invalid.yaml", loadbalancer("wrong", ports=[{"port": 0}]))
    async with paged(tmp_path) as shown:
        yield shown


def text_of(page: str) -> str:
    """Return what a reader sees, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def row(page: str, name: str) -> str:
    """Return the row of a LoadBalancer as a reader sees it."""
    (found,) = (each for each in re.findall(r"<tr.*?</tr>", page, re.DOTALL) if f'/{name}">' in each)
    return text_of(found)


def names(page: str) -> list[str]:
    """Return the LoadBalancers that are listed."""
    return re.findall(r'<th role="rowheader".*?href="/loadbalancers/([^"]+)"', page)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plain", "plain not encrypted: TCP as it comes"),
        ("insecure", "insecure encrypted, not verified policy Insecure any certificate is taken"),
        (
            "verify",
            "verify encrypted, and the certificate has to chain to the CA policy Verify Secret ca: 1 certificate",
        ),
        ("closed", 'fail-closed refused: no byte passes policy Verify no Secret "missing"'),
        ("dns", "none (UDP) UDP, not encrypted"),
        ("other", 'fail-closed refused: no byte passes policy <b>& unknown policy "<b>&"'),
        ("wrong", "not served nothing of it ever was valid"),
    ],
)
async def test_each_outcome_is_said_in_words(page: Paged, name: str, words: str) -> None:
    """Each LoadBalancer's row has the outcome in the words of `explain`, what that means, and why."""
    assert words in row(await page.shown("/loadbalancers"), name)


async def test_a_row_has_ca_conditions_and_listeners(page: Paged) -> None:
    """It says when the CA ends, which conditions hold and why one does not, and on which ports Envoys listen."""
    listed = await page.shown("/loadbalancers")
    verified, closed = row(listed, "verify"), row(listed, "closed")
    assert re.search(r"expires 20\d\d-\d\d-\d\d, in \d+ d", verified)
    assert "✓ Accepted=True" in verified
    assert "! ResolvedRefs=True : Secret tenant-a/ca: ca.crt HOLDS A PRIVATE KEY" in verified
    assert "20003 TCP" in verified
    assert "none in use" in closed
    assert "✗ ResolvedRefs=False InvalidCACertificateRef: failed to get CA secret" in closed
    assert "none connected" in closed


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "tenant-b"}, ["tenant-b/other"]),
        ({"q": "TENANT-A verify privatekey"}, ["tenant-a/verify"]),
        ({"q": "InvalidCACertificateRef"}, ["tenant-a/closed"]),
        ({"q": "20002"}, ["tenant-a/insecure"]),
        ({"q": "no such thing"}, []),
        ({"only": "errors"}, ["tenant-a/closed", "tenant-a/wrong", "tenant-b/other"]),
        ({"only": "problems", "q": "tenant-a"}, ["tenant-a/closed", "tenant-a/verify", "tenant-a/wrong"]),
        ({"only": "tls-insecure"}, ["tenant-a/insecure"]),
        ({"only": "tls-none"}, ["tenant-a/dns"]),
        ({"only": "tls-fail-closed"}, ["tenant-a/closed", "tenant-b/other"]),
        ({"only": "nack"}, []),
        ({"only": "ending"}, []),
        ({"only": "<nonsense>", "page": "x", "q": "plain"}, ["tenant-a/plain"]),
    ],
    ids=str,
)
async def test_search_and_filters(page: Paged, query: dict[str, str], found: list[str]) -> None:
    """All words have to be found, in any case, in name, policy, outcome, reasons or ports; nonsense filters nothing."""
    assert names(await page.shown("/loadbalancers", **query)) == found


async def test_the_overview_counts(page: Paged) -> None:
    """It counts LoadBalancers, errors, tenants, and what protects them, and names what ends next and how the source is."""
    seen = text_of(await page.shown("/"))
    assert "LoadBalancers 7 of 2 tenants" in seen
    assert "with an error 3 1 more with a warning" in seen
    assert "Envoys 0 none is connected to this replica" in seen
    assert "fail-closed 2 refused: no byte passes" in seen
    assert "tenant-a / verify expires 20" in seen
    assert "✓ ready" in seen


async def test_what_changes_is_shown_at_the_next_look(page: Paged, tmp_path: Path) -> None:
    """A LoadBalancer that changes, goes, comes or heals is listed as it is, and the counts with it."""
    await page.shown("/")
    write(tmp_path, "all.yaml", loadbalancer("new", port=20009), loadbalancer("plain", port=20001))
    write(tmp_path, "invalid.yaml", loadbalancer("wrong", port=20010))

    async def listed() -> list[str]:
        return names(await page.shown("/loadbalancers"))

    wanted = ["tenant-a/new", "tenant-a/plain", "tenant-a/wrong"]
    await poll(listed, lambda found: found == wanted, within=10, what="the new ones")
    seen = text_of(await page.shown("/"))
    assert "LoadBalancers 3 of 1 tenant " in seen
    assert "with an error 0 0 more" in seen


async def test_a_nack_is_on_every_page_that_it_concerns(page: Paged) -> None:
    """A NACK's text, node, type and resource, and the LoadBalancer that it is about; gone once the Envoy has gone."""
    async with scripted_envoy(page.xds, "tenant-a", node_id="envoy-7") as envoy:
        envoy.refuses[NAME] = "no such thing"

        async def nacks() -> str:
            return await page.shown("/nacks")

        seen = await poll(nacks, lambda found: "no such thing" in found, within=10, what="the NACK")
        assert f"NACK CDS {NAME}" in text_of(seen)
        assert "envoy-7" in seen
        assert 'href="/loadbalancers/tenant-a/verify"' in seen
        assert names(await page.shown("/loadbalancers", only="nack")) == ["tenant-a/verify"]
        assert "NACK 0/1" in row(await page.shown("/loadbalancers"), "verify")
        overview = text_of(await page.shown("/"))
        assert "NACKs 1 resources that an Envoy refuses" in overview
        assert "1 lacks something" in overview
        envoys = text_of(await page.shown("/envoys", only="nack"))
        assert re.search(r"envoy-7 unknown release, delta .* NACK \d/5", envoys)
        assert f"NACK tenant-a envoy-7 CDS {NAME}: refused" in envoys
        explained = text_of(await page.shown("/loadbalancers/tenant-a/verify"))
        assert "Envoy envoy-7 refuses CDS" in explained
        tenants = text_of(await page.shown("/tenants"))
        assert "tenant-a 6 ✗ 2 ! 1 1 ✗ 1" in tenants
    gone = await poll(nacks, lambda found: "no such thing" not in found, within=10, what="no NACK")
    assert "no NACKs" in gone


async def test_hostile_words_are_text_and_bounded(page: Paged) -> None:
    """What a client calls itself and what it refuses with is escaped, has no control characters, and is cut, wherever it stands."""
    node = {"id": HOSTILE + "n" * 900, "cluster": "tenant-a"}
    async with XdsClient(page.xds, delta=True, node=node) as client:
        await client.subscribe(CLUSTER)
        await client.nack(await client.receive(), HOSTILE + UNPRINTABLE + "t" * 100_000)

        async def nacks() -> str:
            return await page.shown("/nacks")

        await poll(nacks, lambda found: "ttt" in found, within=10, what="the NACK")
        for path in ("/", "/envoys", "/nacks", "/loadbalancers", "/loadbalancers/tenant-a/verify"):
            seen = await page.shown(path, q="")
            assert "alert(" not in seen.replace("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;", "")
            assert not {*UNPRINTABLE[:2]} & {*seen}
            assert len(seen) < 100_000, path
        assert "&lt;script&gt;" in await nacks()


@pytest.mark.parametrize("path", ["/loadbalancers", "/envoys", "/nacks", "/tenants"])
async def test_a_hostile_search_is_text(page: Paged, path: str) -> None:
    """What is searched stands in its field again, as text and of bounded length."""
    seen = await page.shown(path, q='"><script>alert(1)</script>' + "q" * 10_000, page="9" * 5000)
    assert "<script>alert" not in seen
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)' in seen
    assert len(seen) < 50_000


async def test_private_keys_are_nowhere(page: Paged) -> None:
    """A private key that somebody has put beside the CA is on no page, but for word of it."""
    secret_lines = AUTHORITY.key_pem.decode().splitlines()[1:-1]
    for path in ("/", "/loadbalancers", "/loadbalancers/tenant-a/verify", "/tenants", "/envoys", "/nacks"):
        seen = await page.shown(path)
        assert not [line for line in secret_lines if line in seen]
        assert "PRIVATE KEY-----" not in seen


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "/loadbalancers/tenant-a/nope",
            "namespace tenant-a has no LoadBalancer &#39;nope&#39;: it has closed",
        ),
        ("/loadbalancers/<b>/x", "namespace &lt;b&gt; has no LoadBalancer at all"),
        ("/loadbalancers/tenant-a", "there is no such page"),
        ("/../etc/passwd", "there is no such page"),
        ("/templates/base.html", "there is no such page"),
    ],
)
async def test_what_is_not_there_is_404_and_said(page: Paged, path: str, words: str) -> None:
    """A LoadBalancer that is not there is told with those that are, and a path that leads nowhere as that."""
    found = await page.site.page(path, {})
    assert found.status == 404
    assert words in found.body.decode()


async def test_pages_have_a_hundred_entries(tmp_path: Path) -> None:
    """Of 250 LoadBalancers the third page has fifty, as does one beyond it, and the links keep what was searched for."""
    write(
        tmp_path,
        "many.yaml",
        *(loadbalancer(f"lb-{number:03}", port=20001 + number) for number in range(250)),
    )
    async with paged(tmp_path) as shown:
        first = await shown.shown("/loadbalancers", q="LB-", only="tls-plain")
        assert len(names(first)) == 100
        assert "1\N{EN DASH}100 of 250 LoadBalancers" in first
        assert 'href="?q=LB-&amp;only=tls-plain&amp;page=2"' in first
        for page in ("3", "99"):
            last = await shown.shown("/loadbalancers", page=page)
            assert names(last)[0] == "tenant-a/lb-200"
            assert len(names(last)) == 50
            assert "page 3 of 3" in last


async def test_the_ca_that_ends_first_is_first(tmp_path: Path) -> None:
    """The overview lists the CAs that end next, an ended one as such, and the filter finds those that are warned about."""
    now = datetime.now(UTC)
    for number, days in enumerate((400, -1, 10)):
        authority = pki.ca(f"end-{days}", start=now - timedelta(days=500), end=now + timedelta(days=days))
        write(
            tmp_path,
            f"{number}.yaml",
            loadbalancer(f"lb-{number}", port=20001 + number, tls=verify(f"ca-{number}")),
            secret(f"ca-{number}", ca_crt=authority.pem.decode()),
        )
    async with paged(tmp_path) as shown:
        overview = text_of(await shown.shown("/"))
        assert re.search(
            r"lb-1 expired \S+, 1 d ago .*lb-2 expires \S+, in 9 d .*lb-0 expires \S+, in 399 d", overview
        )
        assert names(await shown.shown("/loadbalancers", only="ending")) == ["tenant-a/lb-1", "tenant-a/lb-2"]
