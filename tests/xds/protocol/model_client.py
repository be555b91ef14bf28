"""A model of a client of the protocol: it applies responses as Envoy would, and knows what each response is good for.

It refuses resources whose content is ``BAD``, either applying the rest as Envoy does for clusters and listeners, or applying
nothing. It may withhold answers, as Envoy does while a cluster warms.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tests.support.driver import Driver
from xds.messages import (
    Any_,
    Cluster,
    ClusterLoadAssignment,
    DeltaDiscoveryResponse,
    DiscoveryResponse,
    Listener,
)
from xds.protocol import Response
from xds.snapshot import Snapshot
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

BAD: Final = 4
# What it presents as its version where it holds neither all of one response nor all of another.
PARTIAL: Final = "partial"
FULL: Final = frozenset({CLUSTER, LISTENER})
EVERYTHING: Final = frozenset("abc")


class Sent(NamedTuple):
    """A response on its way, and what was so when it was sent."""

    response: Response
    # Names that may be in it whatever the client holds: a rule requires it, or the client let go of them since.
    excused: set[str]
    # Names that existed then.
    existing: frozenset[str]


class Answer(NamedTuple):
    """What the client has to say of a response."""

    response: Response
    error: str | None


@dataclass
class TypeView:
    """What the client wants and holds of one type."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    # State of the world: whether any request of the stream named something.
    named: bool = False
    held: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    version: str = ""
    nonce: str = ""
    withheld: list[Answer] = field(default_factory=list)
    # Names that the server has to send, and whether it has to answer at all.
    required: set[str] = field(default_factory=set)
    must_answer: bool = False
    # State of the world: the same, of what was only asked for in requests that it has to leave unanswered.
    unheard: set[str] = field(default_factory=set)
    unheard_wildcard: bool = False
    # Names of responses that were refused without a name: held back until they change or are asked for.
    stuck: set[str] = field(default_factory=set)
    # Names that were refused on this stream.
    refused: set[str] = field(default_factory=set)

    def covers(self, name: str) -> bool:
        """Whether the client wants a resource of this name."""
        return self.wildcard or name in self.names


