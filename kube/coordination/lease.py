"""Elects the replica that writes, by a Lease: keeps asking for it, and says when this replica leads and when it does no more.

The rules are `Claim`'s. What is here is requests, pauses and telling others. Whoever asks `leading` is answered by the clock:
a process that was suspended for longer than it held the lease knows so as soon as it wakes, before anything has happened.
"""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from kube.client import ApiError, KubeApi, Unreachable
from kube.client.errors import short
from kube.coordination.claim import Claim, Lease, LeaseTiming, Record

_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_TRIES: Final = 3
"""How often a lease is read and written at once when others write it meanwhile, before there is a pause."""

_EARLIEST: Final = 0.8
"""Of a pause; what is more of it is random, so that candidates do not ask together."""

_FAILURES: Final = (ApiError, Unreachable, msgspec.DecodeError, UnicodeDecodeError)
_LEASE: Final = msgspec.json.Decoder(Lease)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.coordination")


def boot_time() -> float:
    """Return the seconds since the machine started, those that it slept for among them: time.monotonic leaves them out."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Election:
    """One candidate for a lease. `identity` names this replica; it leads only while `run` does.

    A request that was sent while it led may still be carried out a moment after another took over: what must not happen twice
    is written under a resourceVersion.
    """

    def __init__(
        self,
        api: KubeApi,
        *,
        namespace: str,
        name: str = "kubelb-xds",
        identity: str,
        timing: LeaseTiming | None = None,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self.error = ""
        self.identity = identity
        self._api = api
        self._namespace = namespace
        self._name = name
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._timing = timing or LeaseTiming()
        self._clock = clock
        self._claim = Claim(identity, self._timing)
        # What the server said last about the lease, None where it has to be asked first, "" where there is none.
        self._version: str | None = None
        self._listeners: list[Callable[[bool], None]] = []
        self._told = False
        self._expiry: asyncio.TimerHandle | None = None
        self._ending = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def leading(self) -> bool:
        """Whether this replica surely holds the lease now, by its own clock."""
        return not self._ending.is_set() and self._claim.leads(self._clock())

    @property
    def holder(self) -> str:
        """Whom the lease named when it was last seen; empty for nobody."""
        return self._claim.holder

    def subscribe(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Call `listener` whenever `leading` has become True, or False; return what ends that.

        True and False alternate: one that led, did not for a moment and leads again hears all of it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        """Ask for the lease, and renew it, until cancelled or released; nothing that the API server does ends it."""
        while not self._ending.is_set():
            async with self._turn:
                retry_after = await self._attempt()
            pause = self._timing.retry * random.uniform(_EARLIEST, 1)  # noqa: S311 — no secret
            if retry_after and not self.leading:
                pause = max(pause, min(retry_after, self._timing.duration))
            await self._pause(pause)

    async def release(self) -> None:
        """Lead no more from now on, and give the lease up, so that another replica leads at once. There is no way back."""
        self._ending.set()
        self._claim.stop()
        self._tell()
        async with self._turn:
            if not self._claim.at_stake:
                return
            try:
                await self._give_up()
            except _FAILURES as error:
                log.warning(
                    "lease not released: another replica leads only once it has run out",
                    lease=f"{self._namespace}/{self._name}",
                    seconds=self._timing.duration,
                    error=_text(error),
                )

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            pass

    async def _attempt(self) -> float | None:
        """Take the lease or renew it if that is possible; return how long the server asks to be left alone."""
        try:
            for _ in range(_TRIES):
                if self._ending.is_set() or await self._tried():
                    break
        except _FAILURES as error:
            self._version = None
            self._failed(error)
            return getattr(error, "retry_after", None)
        except Exception:
            # A fault of ours must not end the election: the others would have to wait for ever for what only a leader does.
            log.exception("election failed: this is a fault of the program")
            self.error = "a fault of the program: the log says more"
            self._version = None
        else:
            self._recovered()
        finally:
            self._tell()
        return None

    async def _tried(self) -> bool:
        """Look and write once; return False if somebody else wrote in between."""
        if self._version is None:
            await self._look()
        version = self._version
        if not self._claim.is_free(self._clock()):
            self._version = None
            return True
        started = self._clock()
        try:
            lease = await self._write(version or "", self._claim.proposal(_now()))
        except ApiError as error:
            self._version = None
            if error.status == _CONFLICT or (error.status == _NOT_FOUND and version):
                return False
            raise
        if lease.spec is None or not self._claim.owns(lease.spec):
            raise msgspec.DecodeError("the answer is another lease than was written")
        self._version = lease.metadata.resource_version
        if not self._ending.is_set():
            self._tell()  # if it had run out, that comes before what begins now
            self._claim.written(lease.spec, started)
        return True

    async def _look(self) -> None:
        before = self._claim.holder
        try:
            body = await self._api.get(f"{self._path}/{self._name}", within=self._limit)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            self._claim.found(None, self._clock())
            self._version = ""
        else:
            lease = _LEASE.decode(body)
            self._claim.found(lease.spec, self._clock())
            self._version = lease.metadata.resource_version
        holder = self._claim.holder
        if holder and holder not in {before, self.identity}:
            log.info("another replica leads", lease=f"{self._namespace}/{self._name}", holder=short(holder))

    async def _write(self, version: str, record: Record) -> Lease:
        """Write a record over the version that was seen; all else in the Lease stays."""
        if version:
            body = await self._api.send(
                "PATCH",
                f"{self._path}/{self._name}",
                {"metadata": {"resourceVersion": version}, "spec": record},
                within=self._limit,
            )
        else:
            metadata = {"name": self._name, "namespace": self._namespace}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            body = await self._api.send("POST", self._path, {**lease, "spec": record}, within=self._limit)
        return _LEASE.decode(body)

    async def _give_up(self) -> None:
        for _ in range(_TRIES):
            try:
                lease = _LEASE.decode(await self._api.get(f"{self._path}/{self._name}", within=self._limit))
                if lease.spec is None or not self._claim.owns(lease.spec):
                    return
                await self._write(lease.metadata.resource_version, self._claim.farewell(_now()))
            except ApiError as error:
                if error.status == _NOT_FOUND:
                    return
                if error.status != _CONFLICT:
                    raise
            else:
                log.info("lease released", lease=f"{self._namespace}/{self._name}")
                return

    @property
    def _limit(self) -> float:
        """Seconds for one request: one that hangs leaves time for another before the lease is lost."""
        return self._timing.renew / 2

    def _tell(self) -> None:
        """Tell the listeners if there is something new, and come back when the lease runs out."""
        leading = self.leading
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if leading:
            left = max(self._claim.until - self._clock(), 0.001)
            self._expiry = asyncio.get_running_loop().call_later(left, self._tell)
        if leading == self._told:
            return
        self._told = leading
        log.info(
            "leads: this replica writes" if leading else "leads no more: this replica writes nothing",
            lease=f"{self._namespace}/{self._name}",
            holder=short(self.holder),
        )
        for listener in (*self._listeners,):
            try:
                listener(leading)
            except Exception:
                log.exception("listener failed: this is a fault of the program")

    def _failed(self, error: Exception) -> None:
        """Take note of a failure; each is one line of log until another one takes its place."""
        text = f"{_text(error)}{self._remedy(error)}"
        if text != self.error:
            self.error = text
            log.warning("lease not renewed or looked at", server=self._api.server, error=text)

    def _recovered(self) -> None:
        if self.error:
            self.error = ""
            log.info("lease is seen again", server=self._api.server)

    def _remedy(self, error: Exception) -> str:
        match getattr(error, "status", 0):
            case 401:
                return ": check the token or the certificate that kubelb-xds uses"
            case 403:
                return (
                    ": its role needs get, create and patch of leases in apiGroup 'coordination.k8s.io' in namespace "
                    f"{self._namespace!r}"
                )
            case 404:
                return f": does namespace {self._namespace!r} exist?"
            case _:
                return ""


def _text(error: Exception) -> str:
    if isinstance(error, ApiError | Unreachable):
        return str(error)
    return f"an answer that is no Lease: {error}"


def _now() -> str:
    """Return the present as metav1.MicroTime has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
