import pytest

from xds.app.cli import main

TO_ENVOY = ("bootstrap", "--tenant", "tenant-a", "--xds-address")
MUTUAL = ("--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a")
MISTAKES = {
    "unknown command": (("srve",), "Did you mean 'serve'?"),
    "unknown option": (("serve", "--manifest", "d"), "No such option: --manifest"),
    "no source": (("serve",), "'--manifests' / '--kubernetes': give one of them: folders"),
    "two sources": (
        ("serve", "--manifests", "d", "--kubernetes"),
        "'--manifests' / '--kubernetes': give one of them, not both",
    ),
    "a kubeconfig for folders": (
        ("serve", "--manifests", "d", "--kubeconfig", "k"),
        "'--kubeconfig': it goes with --kubernetes",
    ),
    "a context for folders": (
        ("serve", "--manifests", "d", "--context", "c"),
        "'--context': it goes with --kubernetes",
    ),
    "a namespace for folders": (
        ("serve", "--manifests", "d", "--namespace", "n"),
        "'--namespace': it goes with --kubernetes",
    ),
    "a selector for folders": (
        ("serve", "--manifests", "d", "--namespace-selector", "a=b"),
        "'--namespace-selector': it goes with --kubernetes",
    ),
    "nothing to write into folders": (
        ("serve", "--manifests", "d", "--read-only"),
        "'--read-only': it goes with --kubernetes",
    ),
    "ports of the spec for one who allocates": (
        ("serve", "--kubernetes", "--listener-ports", "spec"),
        "'--listener-ports': spec goes with --read-only",
    ),
    "namespaces twice over": (
        ("serve", "--kubernetes", "--namespace", "n", "--namespace-selector", "a=b"),
        "'--namespace' / '--namespace-selector': give one of them",
    ),
    "namespaces with a comma": (
        ("serve", "--kubernetes", "--namespace", "a,b"),
        "'a,b' cannot be a namespace",
    ),
    "no ops address": (("serve", "--manifests", "d", "--ops-address", "on"), "'on' is not HOST:PORT"),
    "one address for both": (
        ("serve", "--manifests", "d", "--xds-address", "[::1]:5", "--ops-address", "[::1]:5"),
        "both are [::1]:5: give each its own port",
    ),
    "plaintext for everybody": (
        ("serve", "--manifests", "d", "--xds-address", "0.0.0.0:18000"),
        (
            "'--xds-address': 0.0.0.0:18000 is not loopback, and whoever reaches it would read every tenant's configuration: give"
            " --tls-cert, --tls-key and --tls-client-ca (kubelb-xds certgen makes them), listen on 127.0.0.1, or allow it with"
            " --insecure-plaintext"
        ),
    ),
    "plaintext on a name": (
        ("serve", "--manifests", "d", "--xds-address", "xds.example:18000"),
        "xds.example:18000 is not loopback",
    ),
    "half of TLS": (
        ("serve", "--manifests", "d", "--tls-cert", "c"),
        "'--tls-key' / '--tls-client-ca': mutual TLS needs all three files: give these as well",
    ),
    "plaintext over TLS": (
        ("serve", "--manifests", "d", *MUTUAL, "--insecure-plaintext"),
        "'--insecure-plaintext': with the three files",
    ),
    "certificates for ever": (
        ("serve", "--manifests", "d", *MUTUAL, "--connection-age", "0"),
        "'--connection-age': with 0 a client whose certificate has expired would stay for ever",
    ),
    "admin for everybody": (
        ("serve", "--manifests", "d", "--admin-address", "[::]:18002"),
        "'--admin-address': [::]:18002 is not loopback, and whoever reaches it would be answered: give --admin-client-ca",
    ),
    "a status page for everybody": (
        ("serve", "--manifests", "d", "--status-page-address", "0.0.0.0:18003"),
        "'--status-page-address': 0.0.0.0:18003 is not loopback, and whoever reaches it would see every tenant's LoadBalancers",
    ),
    "admin for tenants": (
        ("serve", "--manifests", "d", *MUTUAL, "--admin-client-ca", "./a"),
        "'--admin-client-ca': a is the tenants' as well",
    ),
    "an admin's authority without TLS": (
        ("serve", "--manifests", "d", "--admin-client-ca", "a"),
        "'--admin-client-ca': it goes with --tls-cert",
    ),
    "one address for all": (
        ("serve", "--manifests", "d", "--admin-address", "[::1]:5", "--ops-address", "[::1]:5"),
        "'--ops-address' / '--admin-address': both are [::1]:5: give each its own port",
    ),
    "one address for admin and page": (
        ("serve", "--manifests", "d", "--status-page-address", "[::1]:5", "--admin-address", "[::1]:5"),
        "'--admin-address' / '--status-page-address': both are [::1]:5: give each its own port",
    ),
    "missing argument": (("validate",), "Missing argument 'DIR'"),
    "no address": (("serve", "--manifests", "d", "--xds-address", "foo"), "'foo' is not HOST:PORT"),
    "wrong choice": (
        ("serve", "--manifests", "d", "--eds", "rest"),
        "'rest' is not one of 'ads', 'separate'",
    ),
    "negative time": (("serve", "--manifests", "d", "--drain", "-1"), "'--drain'"),
    "listeners on a name": (
        ("serve", "--manifests", "d", "--listener-address", "localhost"),
        "'localhost' is no IP address",
    ),
    "nobody's address": ((*TO_ENVOY, "0.0.0.0:18000"), "nobody can connect there"),
    "port 0 for Envoy": ((*TO_ENVOY, "host:0"), "a number from 1 to 65535"),
    "no namespace": (
        ("bootstrap", "--tenant", "Tenant_A", "--xds-address", "h:1"),
        "'Tenant_A' cannot be a namespace",
    ),
    "two lines of id": ((*TO_ENVOY, "h:1", "--node-id", "a\nb"), r"'a\nb': write one line"),
    "admin port": ((*TO_ENVOY, "h:1", "--admin-port", "65536"), "'--admin-port'"),
    "unknown output": (("validate", "-o", "xml", "d"), "'xml' is not one of 'table', 'json'"),
}


@pytest.mark.parametrize(("arguments", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command line that cannot be understood ends with exit code 2 and one line on stderr that says what and where."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err
    assert said.err.startswith("kubelb-xds: ")
    assert said.err.endswith(" --help)\n")
    assert said.err.count("\n") == 1
