"""What Envoy's messages cost: importing them, building and encoding a Cluster, parsing a DiscoveryRequest.

`python -m bench.messages`, or `make bench`; `kubelb-xds` has to be installed. The slow encoder that the schema comes from
runs beside, so that the ratio tells on any machine. Times are the best of three.
"""

import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

PEM = b"-----BEGIN CERTIFICATE-----\n" + b"A" * 1200 + b"\n-----END CERTIFICATE-----\n"


IMPORT_GOAL = 2000  # ms
HELP_GOAL = 500  # ms
GOALS = {"build and encode a Cluster with an inline CA": 40, "parse a DiscoveryRequest": 20}  # µs


def main() -> None:
    """Print the table."""
    print(f"{'':<48}{'seen':>10}{'goal':>11}   envoy-data-plane's own")
    for name, seconds, goal in (
        ("import xds.messages, new process", _process("import xds.messages"), IMPORT_GOAL),
        ("kubelb-xds --help, new process", _help(), HELP_GOAL),
    ):
        print(f"{name:<48}{seconds * 1e3:>7.0f} ms{goal:>8} ms")
    fast, slow = _upb(), _betterproto()
    for name, goal in GOALS.items():
        ours, theirs = _microseconds(fast[name]), _microseconds(slow[name])
        print(f"{name:<48}{ours:>7.1f} µs{goal:>8} µs   {theirs:.0f} µs, {theirs / ours:.0f} times as long")


def _process(code: str) -> float:
    empty, full = (
        min(_elapsed([sys.executable, "-c", program]) for _ in range(3)) for program in ("pass", code)
    )
    return full - empty


def _help() -> float:
    return min(_elapsed([str(Path(sys.executable).with_name("kubelb-xds")), "--help"]) for _ in range(3))


def _elapsed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 — our own commands
    return time.perf_counter() - start


def _microseconds(action: Callable[[], object]) -> float:
    timer = timeit.Timer(action)
    number, _ = timer.autorange()
    return min(timer.repeat(3, number)) / number * 1e6


def _upb() -> dict[str, Callable[[], object]]:
    from xds import messages as m  # noqa: PLC0415 — its import is measured above

    def cluster() -> Any:
        context = m.UpstreamTlsContext(
            common_tls_context={
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "validation_context": {"trusted_ca": {"inline_bytes": PEM}},
            }
        )
        return m.Cluster(
            name="tenant-primary-web-ep-0-port-30443-tcp",
            type="EDS",
            connect_timeout=timedelta(seconds=5),
            eds_cluster_config={"eds_config": {"ads": {}, "resource_api_version": "V3"}},
            transport_socket={"name": "envoy.transport_sockets.tls", "typed_config": m.pack(context)},
        )

    request = _request(m)
    return {
        "build and encode a Cluster with an inline CA": lambda: cluster().SerializeToString(),
        "parse a DiscoveryRequest": lambda: m.DiscoveryRequest.FromString(request),
    }


def _betterproto() -> dict[str, Callable[[], object]]:
    from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3  # noqa: PLC0415
    from envoy_data_plane.envoy.config.core import v3 as core_v3  # noqa: PLC0415
    from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls_v3  # noqa: PLC0415
    from envoy_data_plane.envoy.service.discovery import v3 as discovery_v3  # noqa: PLC0415
    from envoy_data_plane.google.protobuf import Any as AnyMessage  # noqa: PLC0415

    from xds import messages as m  # noqa: PLC0415

    def cluster() -> Any:
        context = tls_v3.UpstreamTlsContext(
            common_tls_context=tls_v3.CommonTlsContext(
                tls_params=tls_v3.TlsParameters(
                    tls_maximum_protocol_version=tls_v3.TlsParametersTlsProtocol.TLSv1_3
                ),
                validation_context=tls_v3.CertificateValidationContext(
                    trusted_ca=core_v3.DataSource(inline_bytes=PEM)
                ),
            )
        )
        return cluster_v3.Cluster(
            name="tenant-primary-web-ep-0-port-30443-tcp",
            type=cluster_v3.ClusterDiscoveryType.EDS,
            connect_timeout=timedelta(seconds=5),
            eds_cluster_config=cluster_v3.ClusterEdsClusterConfig(
                eds_config=core_v3.ConfigSource(
                    ads=core_v3.AggregatedConfigSource(), resource_api_version=core_v3.ApiVersion.V3
                )
            ),
            transport_socket=core_v3.TransportSocket(
                name="envoy.transport_sockets.tls", typed_config=AnyMessage.pack(context)
            ),
        )

    request = _request(m)
    return {
        "build and encode a Cluster with an inline CA": lambda: bytes(cluster()),
        "parse a DiscoveryRequest": lambda: discovery_v3.DiscoveryRequest.parse(request),
    }


def _request(m: Any) -> bytes:
    request = m.DiscoveryRequest(
        version_info="1",
        node={"id": "envoy-1", "cluster": "tenant-primary", "user_agent_name": "envoy"},
        resource_names=[f"tenant-primary-web-{i}-ep-0-port-30443-tcp" for i in range(10)],
        type_url=m.type_url(m.ClusterLoadAssignment),
        response_nonce="17",
    )
    encoded: bytes = request.SerializeToString()
    return encoded


if __name__ == "__main__":
    main()
