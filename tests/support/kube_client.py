"""A client of the Kubernetes API for tests: what a person does with kubectl while the program under test looks on.

It is not the program's own client: what that one does is under test. Objects are plain dictionaries, as in a manifest.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

Object = dict[str, Any]

_AT_ONCE = 50
"""Requests that are under way together when many objects are created."""
_LIMIT = 1 << 26
"""Bytes of the longest line of a watch: no object is larger."""
_PLURAL_ALREADY = ("Addresses", "Endpoints")


class RefusedError(AssertionError):
    """The API server refused a request; ``status`` is the HTTP status, ``body`` the Status object."""

    def __init__(self, request: str, status: int, body: Any) -> None:
        super().__init__(f"{request}: {status} {body['message'] if isinstance(body, dict) else body}")
        self.status = status
        self.body = body


def collection(api_version: str, kind: str, namespace: str = "") -> str:
    """Return the path of a kind's objects: ``/api/v1/namespaces/tenant-a/secrets``; without a namespace, of all namespaces."""
    group = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    plural = kind.lower()
    if kind not in _PLURAL_ALREADY:
        plural = (
            f"{plural[:-1]}ies"
            if plural.endswith("y")
            else f"{plural}{'es' if plural.endswith('s') else 's'}"
        )
    return f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"


def path_of(thing: Mapping[str, Any]) -> str:
    """Return an object's own path."""
    return f"{_collection_of(thing)}/{thing['metadata']['name']}"


def _collection_of(thing: Mapping[str, Any]) -> str:
    return collection(thing["apiVersion"], thing["kind"], thing["metadata"].get("namespace", ""))


class ApiClient:
    """Speaks to one API server as one identity; an async context manager. Every method raises `RefusedError`.

    Where a method takes an object, its apiVersion, kind, name and namespace say which is meant.
    """

    def __init__(self, server: str, token: str, *, authority: str | None) -> None:
        self.server = server
        self._token = token
        self._tls = ssl.create_default_context(cafile=authority) if authority else True
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self.server,
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
            timeout=aiohttp.ClientTimeout(total=60),
            read_bufsize=_LIMIT,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] = {},
        content_type: str = "application/json",
    ) -> Any:
        """Make any request and return the answer's JSON."""
        data = None if body is None else json.dumps(body).encode()
        async with self._opened.request(
            method, path, params=params, data=data, headers={"Content-Type": content_type} if data else {}
        ) as answer:
            text = await answer.text()
            parsed = json.loads(text) if answer.content_type == "application/json" else text
            if not answer.ok:
                raise RefusedError(f"{method} {path}", answer.status, parsed)
            return parsed

    async def create(self, thing: Object) -> Object:
        """Create an object."""
        return await self._object("POST", _collection_of(thing), thing)

    async def create_all(self, things: Iterable[Object]) -> None:
        """Create many objects, many at a time."""
        left = iter(things)

        async def work() -> None:
            for thing in left:
                await self.create(thing)

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(work())

    async def apply(self, thing: Object) -> Object:
        """Create an object or alter it to be this, as ``kubectl apply --server-side --force-conflicts`` does."""
        params = {"fieldManager": "tests", "force": "true"}
        return await self._object("PATCH", path_of(thing), thing, params, "application/apply-patch+yaml")

    async def get(self, thing: Mapping[str, Any]) -> Object:
        """Return an object as it is now."""
        return await self._object("GET", path_of(thing))

    async def patch(self, thing: Mapping[str, Any], change: Object, *, subresource: str = "") -> Object:
        """Alter some fields of an object (a merge patch: ``None`` removes a field)."""
        path = f"{path_of(thing)}/{subresource}".rstrip("/")
        return await self._object("PATCH", path, change, {}, "application/merge-patch+json")

    async def replace(self, thing: Object) -> Object:
        """Put an object in the place of the one that is there."""
        return await self._object("PUT", path_of(thing), thing)

    async def delete(self, thing: Mapping[str, Any]) -> None:
        """Delete an object at once."""
        await self.request("DELETE", path_of(thing), params={"gracePeriodSeconds": "0"})

    async def recreate(self, thing: Object) -> Object:
        """Delete an object and create this one, one right after the other, as ``kubectl replace --force`` does."""
        await self.delete(thing)
        return await self.create(thing)

    async def list(self, api_version: str, kind: str, namespace: str = "", **params: str) -> Object:
        """Return a kind's list as the API server gives it, with its metadata; ``params`` go into the query."""
        return await self._object("GET", collection(api_version, kind, namespace), None, params)

    async def resource_version(
        self, api_version: str = "v1", kind: str = "Secret", namespace: str = ""
    ) -> str:
        """Return the resourceVersion that a list of this kind has now."""
        listed = await self.list(api_version, kind, namespace, limit="1")
        return str(listed["metadata"]["resourceVersion"])

    async def clear(self, api_version: str, kind: str, namespace: str) -> None:
        """Delete all objects of a kind in a namespace."""
        await self.request("DELETE", collection(api_version, kind, namespace))

    @asynccontextmanager
    async def watch(
        self, api_version: str, kind: str, namespace: str = "", **params: str
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """Watch a kind: ``async with client.watch("v1", "Secret", resourceVersion="0") as events: async for event in events``."""
        path = collection(api_version, kind, namespace)
        async with self._opened.get(
            path, params={"watch": "1"} | params, timeout=aiohttp.ClientTimeout()
        ) as answer:
            if not answer.ok:
                raise RefusedError(f"watch {path}", answer.status, await answer.json(content_type=None))

            async def events() -> AsyncIterator[Object]:
                async for line in answer.content:
                    yield json.loads(line)

            yield events()

    async def _object(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        params: Mapping[str, str] = {},
        content_type: str = "application/json",
    ) -> Object:
        answer = await self.request(method, path, body, params=params, content_type=content_type)
        assert isinstance(answer, dict)
        return answer

    @property
    def _opened(self) -> aiohttp.ClientSession:
        assert self._session is not None, "use it in an `async with` block"
        return self._session