class ModelClient:
    """One client over several streams."""

    def __init__(self, snapshot: Snapshot, *, delta: bool, names_refused: bool, atomic: bool) -> None:
        self.snapshot = snapshot
        self.delta = delta
        self.names_refused = names_refused
        self.atomic = atomic
        self.views: dict[str, TypeView] = {}
        self.driver = Driver(snapshot=snapshot, delta=delta)
        self.inbox: list[Sent] = []

    # What the client does.

    def start(self, type_url: str, names: frozenset[str], *, wildcard: bool) -> None:
        """Send a type's first request on this stream."""
        view = self.views.setdefault(type_url, TypeView())
        view.wildcard, view.names = wildcard or not names, set(names)
        self._first_request(type_url)

    def _first_request(self, type_url: str) -> None:
        view = self.views[type_url]
        view.named = bool(view.names)
        wanted = [*sorted(view.names), *(["*"] if view.wildcard and view.named else [])]
        view.must_answer = view.wildcard
        if self.delta:
            have = {name: view.versions[name] for name in view.held}
            view.required |= set(wanted) - set(have)
            self.collect(self.driver.request(type_url, *wanted, have=have))
        else:
            view.required |= EVERYTHING
            view.must_answer = view.must_answer or bool(view.version and type_url in FULL)
            self.collect(self.driver.request(type_url, *wanted, version=view.version))

    def restate(self, type_url: str, names: frozenset[str], *, wildcard: bool) -> None:
        """State of the world: state another subscription; who withholds an answer can say nothing else before it."""
        self.release(type_url)
        view = self.views[type_url]
        if not names and not wildcard and not view.named:
            return  # there is no way to say it
        added = set(names) - view.names | (set(EVERYTHING) if wildcard and not view.wildcard else set())
        view.unheard |= added
        view.unheard_wildcard = view.unheard_wildcard or (wildcard and not view.wildcard)
        view.stuck -= added
        view.wildcard, view.names = wildcard, set(names)
        self._forget(type_url)
        self._request(type_url, None)

    def change(self, type_url: str, subscribe: frozenset[str], unsubscribe: frozenset[str]) -> None:
        """Delta: subscribe to names and unsubscribe from others, ``*`` among them."""
        view = self.views[type_url]
        asked = set(EVERYTHING) if "*" in subscribe - unsubscribe else set(subscribe - unsubscribe)
        wildcard = (view.wildcard or "*" in subscribe) and "*" not in unsubscribe
        told = unsubscribe & view.names if wildcard else set()
        view.required |= asked | told
        view.stuck -= asked | told
        view.must_answer = view.must_answer or "*" in subscribe - unsubscribe
        view.wildcard, view.names = wildcard, (view.names | subscribe) - unsubscribe - {"*"}
        self._forget(type_url)
        self.collect(self.driver.request(type_url, *sorted(subscribe), unsubscribe=sorted(unsubscribe)))

    def _forget(self, type_url: str) -> None:
        """Drop what is no longer wanted."""
        view = self.views[type_url]
        for name in [name for name in view.held if not view.covers(name)]:
            del view.held[name], view.versions[name]
            view.version = PARTIAL
            for sent in self.inbox:
                if sent.response.type_url == type_url:
                    sent.excused.add(name)

    def deliver(self, *, withhold: bool = False) -> None:
        """Take the oldest response, and answer it unless the answer is withheld."""
        sent = self.inbox.pop(0)
        view = self.views[sent.response.type_url]
        self._check_use(view, sent)
        view.withheld.append(Answer(sent.response, self._apply(view, sent)))
        view.nonce = sent.response.nonce
        if not withhold:
            self.release(sent.response.type_url)

    def release(self, type_url: str) -> None:
        """Send the answers that were withheld: in state of the world one for all, with the last error among them."""
        view = self.views[type_url]
        answers, view.withheld = view.withheld, []
        if self.delta:
            for answer in answers:
                self._note_answer(view, [answer], answer.error)
                self.collect(self.driver.request(type_url, nonce=answer.response.nonce, error=answer.error))
        elif answers:
            errors = [answer.error for answer in answers if answer.error is not None]
            error = errors[-1] if errors else None
            self._note_answer(view, answers, error)
            self._request(type_url, error)

    def _request(self, type_url: str, error: str | None) -> None:
        view = self.views[type_url]
        wanted = [*sorted(view.names), *(["*"] if view.wildcard and (view.named or view.names) else [])]
        view.named = view.named or bool(wanted)
        if all(sent.response.type_url != type_url for sent in self.inbox):
            view.required |= view.unheard
            view.must_answer = view.must_answer or view.unheard_wildcard
            view.unheard, view.unheard_wildcard = set(), False
        self.collect(
            self.driver.request(type_url, *wanted, nonce=view.nonce, version=view.version, error=error)
        )

    def reconnect(self) -> None:
        """Begin a new stream with all subscriptions; a client that cannot apply a part of a response begins empty."""
        self.driver = Driver(snapshot=self.snapshot, delta=self.delta)
        self.inbox.clear()
        self.views = {type_url: view for type_url, view in self.views.items() if view.wildcard or view.names}
        for type_url, view in self.views.items():
            restarted = not self.delta and not self._takes_parts(type_url)
            self.views[type_url] = TypeView(
                wildcard=view.wildcard,
                names=view.names,
                held={} if restarted else view.held,
                versions={} if restarted else view.versions,
                version="" if restarted else view.version,
            )
        for type_url in self.views:
            self._first_request(type_url)

    def collect(self, responses: list[Response]) -> None:
        """Take note of what is on its way."""
        for response in responses:
            touched = [resource.name for resource in response.resources] + [*response.removed]
            assert len(set(touched)) == len(touched), "a name is twice in a response"
            view = self.views[response.type_url]
            brings = {*response.changed, *response.removed}
            assert brings or view.must_answer, "a response that brings nothing"
            view.must_answer = False
            resources = self.snapshot.get(response.type_url)
            assert resources is not None
            self.inbox.append(Sent(response, view.required & brings, frozenset(resources.names)))
            view.required -= brings
            if response.type_url == CLUSTER and ENDPOINT in self.views:
                self.views[ENDPOINT].required |= set(response.changed)  # rule 30

    # How responses are taken.

    def _check_use(self, view: TypeView, sent: Sent) -> None:
        """Hold a response against what the client holds: each name that it brings has to change something."""
        response = sent.response
        versions = {resource.name: resource.version for resource in response.resources}
        for name in response.changed:
            useful = view.versions.get(name) != versions[name]
            assert useful or name in sent.excused or not view.covers(name), f"{name} is sent for nothing"
        for name in response.removed:
            useful = name in view.held or name in view.refused
            assert useful or name in sent.excused or not view.covers(name), f"{name} is removed for nothing"

    def _apply(self, view: TypeView, sent: Sent) -> str | None:
        response = sent.response
        encoded = response.encode(b"")
        if self.delta:
            parsed = DeltaDiscoveryResponse.FromString(encoded)
            packed = [found.resource for found in parsed.resources]
            gone = set(parsed.removed_resources)
        else:
            parsed = DiscoveryResponse.FromString(encoded)
            packed = list(parsed.resources)
            carried = {resource.name for resource in response.resources}
            gone = set(view.held) - carried if response.type_url in FULL else set()
            assert not gone & sent.existing, "what exists is deleted by leaving it out"
        contents = dict(_read(response.type_url, one.value) for one in packed)
        contents = {name: content for name, content in contents.items() if view.covers(name)}
        refused = sorted(name for name, content in contents.items() if content == BAD)
        # What was sent, or is sent until the server hears of it, is for a client that took all of this.
        touched = {*response.changed, *response.removed}
        not_taken = {name for name in touched if refused or not view.covers(name)}
        view.required |= not_taken
        for other in self.inbox:
            if other.response.type_url == response.type_url:
                other.excused.update(not_taken)
        view.refused |= set(refused)
        versions = {resource.name: resource.version for resource in response.resources}
        in_parts = self._takes_parts(response.type_url)
        if in_parts or not refused:
            for name in gone:
                view.held.pop(name, None)
                view.versions.pop(name, None)
            for name in contents.keys() - set(refused):
                view.held[name] = contents[name]
                view.versions[name] = versions[name]
        if not refused:
            view.version = response.version
            return None
        if in_parts:
            view.version = PARTIAL
        if self.names_refused:
            return "Error adding/updating cluster(s) " + ", ".join(f"{name}: no" for name in refused)
        return "refused"

    def _takes_parts(self, type_url: str) -> bool:
        """Whether the client takes the good parts of a response that it refuses: Envoy does so of full ones."""
        full = not self.delta and type_url in FULL
        return self.names_refused and (full or not self.atomic)

    def _note_answer(self, view: TypeView, answers: list[Answer], error: str | None) -> None:
        """Take note of what the server has to do, or may do, after a NACK."""
        if error is None:
            return
        touched = {name for response, _ in answers for name in (*response.changed, *response.removed)}
        # The rest goes again; and where nothing is named, whatever comes next for these names.
        view.required |= touched
        view.refused |= touched
        if not self.names_refused:
            view.stuck |= touched

    # What has to be in the end.

    def settle(self) -> None:
        """Answer everything, wake the stream when it says so, until nothing is left to do."""
        for _ in range(100):
            for type_url in self.views:
                self.release(type_url)
            if self.inbox:
                self.deliver()
            elif self.driver.wake_at is not None:
                self.collect(self.driver.wait(self.driver.wake_at - self.driver.now))
            else:
                break
        else:
            raise AssertionError("the server does not come to an end")
        for type_url, view in self.views.items():
            self._check_end(type_url, view)

    def _check_end(self, type_url: str, view: TypeView) -> None:
        resources = self.snapshot.get(type_url)
        assert resources is not None
        for name in EVERYTHING:
            resource = resources.get(name)
            held = view.held.get(name)
            if not view.covers(name):
                assert held is None
            elif resource is None:
                tells_absence = self.delta or type_url in FULL
                assert held is None or not tells_absence or name in view.stuck, f"{name} is held for ever"
            elif name not in view.stuck:
                _, content = _read(type_url, Any_.FromString(resource.body).value)
                assert (held == content) != (content == BAD), f"{name} is {held} and not {content}"


def _read(type_url: str, encoded: bytes) -> tuple[str, int]:
    """Return name and content of a resource as ``tests.support.resources`` makes them."""
    message: Any
    if type_url == CLUSTER:
        message = Cluster.FromString(encoded)
        return message.name, message.connect_timeout.seconds
    if type_url == LISTENER:
        message = Listener.FromString(encoded)
        return message.name, message.address.socket_address.port_value
    message = ClusterLoadAssignment.FromString(encoded)
    hosts = message.endpoints[0].lb_endpoints
    return message.cluster_name, hosts[0].endpoint.address.socket_address.port_value if hosts else 0
