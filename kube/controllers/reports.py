"""What each replica tells the others of its Envoys: one ConfigMap a replica, written by it alone, watched by all.

A report holds no content, only which LoadBalancers are not ACKed. Writing costs what is written: what one tenant has to say
is encoded when it changes, and a large report goes out less often. `report_reader` reads them.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import msgspec
import structlog
from msgspec import Raw

from kube.client import APPLY, ApiError, Unreachable
from kube.controllers.report_text import LONGEST_REPORT, Unit, encode_standing, joined
from kube.controllers.standing import Standing
from kube.informer.reflector import Resource
from kube.informer.store import Stored
from kube.objects import Fault, InvalidObject, ObjectRef

LABEL: Final = "kubelb.k8c.io/report"
"""The label that every report has; its value is ``replica``."""
SELECTOR: Final[Mapping[str, str]] = {"labelSelector": f"{LABEL}=replica"}
"""What an informer of reports asks for (``query``)."""

_MANAGER: Final = "kubelb-xds-report"
_DATA: Final = "report.json"
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.controllers")


class Send(Protocol):
    """How something is written: `KubeApi.send`. Raises ApiError and Unreachable."""

    async def __call__(
        self,
        method: Literal["PATCH", "DELETE"],
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] = ...,
        content_type: str | None = ...,
    ) -> bytes:
        """Send a request, and return the answer's body."""


@dataclass(frozen=True, slots=True)
class ReportTiming:
    """Seconds: between two reports at least, between renewals of one that says the same, and until one expires.

    ``rest``: after how long the leader deletes what a dead replica has left.
    """

    least: float = 1.0
    renew: float = 10.0
    expiry: float = 30.0
    rest: float = 600.0

    def pause(self, size: int) -> float:
        """Return the seconds between two reports of so many bytes: 100 kB a second at most."""
        return max(self.least, size / 100_000)


class Report(msgspec.Struct, frozen=True):
    """One replica's report as it was read.

    ``run`` names the process, ``renewed`` counts its reports. ``tenants`` are still bytes; ``unnamed`` are those that there
    was no room for.
    """

    ref: ObjectRef
    version: str
    uid: str
    replica: str
    run: str
    renewed: int
    text: str
    tenants: dict[str, Raw]
    unnamed: int


class _Meta(msgspec.Struct):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = msgspec.field(name="resourceVersion", default="")


class _Document(msgspec.Struct):
    metadata: _Meta
    data: dict[str, str] = {}


class _Said(msgspec.Struct):
    tenants: dict[str, Raw] = {}
    unnamed: int = 0


_DOCUMENT: Final = msgspec.json.Decoder(_Document)
_SAID: Final = msgspec.json.Decoder(_Said)
STANDING: Final = msgspec.json.Decoder(Standing)


def name_of(replica: str) -> str:
    """Return the name of a replica's ConfigMap."""
    return f"kubelb-xds-report-{replica}"


def read(document: Raw) -> Stored:
    """Decode a report, as an informer hands it over; raise InvalidObject."""
    found = _DOCUMENT.decode(document)
    ref = ObjectRef("ConfigMap", found.metadata.namespace, found.metadata.name)
    try:
        said = _SAID.decode(found.data[_DATA])
        for tenant in said.tenants.values():
            STANDING.decode(tenant)
        return Report(
            ref=ref,
            version=found.metadata.resource_version,
            uid=found.metadata.uid,
            replica=found.data["replica"],
            run=found.data["run"],
            renewed=int(found.data["renewed"]),
            text=found.data[_DATA],
            tenants=said.tenants,
            unnamed=said.unnamed,
        )
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidObject(
            ref, (Fault("data", "", f"must be a report of this program: {error!r}"),)
        ) from None


REPORTS: Final = Resource("ConfigMap", "/api/v1", "configmaps", read)
"""Reports as an informer's resource; its ``namespace`` is the program's, its ``query`` is SELECTOR."""


