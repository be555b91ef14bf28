"""What is said of a finalizer that goes."""

import json
from typing import Any, cast

import structlog

from kube.client import ApiError
from kube.coordination.finalizer import FINALIZER, Finalizer
from kube.objects import ObjectMeta

DELETED = ObjectMeta(name="web", namespace="tenant-a", uid="1", resource_version="5", finalizers=(FINALIZER,))


class Api:
    """An API server with one object, which ends with its last finalizer."""

    def __init__(self) -> None:
        self.gone = False

    async def send(self, *_: object, **__: object) -> bytes:
        """Take the finalizer away."""
        if self.gone:
            raise ApiError(404, "NotFound", "it is gone")
        self.gone = True
        return json.dumps({"metadata": {"name": "web", "namespace": "tenant-a", "uid": "1"}}).encode()


async def test_it_goes_once() -> None:
    """One deletion is one line of log, however often it is looked at before the watch says that the object is gone."""
    finalizer = Finalizer(cast("Any", Api()))
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            await finalizer.remove(DELETED)
    assert [line["event"] for line in lines] == ["finalizer removed"]
    assert lines[0]["object"] == "LoadBalancer tenant-a/web"
