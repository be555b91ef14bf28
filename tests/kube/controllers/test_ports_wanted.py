import pytest

from kube.controllers.allocation import LEDGER_FULL, allocation, join, wants_of
from kube.controllers.ports import Claims, Key
from kube.objects import StatusPort
from tests.kube.controllers.port_things import lb, published

HTTPS = Key("web", "TCP", "https")


def test_each_entry_of_spec_ports_is_a_key() -> None:
    """A name stands for itself, a number for an entry without a name: an entry named 443 is another one."""
    wants = wants_of(lb("web", "https:443", ":80", "443:8443", "dns:53/UDP"))
    assert [*wants.recorded] == [HTTPS, ("web", "TCP", ":80"), ("web", "TCP", "443"), ("web", "UDP", "dns")]
    assert {*wants.recorded.values()} == {None}
    assert wants.mentioned == frozenset()


@pytest.mark.parametrize(
    ("record", "key"),
    [
        ("https:443=20001", HTTPS),
        ("https:8443=20001", HTTPS),
        (":80=20001", Key("web", "TCP", ":80")),
        ("web-80:80=20001", Key("web", "TCP", ":80")),
        ("dns:53/UDP=20001", Key("web", "UDP", "dns")),
        ("https:443/UDP=20001", None),
        ("http:443=20001", None),
        (":443=20001", None),
        (":81=20001", None),
    ],
)
def test_a_record_belongs_to_its_name_or_to_its_number(record: str, key: Key | None) -> None:
    """Name and protocol decide; only an entry without a name is found by its number. Whosever it is, it is mentioned."""
    wants = wants_of(lb("web", "https:443", ":80", "dns:53/UDP", recorded=[record]))
    assert {key: port for key, port in wants.recorded.items() if port} == ({key: 20001} if key else {})
    assert wants.mentioned == {("UDP" if "UDP" in record else "TCP", 20001)}


def test_of_two_records_the_first_counts() -> None:
    """A status that says two things about one entry is read from its beginning."""
    wants = wants_of(lb("web", ":80", recorded=[":80=20001", "named:80=20002"]))
    assert [*wants.recorded.values()] == [20001]
    assert wants.mentioned == {("TCP", 20001), ("TCP", 20002)}


def test_a_record_without_a_number_is_none() -> None:
    """A target port by name, or none yet, says nothing."""
    ports = (StatusPort(name="https", target_port="https"), StatusPort(name="http", target_port=0))
    wants = wants_of(published(lb("web", "https:443", "http:80"), ports))
    assert {*wants.recorded.values()} == {None}
    assert wants.mentioned == frozenset()


def test_a_tenant_wants_what_its_loadbalancers_want() -> None:
    """All keys and all mentions come together."""
    joined = join([wants_of(lb("a", "x:1", recorded=["x:1=20001"])), wants_of(lb("b", "x:1"))])
    assert joined == Claims({Key("a", "TCP", "x"): 20001, Key("b", "TCP", "x"): None}, {("TCP", 20001)})
    assert join([]) == Claims({}, set())


def test_what_is_told_has_the_service_port_the_listener_port_and_the_backends() -> None:
    """Entries come in the order of spec.ports, each with the endpoint port that it is paired with."""
    web = lb("web", "https:443", "dns:53/UDP", backends=["dns:1053/UDP", "https:8443"])
    held = {HTTPS: 20001, Key("web", "UDP", "dns"): 20002}
    assert allocation(web, held, {}) == (
        (
            StatusPort(name="https", protocol="TCP", port=443, target_port=20001, upstream_target_port=8443),
            StatusPort(name="dns", protocol="UDP", port=53, target_port=20002, upstream_target_port=1053),
        ),
        (),
    )


def test_what_is_told_is_read_back() -> None:
    """A status that says what was told claims exactly that, names or not."""
    web = lb("web", "https:443", ":80", ":53/UDP")
    held = dict(zip(wants_of(web).recorded, (20001, 20002, 20003), strict=True))
    assert wants_of(published(web, allocation(web, held, {}).ports)).recorded == held


def test_an_entry_without_an_endpoint_port_holds_its_port_silently() -> None:
    """It is neither told nor refused: the translation says what is wrong with it."""
    web = lb("web", "https:443", "http:80", backends=["https:8443"])
    held = dict.fromkeys(wants_of(web).recorded, 20001)
    told = allocation(web, held, {})
    assert [port.name for port in told.ports] == ["https"]
    assert told.refusals == ()


def test_a_refusal_names_entry_and_remedy() -> None:
    """Reason, message and path are there for a condition, and when to try again."""
    told = allocation(lb("web", "https:443", ":53/UDP"), {}, {HTTPS: 5.0})
    assert told.ports == ()
    assert [(refusal.reason, refusal.path, refusal.retry_at) for refusal in told.refusals] == [
        ("ListenerPortsExhausted", "spec.ports[0]", 5.0),
        ("ListenerPortsExhausted", "spec.ports[1]", None),
    ]
    assert told.refusals[0].message == (
        'spec.ports[0] ("https", TCP 443) gets no listener port: every TCP port of 10000-65534 without 19000-19999 is taken in this '
        "tenant; delete LoadBalancers, whose ports are given again after 300 s"
    )


def test_a_full_ledger_is_said_with_its_limit() -> None:
    """The message names the object, the limit and the remedy."""
    told = allocation(lb("web", "https:443"), {}, {HTTPS: None}, reason=LEDGER_FULL)
    message = (
        'spec.ports[0] ("https", TCP 443) gets no listener port: the ConfigMap that keeps this tenant\'s listener ports would '
        "exceed the 1 MiB that the API server takes; delete LoadBalancers of this tenant, or give them shorter names"
    )
    assert told.refusals == (("PortLedgerFull", message, "spec.ports[0]", None),)
