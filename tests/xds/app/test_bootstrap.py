import json
import shlex
import socket
from typing import Any

import pytest
import yaml

from tests.support.command import ROOT
from xds.app.address import target_address
from xds.app.bootstrap import KEEPALIVE_SECONDS, XDS_CLUSTER, Bootstrap
from xds.app.cli import main
from xds.messages import Bootstrap as Message
from xds.messages import from_dict, message_class, to_dict
from xds.server import ServerOptions
from xds.translate import Options

EXAMPLE = ROOT / "examples" / "envoy-bootstrap.yaml"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def bootstrap(xds_address: str = "10.0.0.1:18000", **fields: Any) -> Bootstrap:
    """Return a bootstrap of tenant-a."""
    return Bootstrap(
        xds_address=target_address(xds_address), **{"tenant": "tenant-a", "node_id": "envoy-1"} | fields
    )


def parsed(made: Bootstrap) -> Any:
    """Return a bootstrap as Envoy's own message, which has no field that Envoy does not know."""
    return from_dict(Message, yaml.safe_load(made.yaml()))


def control_plane(made: Bootstrap) -> Any:
    """Return the cluster of the control plane."""
    (cluster,) = parsed(made).static_resources.clusters
    return cluster


def endpoint(made: Bootstrap) -> tuple[str, int]:
    """Return where the control plane is."""
    (locality,) = control_plane(made).load_assignment.endpoints
    (only,) = locality.lb_endpoints
    address = only.endpoint.address.socket_address
    return address.address, address.port_value


def test_the_example_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """examples/envoy-bootstrap.yaml is the output of the command line that its comment names."""
    text = EXAMPLE.read_text(encoding="utf-8")
    program, *arguments = shlex.split(text.splitlines()[1].removeprefix("#"))
    assert program == "kubelb-xds"
    assert main(arguments) == 0
    assert capsys.readouterr().out == text
    expected = "bootstrap --tenant tenant-primary --xds-address 127.0.0.1:18000 --node-id envoy-demo"
    assert arguments == expected.split()


@pytest.mark.parametrize("fields", [{}, {"api": "sotw"}, {"admin_port": 19001}, {"node_id": "it's one"}])
def test_the_comment_names_the_command_that_prints_it(
    fields: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every bootstrap says how it was made, whatever the options."""
    text = bootstrap(**fields).yaml()
    assert main(shlex.split(text.splitlines()[1].removeprefix("#"))[1:]) == 0
    assert capsys.readouterr().out == text


def test_the_node_is_the_tenant_and_the_envoy() -> None:
    """node.cluster names the tenant, node.id the Envoy."""
    node = parsed(bootstrap()).node
    assert (node.cluster, node.id) == ("tenant-a", "envoy-1")


def test_the_node_is_named_after_the_machine_unless_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --node-id Envoys on different machines get different ids."""
    monkeypatch.setattr(socket, "gethostname", lambda: "machine-7")
    main(["bootstrap", "--tenant", "tenant-a", "--xds-address", "10.0.0.1:18000"])
    assert yaml.safe_load(capsys.readouterr().out)["node"] == {
        "cluster": "tenant-a",
        "id": "tenant-a-machine-7",
    }


@pytest.mark.parametrize("text", ["null", "1e3", "12", "yes"])
def test_names_stay_text(text: str) -> None:
    """A tenant, host or id that YAML would read as something else is text all the same."""
    node = yaml.safe_load(bootstrap(tenant=text, node_id=text).yaml())["node"]
    assert node == {"cluster": text, "id": text}
    assert endpoint(bootstrap("null:18000"))[0] == "null"


def test_an_id_may_be_written_in_any_script() -> None:
    """Every printable character of an id arrives."""
    assert parsed(bootstrap(node_id='knoten-ü-😀-\\-"-$x')).node.id == 'knoten-ü-😀-\\-"-$x'


@pytest.mark.parametrize(("api", "api_type"), [("delta", "DELTA_GRPC"), ("sotw", "GRPC")])
def test_one_aggregated_stream_carries_everything(api: str, api_type: str) -> None:
    """Clusters and listeners come over ADS in the chosen variant, and Envoy waits for the first ones without a limit."""
    resources = to_dict(parsed(bootstrap(api=api)))["dynamic_resources"]
    ads = resources["ads_config"]
    assert (ads["api_type"], ads["transport_api_version"]) == (api_type, "V3")
    assert ads["set_node_on_first_message_only"] is True
    assert [service["envoy_grpc"]["cluster_name"] for service in ads["grpc_services"]] == [XDS_CLUSTER]
    for source in (resources["cds_config"], resources["lds_config"]):
        assert source == {"resource_api_version": "V3", "ads": {}, "initial_fetch_timeout": "0s"}


@pytest.mark.parametrize(
    ("address", "discovery", "where"),
    [
        ("127.0.0.1:18000", "STATIC", ("127.0.0.1", 18000)),
        ("[fd00::1]:18000", "STATIC", ("fd00::1", 18000)),
        ("xds.example:18001", "STRICT_DNS", ("xds.example", 18001)),
    ],
)
def test_names_are_resolved_and_addresses_are_not(
    address: str, discovery: str, where: tuple[str, int]
) -> None:
    """An IP address is a static cluster, a hostname one that Envoy looks up, in IPv4 and IPv6."""
    cluster = to_dict(control_plane(bootstrap(address)))
    assert cluster.get("type", "STATIC") == discovery  # the default is left out
    assert cluster.get("dns_lookup_family") == ("ALL" if discovery == "STRICT_DNS" else None)
    assert endpoint(bootstrap(address)) == where


def test_the_control_plane_is_reached_over_http2_with_keepalive() -> None:
    """The stream gets HTTP/2, and pings that the server does not take for an attack."""
    options = control_plane(bootstrap()).typed_extension_protocol_options[HTTP_OPTIONS]
    message = message_class(HTTP_OPTIONS).FromString(options.value)
    keepalive = message.explicit_http_config.http2_protocol_options.connection_keepalive
    assert keepalive.interval.ToTimedelta().total_seconds() == KEEPALIVE_SECONDS
    assert 0 < keepalive.timeout.ToTimedelta().total_seconds() < KEEPALIVE_SECONDS
    assert ServerOptions().ping_interval < KEEPALIVE_SECONDS


def test_an_outage_is_over_soon_after_it_ends() -> None:
    """Envoy tries again within seconds, not within its own half a minute."""
    (service,) = parsed(bootstrap()).dynamic_resources.ads_config.grpc_services
    assert service.envoy_grpc.retry_policy.retry_back_off.max_interval.ToTimedelta().total_seconds() == 5


def test_the_admin_interface_is_for_this_machine() -> None:
    """The admin interface listens on loopback, on the port that was asked for."""
    address = parsed(bootstrap(admin_port=19001)).admin.address.socket_address
    assert (address.address, address.port_value) == ("127.0.0.1", 19001)


def test_resources_name_the_bootstraps_cluster() -> None:
    """Endpoints on a stream of their own are asked of the cluster that the bootstrap defines."""
    assert control_plane(bootstrap()).name == Options().xds_cluster


def test_nothing_is_written_but_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    """The output can be redirected to a file as it is."""
    main(["bootstrap", "--tenant", "tenant-a", "--xds-address", "[fd00::1]:18000"])
    printed = capsys.readouterr()
    assert json.dumps(yaml.safe_load(printed.out))
    assert printed.err == ""
