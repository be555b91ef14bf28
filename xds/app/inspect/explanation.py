"""`explain`: one LoadBalancer for people, in the order in which a cause is looked for: spec, CA, cluster, Envoys, what to do."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from xds.app.inspect.moments import ago, length
from xds.app.inspect.status import WORDS
from xds.messages import debug_pb2 as pb
from xds.snapshot.types import short

TLS_STYLES: Final = {"verify": "green", "insecure": "yellow", "fail-closed": "red"}
"""The colours of what protects a port, where it has one."""


def is_fine(explanation: pb.Explanation) -> bool:
    """Whether everything is served as it is written, and no Envoy lacks it; a warning is nothing wrong."""
    return (
        not explanation.invalid
        and all(finding.level != "error" for finding in explanation.findings)
        and all(envoy.status in (pb.STATUS_SYNCED, pb.STATUS_NOT_SENT) for envoy in explanation.envoys)
    )


def explanation_lines(explanation: pb.Explanation, now: datetime, *, online: bool) -> Iterator[Text]:
    """Yield the lines; without a control plane nothing is known of Envoys."""
    generation = f", generation {explanation.generation}" if explanation.generation else ""
    yield Text(f"LoadBalancer {explanation.namespace}/{explanation.name}{generation}", "bold")
    for fault in explanation.invalid:
        yield _mark(
            "error", f"the object cannot be used as it is, and what it was before is served on: {fault}"
        )
    yield from _section("spec", _spec(explanation))
    yield from _section("CA", _ca(explanation.tls, now))
    yield from _section("Envoy gets", _ports(explanation.ports))
    if online:
        yield from _section("Envoys", _envoys(explanation, now))
    yield from _section("conditions", _conditions(explanation.conditions))
    yield from _section("what to do", _remedies(explanation, online=online))


def _section(title: str, lines: Iterable[Text]) -> Iterator[Text]:
    yield Text(title, "bold")
    for line in lines:
        yield Text("  ").append_text(line)


def _spec(explanation: pb.Explanation) -> Iterator[Text]:
    tls = explanation.tls
    if not tls.policy:
        yield Text("upstreamTLS   none: plain TCP to the backends")
    else:
        secret = f", caSecretRef {tls.ca_secret}" if tls.ca_secret else ", no caSecretRef"
        yield Text(f"upstreamTLS   policy {tls.policy}{secret}")
    for index, group in enumerate(explanation.endpoints):
        source = f" (Addresses {group.addresses_reference})" if group.addresses_reference else ""
        addresses = ", ".join(group.addresses) or ("none" if group.found else "not found")
        yield Text(f"endpoints[{index}]  {addresses}{source}")


def _ca(tls: pb.Explanation.Tls, now: datetime) -> Iterator[Text]:
    if not tls.ca_secret:
        yield Text("none is named")
        return
    if not tls.ca_secret_found:
        yield Text(f"Secret {tls.ca_secret} is not there", "yellow" if tls.policy != "Verify" else "red")
        return
    if not tls.certificates:
        yield Text(f"Secret {tls.ca_secret} holds no CA that could be used", "red")
    for certificate in tls.certificates:
        yield Text(certificate.subject)
        yield Text("  ").append_text(expiry(certificate.not_after.ToDatetime(UTC), now))
        yield Text(f"  SHA-256 {certificate.sha256}", "dim")
    for crl in tls.revocation_lists:
        text = Text(f"CRL of {crl.issuer}, {crl.revoked} revoked, ")
        if crl.HasField("next_update"):
            text.append_text(expiry(crl.next_update.ToDatetime(UTC), now))
        else:
            text.append("never expires")
        yield text


def expiry(end: datetime, now: datetime) -> Text:
    """Return when a certificate or a CRL ends, and how long that is from now."""
    if end < now:
        return Text(f"expired {end:%Y-%m-%d}, {length(now - end)} ago", "red")
    soon = (end - now).days < 30  # noqa: PLR2004 — the settings' own default
    return Text(f"expires {end:%Y-%m-%d}, in {length(end - now)}", "yellow" if soon else "")


def _ports(ports: Iterable[pb.Explanation.Port]) -> Iterator[Text]:
    none = True
    for port in ports:
        none = False
        yield Text(port.resource)
        if not port.listener_port:
            yield Text(f"  nothing: {port.detail}", "red")
            continue
        yield Text(
            f"  listener {port.listener_port} {port.protocol} → {port.endpoints} "
            f"endpoint{'' if port.endpoints == 1 else 's'} at port {port.endpoint_port}, by {port.discovery}"
        )
        yield Text.assemble(
            "  TLS ", (port.tls, TLS_STYLES.get(port.tls, "")), f": {port.detail}" if port.detail else ""
        )
        versions = ", ".join(f"{short(each.type_url)} {each.version}" for each in port.served)
        yield Text(f"  versions {versions}", "dim")
    if none:
        yield Text("nothing")


def _envoys(explanation: pb.Explanation, now: datetime) -> Iterator[Text]:
    if not explanation.envoys:
        yield Text(f"none of tenant {explanation.namespace} is connected to this replica", "yellow")
    for envoy in explanation.envoys:
        word, style = WORDS[envoy.status]
        yield Text.assemble(f"{envoy.node} ", (word, style), f", connected {ago(envoy.connected_at, now)}")
        for resource in envoy.resources:
            status = resource.status
            word, style = WORDS[status.status]
            acked = f"has {status.acked_version}" if status.acked_version else "has nothing"
            when = f", ACKed {ago(status.acked_at, now)}" if status.HasField("acked_at") else ""
            yield Text.assemble(f"  {short(resource.type_url)} ", (word, style), f" {acked}{when}")
            if status.HasField("refusal"):
                text = " ".join(status.refusal.text.split())
                yield Text(
                    f"    refused {status.refusal.version} {ago(status.refusal.at, now)}: {text}", "red"
                )


def _conditions(conditions: Iterable[pb.Explanation.Condition]) -> Iterator[Text]:
    for each in conditions:
        good = each.status == "True" and each.reason == each.type
        style = "green" if good else "red" if each.status == "False" else "yellow"
        yield Text.assemble((f"{each.type}={each.status}", style), "" if good else f" {each.reason}")


def _remedies(explanation: pb.Explanation, *, online: bool) -> Iterator[Text]:
    nothing = True
    for finding in explanation.findings:
        nothing = False
        yield _mark(finding.level, finding.message)
    for envoy in explanation.envoys:
        for resource in envoy.resources:
            if resource.status.status == pb.STATUS_NACK:
                nothing = False
                yield _mark(
                    "error",
                    f"Envoy {envoy.node} refuses {short(resource.type_url)} {resource.status.name}, and keeps what it had: "
                    "mend what its words above name; it is sent again as soon as it changes",
                )
            elif resource.status.status == pb.STATUS_STALE:
                nothing = False
                yield _mark(
                    "warning",
                    f"Envoy {envoy.node} has not answered for {short(resource.type_url)} {resource.status.name}: it ACKs a "
                    "cluster once that is warm, after 15 s at most; then look at its log",
                )
        if envoy.status == pb.STATUS_NOT_SENT and not envoy.wants_listeners:
            nothing = False
            yield _mark(
                "warning",
                f"Envoy {envoy.node} does not ask for all of it: see dynamic_resources in its bootstrap",
            )
    if online and not explanation.envoys and explanation.ports:
        nothing = False
        yield _mark(
            "warning",
            f"no Envoy of the tenant is connected here: its node.cluster has to be {explanation.namespace}; another replica "
            "may serve it",
        )
    if nothing:
        yield Text("nothing: it is served as it is written", "green")
    if any(port.tls in ("verify", "insecure") for port in explanation.ports):
        name = f"{explanation.namespace}/{explanation.name}"
        yield Text(f"whether its backends take it: kubelb-xds probe {name}", "dim")


def _mark(level: str, text: str) -> Text:
    return Text.assemble((f"{level}: ", "red" if level == "error" else "yellow"), text)
