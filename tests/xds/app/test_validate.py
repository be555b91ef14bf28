import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.pki import START, ca
from tests.xds.app.manifests import loadbalancer, secret, verify, write
from xds.app.errors import UserError
from xds.app.validate import CheckedLoadBalancer, Report, validate
from xds.translate import Options

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ROOT_CA = ca("root")


def check(*folders: Path, options: Options | None = None) -> Report:
    """Validate folders with the default options at a fixed time."""
    return validate(folders, options=options or Options(), now=NOW)


def tls_of(lb: CheckedLoadBalancer) -> list[str]:
    """Return the TLS outcome of each of its ports."""
    return [port.tls for port in lb.ports]


def test_what_is_served_as_written_is_ok(tmp_path: Path) -> None:
    """A LoadBalancer with its Secret is translated as serve would, and nothing is wrong."""
    documents = loadbalancer("web", tls=verify("ca")), secret("ca", ca_crt=ROOT_CA.pem.decode())
    report = check(write(tmp_path, "web.yaml", *documents))
    (web,) = report.loadbalancers
    (port,) = web.ports
    assert (port.listener_port, port.endpoint_port, port.tls, port.endpoints) == (20001, 8443, "verify", 1)
    assert [certificate.subject for certificate in web.ca] == ["CN=root"]
    assert [(each.type, each.status) for each in web.conditions] == [
        ("Accepted", "True"),
        ("ResolvedRefs", "True"),
    ]
    assert (report.ok, report.count("error"), report.count("warning")) == (True, 0, 0)


def test_an_error_is_something_wrong(tmp_path: Path) -> None:
    """A LoadBalancer whose Secret is missing fails closed, and the report is not ok."""
    report = check(write(tmp_path, "web.yaml", loadbalancer("web", tls=verify("ca"))))
    (web,) = report.loadbalancers
    assert (tls_of(web), web.ca) == (["fail-closed"], ())
    assert (report.ok, web.ok, report.count("error")) == (False, False, 1)


def test_a_warning_is_nothing_wrong(tmp_path: Path) -> None:
    """A finding that costs no traffic leaves the report ok."""
    report = check(write(tmp_path, "web.yaml", loadbalancer("web", hostname="web.example")))
    assert (report.ok, report.count("warning"), report.count("error")) == (True, 1, 0)


def test_an_invalid_object_is_something_wrong(tmp_path: Path) -> None:
    """An object that cannot be used is reported with all of its faults, and costs no other object anything."""
    bad = loadbalancer("bad", ports=[{"port": 0}], endpoints=[])
    report = check(write(tmp_path, "lbs.yaml", bad, loadbalancer("good")))
    (invalid,) = report.invalid
    assert (str(invalid.ref), {fault.path for fault in invalid.faults}) == (
        "LoadBalancer tenant-a/bad",
        {"spec.ports[0].port", "spec.endpoints"},
    )
    assert [lb.ref.name for lb in report.loadbalancers] == ["good"]
    assert (report.ok, report.count("error")) == (False, 1)


def test_a_file_that_cannot_be_parsed_is_something_wrong(tmp_path: Path) -> None:
    """A file that is no YAML is reported with its line, and costs no other file anything."""
    (tmp_path / "bad.yaml").write_text("kind: LoadBalancer\nspec: [", encoding="utf-8")
    report = check(write(tmp_path, "good.yaml", loadbalancer("good")))
    (problem,) = report.problems
    assert problem.path == str(tmp_path / "bad.yaml")
    assert problem.line is not None
    assert len(report.loadbalancers) == 1
    assert (report.ok, report.count("error")) == (False, 1)


def test_ports_collide_within_a_tenant_only(tmp_path: Path) -> None:
    """Two LoadBalancers of a tenant cannot have one port; those of two tenants can."""
    first, second = loadbalancer("a"), loadbalancer("b")
    elsewhere = loadbalancer("c", namespace="tenant-b")
    report = check(write(tmp_path, "lbs.yaml", second, first, elsewhere))
    listeners = {lb.ref.name: lb.ports[0].listener_port for lb in report.loadbalancers}
    assert listeners == {"a": 20001, "b": None, "c": 20001}


