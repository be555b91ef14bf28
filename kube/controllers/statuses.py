"""Writes the status of a LoadBalancer: ports, conditions and what the cloud said, in one patch, and only where it differs.

It does not know where any of that comes from: it is asked for when it is written, so that a write that had to wait writes what
is true then. What others wrote into the status stays.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from kube.client import KubeApi
from kube.coordination.conditions import merge
from kube.coordination.writer import Writer
from kube.objects import Condition, LoadBalancer, LoadBalancerHead, ObjectMeta, ObjectRef, StatusPort

_GROUP: Final = "/apis/kubelb.k8c.io/v1alpha1"


class Desired(NamedTuple):
    """What a status is to say; what is None stays as it is.

    ``keep`` are types of conditions of ours that stay though ``conditions`` lacks them: nothing better is known yet.
    """

    ports: tuple[StatusPort, ...] | None = None
    conditions: tuple[Condition, ...] | None = None
    keep: frozenset[str] = frozenset()
    load_balancer: Mapping[str, Any] | None = None


class Patched(NamedTuple):
    """A merge patch of a status, and the conditions that it changes."""

    status: dict[str, Any]
    changed: tuple[Condition, ...]


def patch(lb: LoadBalancer | LoadBalancerHead, desired: Desired, now: datetime) -> Patched | None:
    """Return what has to be written, None when the status says it already.

    Ports go first and alone: what the conditions say follows from what is recorded, and is another thing then.
    """
    status: dict[str, Any] = {}
    if desired.ports is not None and desired.ports != lb.status.service.ports:
        status["service"] = {"ports": [msgspec.to_builtins(port) for port in desired.ports]}
    if desired.load_balancer is not None and dict(desired.load_balancer) != dict(lb.status.load_balancer):
        status["loadBalancer"] = dict(desired.load_balancer) or None
    changed: tuple[Condition, ...] = ()
    if "service" not in status and desired.conditions is not None:
        before = lb.status.conditions
        merged = merge(before, desired.conditions, lb.metadata.generation, now, keep=desired.keep)
        if merged is not None:
            changed = tuple(condition for condition in merged if condition not in before)
            status["conditions"] = [_document(condition) for condition in merged]
    return Patched(status, changed) if status else None


def _document(condition: Condition) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(condition)
    return {"message": "", **document}


class Statuses:
    """The statuses of all LoadBalancers. ``find`` returns one as it stands at the API server, ``desired`` what its status is to say.

    ``changed`` hears of conditions that were written, with the metadata of the version that they were written to.
    """

    def __init__(
        self,
        api: KubeApi,
        writer: Writer,
        *,
        find: Callable[[ObjectRef], LoadBalancer | LoadBalancerHead | None],
        desired: Callable[[ObjectRef], Desired],
        changed: Callable[[ObjectMeta, tuple[Condition, ...]], None],
    ) -> None:
        self._api = api
        self._writer = writer
        self._find = find
        self._desired = desired
        self._changed = changed
        # Versions that were written and have not come back through the watch.
        self._written: dict[ObjectRef, str] = {}

    def look(self, ref: ObjectRef) -> None:
        """Have a status written where it is not what it is to be."""
        lb = self._find(ref)
        if lb is None:
            self._written.pop(ref, None)
            self._writer.forget(ref)
        elif not self._is_outdated(lb) and patch(lb, self._desired(ref), datetime.now(UTC)) is not None:
            self._writer.put(ref, partial(self._write, ref))

    def _is_outdated(self, lb: LoadBalancer | LoadBalancerHead) -> bool:
        """Return whether a write of ours has yet to come back; then there will be another look."""
        written = self._written.get(lb.ref)
        if written is None:
            return False
        version = lb.metadata.resource_version
        if written.isdecimal() and version.isdecimal() and int(version) < int(written):
            return True
        del self._written[lb.ref]
        return False

    async def _write(self, ref: ObjectRef) -> None:
        lb = self._find(ref)
        if lb is None:
            return
        found = patch(lb, self._desired(ref), datetime.now(UTC))
        if found is None:
            return
        # Under the version: a patch that was delayed must not meet another LoadBalancer of the same name.
        body = {"metadata": {"resourceVersion": lb.metadata.resource_version}, "status": found.status}
        path = f"{_GROUP}/namespaces/{ref.namespace}/loadbalancers/{ref.name}/status"
        answer = msgspec.json.decode(await self._api.send("PATCH", path, body))
        self._written[ref] = answer["metadata"]["resourceVersion"]
        if found.changed:
            self._changed(lb.metadata, found.changed)
