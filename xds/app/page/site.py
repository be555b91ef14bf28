"""Which page is at which path: it puts together what a page shows and how that looks, and knows neither HTTP nor where things come from."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from xds.admin.changes import Changes
from xds.admin.page_server import Page
from xds.admin.rpc import CallError
from xds.app.control_plane import ControlPlane
from xds.app.page.entries import MEANINGS, is_good
from xds.app.page.paging import asked
from xds.app.page.rendering import render, static
from xds.app.page.views import ENVOY_FILTERS, LOADBALANCER_FILTERS, MOST_NACKS, Views

_HTML: Final = "text/html; charset=utf-8"
_OK: Final = 200
_NOT_FOUND: Final = 404
_OF_ONE: Final = "/loadbalancers/"


class StatusPage:
    """The pages about a control plane, and word of what makes them other ones. Belongs to its event loop."""

    def __init__(self, control_plane: ControlPlane) -> None:
        """Follow the control plane from now on."""
        self.changes = Changes()
        self._views = Views(control_plane)
        control_plane.pipeline.subscribe(self.changes.tell)
        control_plane.store.subscribe(self.changes.tell)
        control_plane.server.observe(self.changes)

    def state(self) -> object:
        """Return what changes without a word of it."""
        return self._views.state()

    async def page(self, path: str, query: Mapping[str, str]) -> Page:
        """Return what is at a path."""
        found = static(path)
        if found is not None:
            return Page(_OK, *found)
        # First the number, then what it stands for: what changes meanwhile is news.
        revision, now = self.changes.revision, datetime.now(UTC)
        views = self._views
        view: dict[str, Any] = {"revision": revision, "path": path}
        match path:
            case "/":
                view["overview"] = await views.overview(now)
            case "/tenants":
                view |= {"filters": {}, "found": await views.tenants(asked(query, {}))}
            case "/loadbalancers":
                wanted = asked(query, LOADBALANCER_FILTERS)
                view |= {"filters": LOADBALANCER_FILTERS, "found": await views.loadbalancers(wanted, now)}
            case "/envoys":
                envoys = await views.envoys(asked(query, ENVOY_FILTERS), now)
                view |= {"filters": ENVOY_FILTERS, "found": envoys.paged, "envoys": envoys}
            case "/nacks":
                view |= {"filters": {}, "found": await views.nacks(asked(query, {}))}
            case _:
                return await self._other(path, now, view)
        return self._html(path.removeprefix("/") or "overview", now, **view)

    async def _other(self, path: str, now: datetime, view: Mapping[str, Any]) -> Page:
        namespace, slash, name = path.removeprefix(_OF_ONE).partition("/")
        if not path.startswith(_OF_ONE) or not slash:
            text = "there is no such page: the links above lead to those that there are"
            return self._html("missing", now, status=_NOT_FOUND, **view, text=text)
        try:
            lines = await self._views.explanation(namespace, name, now)
        except CallError as error:
            return self._html("missing", now, status=_NOT_FOUND, **view, text=str(error))
        return self._html("loadbalancer", now, **view, namespace=namespace, name=name, lines=lines)

    def _html(self, template: str, now: datetime, *, status: int = _OK, **view: Any) -> Page:
        body = render(template, now, **view, meanings=MEANINGS, is_good=is_good, most_nacks=MOST_NACKS)
        return Page(status, _HTML, body)