def test_several_folders_are_one(tmp_path: Path) -> None:
    """What one folder's LoadBalancer names may lie in another folder."""
    (tmp_path / "lbs").mkdir()
    (tmp_path / "secrets").mkdir()
    report = check(
        write(tmp_path / "lbs", "web.yaml", loadbalancer("web", tls=verify("ca"))),
        write(tmp_path / "secrets", "ca.yaml", secret("ca", ca_crt=ROOT_CA.pem.decode())),
    )
    assert report.ok


def test_settings_decide_as_they_do_for_serve(tmp_path: Path) -> None:
    """Verify without a caSecretRef is plain or fails closed, as the option has it."""
    folder = write(tmp_path, "web.yaml", loadbalancer("web", tls={"policy": "Verify"}))
    strict = Options(verify_without_ca_fails_closed=True)
    assert tls_of(check(folder).loadbalancers[0]) == ["plain"]
    assert tls_of(check(folder, options=strict).loadbalancers[0]) == ["fail-closed"]


@pytest.mark.parametrize(("name", "reason"), [("none", "does not exist"), ("file.yaml", "is no folder")])
def test_a_folder_that_is_none_is_the_users_error(name: str, reason: str, tmp_path: Path) -> None:
    """A folder that is not there, or is a file, is refused by name."""
    write(tmp_path, "file.yaml", loadbalancer("web"))
    with pytest.raises(UserError, match=f"{name} {reason}"):
        check(tmp_path / name)


def test_an_empty_folder_is_ok(tmp_path: Path) -> None:
    """A folder without manifests has nothing wrong in it."""
    assert check(tmp_path) == Report((), (), ())
    assert check(tmp_path).ok


def test_the_json_has_the_documented_shape(tmp_path: Path) -> None:
    """The report as JSON has the documented names, and nothing that JSON does not know."""
    bad_object = loadbalancer("bad", endpoints=[])
    documents = (
        loadbalancer("web", tls=verify("ca"), hostname="x"),
        secret("ca", ca_crt=ROOT_CA.pem.decode()),
    )
    write(tmp_path, "web.yaml", *documents, bad_object)
    (tmp_path / "x.yaml").write_text("- 1\n", encoding="utf-8")
    shown = json.loads(json.dumps(check(tmp_path).as_json()))
    web = shown["loadBalancers"][0]
    assert set(shown) == {"ok", "loadBalancers", "invalid", "problems"}
    assert set(web) == {"namespace", "name", "ok", "ports", "caCertificates", "conditions", "findings"}
    assert web["ports"] == [
        {
            "resource": "tenant-a-web-ep-0-port-8443-TCP",
            "group": 0,
            "protocol": "TCP",
            "endpointPort": 8443,
            "listenerPort": 20001,
            "tls": "verify",
            "detail": "Secret ca: 1 certificate",
            "endpoints": 1,
            "discovery": "EDS",
        }
    ]
    (certificate,) = web["caCertificates"]
    assert certificate.pop("sha256") == check(tmp_path).loadbalancers[0].ca[0].sha256
    assert certificate == {
        "subject": "CN=root",
        "issuer": "CN=root",
        "notBefore": START.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "notAfter": "2035-12-30T00:00:00Z",
    }
    assert set(web["conditions"][0]) == {"type", "status", "reason", "message"}
    assert set(web["findings"][0]) == {"level", "condition", "reason", "message", "path"}
    (invalid,) = shown["invalid"]
    assert (invalid["kind"], invalid["namespace"], invalid["name"]) == ("LoadBalancer", "tenant-a", "bad")
    assert set(invalid["faults"][0]) == {"path", "value", "allowed"}
    assert set(shown["problems"][0]) == {"path", "line", "reason"}


def test_the_json_holds_nothing_of_secrets(tmp_path: Path) -> None:
    """Neither a Secret's other keys nor the PEM itself are in the report."""
    pem = ROOT_CA.pem.decode()
    write(
        tmp_path,
        "a.yaml",
        loadbalancer("web", tls=verify("ca")),
        secret("ca", ca_crt=pem, tls_key="topsecret"),
    )
    text = json.dumps(check(tmp_path).as_json())
    assert "CN=root" in text
    assert "topsecret" not in text
    assert pem.splitlines()[1] not in text
