"""What deploy/rbac.yaml allows is all that the program needs, and it needs all of it.

Everybody plays the same story at the same time: one who has every right, and for each right somebody who lacks just that one.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.kube.cluster.privileged import OWNER_REFERENCES, Audit, Stage, set_up, story
from tests.support.kube_api import ApiServer
from tests.support.rights import Right, rights
from xds.app.demo.waiting import poll

pytestmark = [pytest.mark.xdist_group("least privilege"), pytest.mark.kubernetes]

BOUND: Final = 60.0
"""Seconds for each thing that is to come: some thirty programs run at once, on a machine that others use as well."""

READY = "the first replica is ready"
LEADS = "it leads"
RENEWED = "its lease is renewed"
REPORT = "its report is published"
PORTS = "listener ports are recorded"
PROGRAMMED = "what every Envoy has ACKed is Programmed"
EVENT = "a warning is an Event"
SERVICE = "a LoadBalancer gets a Service"
KEPT = "so does one that has the finalizer"
ADDRESS = "the Service's address is copied"
LATER = "a new LoadBalancer gets ports"
SECRET = "a CA Secret that is new resolves"
ADDRESSES = "Addresses that are new resolve"
OTHERS = "what the other replica's Envoy refuses is not Programmed"
WITHDRAWN = "the first one's report is gone"
COUNTED = "a warning that was there before is counted"
GONE = "one that is deleted goes, and its Service"

NEEDED_FOR: Final[Mapping[str, str]] = {
    "tenants: list loadbalancers": READY,
    "tenants: watch loadbalancers": PROGRAMMED,
    "tenants: list addresses": READY,
    "tenants: watch addresses": ADDRESSES,
    "tenants: list secrets": READY,
    "tenants: watch secrets": SECRET,
    "tenants: get loadbalancers": KEPT,
    "tenants: patch loadbalancers": SERVICE,
    "tenants: patch loadbalancers/status": PORTS,
    "tenants: update loadbalancers/finalizers": SERVICE,
    "tenants: get configmaps kubelb-xds-ports": PORTS,
    "tenants: patch configmaps kubelb-xds-ports": LATER,
    "tenants: create configmaps": REPORT,
    "tenants: get services": SERVICE,
    "tenants: list services": SERVICE,
    "tenants: watch services": ADDRESS,
    "tenants: create services": SERVICE,
    "tenants: patch services": SERVICE,
    "tenants: delete services": GONE,
    "tenants: get events": COUNTED,
    "tenants: create events": EVENT,
    "tenants: patch events": COUNTED,
    "own: get leases kubelb-xds": LEADS,
    "own: patch leases kubelb-xds": RENEWED,
    "own: create leases": LEADS,
    "own: list configmaps": PROGRAMMED,
    "own: watch configmaps": OTHERS,
    "own: patch configmaps": REPORT,
    "own: delete configmaps": WITHDRAWN,
}
"""The first check of the story that each right is needed for."""


class Played(NamedTuple):
    """What became of one variant: the checks that held, the one that did not ("" for none), and what was refused."""

    held: tuple[str, ...]
    failed: str
    refused: frozenset[str]


async def play(stage: Stage, audit: Audit, missing: Right | None, others: asyncio.Event) -> Played:
    """Play the story up to the check that needs what is missing. That one is looked at last, when nothing else happens any more.

    ``others`` is set once all checks held for the one who has every right.
    """
    held: list[str] = []
    breaks = NEEDED_FOR.get(str(missing), "")
    async with contextlib.aclosing(story(stage)) as checks:
        async for check in checks:
            if check.says == breaks:
                refused = await poll(
                    lambda: audit.refused(stage.identity.name),
                    bool,
                    within=BOUND,
                    what=f"a refusal for want of {missing}",
                    every=0.2,
                )
                async with asyncio.timeout(BOUND):
                    await others.wait()
                return Played((*held,), "" if check.holds(await check.probe()) else breaks, refused)
            await poll(check.probe, check.holds, within=BOUND, what=f"{missing}: {check.says}", every=0.1)
            held.append(check.says)
    if missing is None:
        others.set()
    return Played((*held,), "", await audit.refused(stage.identity.name))


@pytest.fixture(scope="module")
def played(kube_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Played]:
    """Return what became of each variant, by the right that it lacks; "None" for the one that lacks none."""
    directory = tmp_path_factory.mktemp("least-privilege")
    audit = Audit(directory)
    flags = (*audit.flags, f"--enable-admission-plugins={OWNER_REFERENCES}")

    async def play_all() -> dict[str, Played]:
        async with ApiServer(kube_programs, directory, flags=flags) as server, server.client() as admin:
            others = asyncio.Event()

            async def one(missing: Right | None) -> Played:
                return await play(await set_up(server, admin, directory, missing), audit, missing, others)

            async with asyncio.TaskGroup() as group:
                variants = {str(right): group.create_task(one(right)) for right in (None, *rights())}
            return {name: task.result() for name, task in variants.items()}

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(play_all())


def test_each_right_has_its_reason() -> None:
    """For each right of deploy/rbac.yaml it is known here what needs it, and no other right is."""
    assert {str(right) for right in rights()} == NEEDED_FOR.keys()


def test_with_all_of_them_everything_works(played: Mapping[str, Played]) -> None:
    """Who has every right sees the whole story, and is refused nothing."""
    assert {*NEEDED_FOR.values()} <= {*played["None"].held}
    assert played["None"].refused == frozenset()


@pytest.mark.parametrize("right", rights(), ids=str)
def test_without_one_something_fails(played: Mapping[str, Played], right: Right) -> None:
    """Who lacks a right is refused just that, gets as far as what needs it, and no further."""
    assert played[str(right)].refused == {f"{right.verb} {right.resource}"}
    assert played[str(right)].failed == NEEDED_FOR[str(right)]
