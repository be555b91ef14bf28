"""The translation: LoadBalancers and what they name in, Envoy's resources and findings out. Pure throughout.

`translate` turns one LoadBalancer into resources; `conditions` turns its findings into a status; `PortTable`
chooses listener ports where Kubernetes does not; `parse_bundle` reads a CA bundle, once a Secret.
"""

from xds.translate.ca import CaBundle, parse_bundle
from xds.translate.certificates import readable_name
from xds.translate.findings import Finding, conditions
from xds.translate.model import (
    ListenerPorts,
    Lookups,
    Options,
    PortRefusal,
    PortSummary,
    Translation,
)
from xds.translate.ports import PORT_NOT_ALLOCATED, PortTable, Wants, recorded_ports, spec_ports
from xds.translate.translation import translate

__all__ = [
    "PORT_NOT_ALLOCATED",
    "CaBundle",
    "Finding",
    "ListenerPorts",
    "Lookups",
    "Options",
    "PortRefusal",
    "PortSummary",
    "PortTable",
    "Translation",
    "Wants",
    "conditions",
    "parse_bundle",
    "readable_name",
    "recorded_ports",
    "spec_ports",
    "translate",
]