class Publisher:
    """Writes this replica's report: at every change, but not more often than `ReportTiming` has it, and anew before it expires.

    ``standing`` gives what there is to say of a tenant, None where that is nothing.
    """

    def __init__(
        self,
        send: Send,
        *,
        namespace: str,
        replica: str,
        standing: Callable[[str], Standing | None],
        clock: Callable[[], float],
        timing: ReportTiming | None = None,
    ) -> None:
        self.run_id = secrets.token_hex(8)
        self.published = 0
        self.failures = 0
        self._send = send
        self._replica = replica
        self._collection = f"/api/v1/namespaces/{namespace}/configmaps"
        self._standing = standing
        self._clock = clock
        self._timing = timing or ReportTiming()
        self._units: dict[str, Unit] = {}
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._text = joined((), LONGEST_REPORT)
        # When each of the latest reports was sent, by its number.
        self._sent: dict[int, float] = {}
        self._number = 0
        self._error = ""

    def changed(self, tenant: str) -> None:
        """Take note that there is something else to say of a tenant."""
        self._changed[tenant] = None
        self._wake.set()

    def lost(self) -> None:
        """Hear that somebody has deleted the report: it is written anew."""
        self._wake.set()

    def sent_at(self, report: Report) -> float | None:
        """Return when a report that was read has been sent, None where it is not one of this process."""
        return self._sent.get(report.renewed) if report.run == self.run_id else None

    async def run(self) -> None:
        """Publish until cancelled."""
        wait = self._timing.least
        while True:
            began = self._clock()
            went_well = await self._publish()
            pause = self._timing.pause(len(self._text))
            wait = pause if went_well else min(wait * 2, self._timing.renew)
            await asyncio.sleep(max(0.0, began + wait - self._clock()))
            if went_well:
                try:
                    async with asyncio.timeout(max(0.0, began + self._timing.renew - self._clock())):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def withdraw(self) -> None:
        """Say that there is nothing to say any more, and delete the report: this replica ends. `run` must have ended."""
        self._units, self._changed, self._text = {}, {}, joined((), LONGEST_REPORT)
        try:
            if await self._publish():
                await self._send("DELETE", f"{self._collection}/{name_of(self._replica)}")
        except (ApiError, Unreachable) as error:
            log.info("report not withdrawn: it expires", reason=str(error))

    async def delete(self, report: Report) -> None:
        """Delete what a dead replica has left, unless that has changed since it was read."""
        preconditions = {"uid": report.uid, "resourceVersion": report.version}
        try:
            await self._send(
                "DELETE",
                f"{self._collection}/{report.ref.name}",
                {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions},
            )
        except (ApiError, Unreachable) as error:
            if getattr(error, "status", 0) not in {_NOT_FOUND, _CONFLICT}:
                log.info("report of a dead replica not deleted", object=str(report.ref), reason=str(error))

    def text(self) -> bytes:
        """Return what there is to say now; what did not change since is not encoded again."""
        changed, self._changed = self._changed, {}
        self._wake.clear()
        for tenant in changed:
            standing = self._standing(tenant)
            if standing is None:
                self._units.pop(tenant, None)
            else:
                self._units[tenant] = encode_standing(tenant, standing)
        if changed:
            self._text = joined(self._units.values(), LONGEST_REPORT)
        return self._text

    async def _publish(self) -> bool:
        self._number += 1
        name = name_of(self._replica)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {LABEL: "replica"}},
            "data": {
                "replica": self._replica,
                "run": self.run_id,
                "renewed": str(self._number),
                _DATA: self.text().decode(),
            },
        }
        self._sent[self._number] = self._clock()
        for number in [number for number in self._sent if number <= self._number - 1000]:
            del self._sent[number]
        try:
            await self._send(
                "PATCH",
                f"{self._collection}/{name}",
                body,
                params={"fieldManager": _MANAGER, "force": "true"},
                content_type=APPLY,  # creates or replaces, and may be repeated
            )
        except (ApiError, Unreachable) as error:
            self.failures += 1
            if str(error) != self._error:
                self._error = str(error)
                log.warning(
                    "report not published: conditions wait for it", configmap=name, reason=self._error
                )
            return False
        if self._error:
            log.info("report published again", configmap=name)
            self._error = ""
        self.published += 1
        return True
