"""Envoy's services are in the pool beside its messages, so that a client can learn of them by reflection."""

import pytest

from xds.messages import POOL, UnknownMessageError, message_class

CSDS = "envoy.service.status.v3.ClientStatusDiscoveryService"


def test_a_service_has_its_methods() -> None:
    """Each method has the messages and the kind of streaming that Envoy's API says."""
    service = POOL.FindServiceByName(CSDS)
    methods = {method.name: method for method in service.methods}
    assert set(methods) == {"StreamClientStatus", "FetchClientStatus"}
    stream, fetch = methods["StreamClientStatus"], methods["FetchClientStatus"]
    assert (stream.client_streaming, stream.server_streaming) == (True, True)
    assert (fetch.client_streaming, fetch.server_streaming) == (False, False)
    assert fetch.input_type.full_name == "envoy.service.status.v3.ClientStatusRequest"
    assert fetch.output_type.full_name == "envoy.service.status.v3.ClientStatusResponse"


def test_a_service_is_found_by_its_name() -> None:
    """Reflection asks for the file of a symbol; a service's is its package's."""
    assert POOL.FindFileContainingSymbol(CSDS).package == "envoy.service.status.v3"


def test_a_methods_messages_may_be_of_another_package() -> None:
    """CDS speaks the messages of the discovery package, which its file imports."""
    service = POOL.FindServiceByName("envoy.service.cluster.v3.ClusterDiscoveryService")
    (delta,) = (method for method in service.methods if method.name == "DeltaClusters")
    assert delta.input_type.full_name == "envoy.service.discovery.v3.DeltaDiscoveryRequest"


def test_a_service_is_no_message() -> None:
    """Asking for its class is an error like that for any unknown name."""
    with pytest.raises(UnknownMessageError):
        message_class(CSDS)


def test_an_unknown_service_is_not_found() -> None:
    """A package that there is does not make every name in it a service."""
    with pytest.raises(KeyError):
        POOL.FindServiceByName("envoy.service.status.v3.NoSuchService")
