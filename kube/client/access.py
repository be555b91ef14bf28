"""Which credentials to use, and the transport that carries them.

In a pod they are those of its ServiceAccount, elsewhere a kubeconfig's. Everything is read anew each time, so that what
has rotated is taken up. Whatever the library raises becomes an AccessError here.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.kube_config import KubeConfigLoader

from kube.client.errors import AccessError, short
from kube.client.exec_plugin import Credential, ExecPlugin
from kube.client.kubeconfig import Chosen, Section, choose, paths
from kube.client.proxies import proxy_for
from kube.client.transport import Transport

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.client")

_LIBRARY_ERRORS: Final = (ConfigException, OSError, ValueError, TypeError, LookupError, AttributeError)
_CA: Final = "certificate-authority"
_CERTIFICATE: Final = "client-certificate"
_KEY: Final = "client-key"


@dataclass(frozen=True)
class Access:
    """Where the credentials come from.

    Nothing given: the pod's ServiceAccount where KUBERNETES_SERVICE_HOST is set, else $KUBECONFIG (several files, as for
    kubectl), else ~/.kube/config. `context`: another one than the kubeconfig's current.
    """

    kubeconfig: Path | None = None
    context: str | None = None

    @property
    def in_cluster(self) -> bool:
        """Whether the pod's ServiceAccount is meant."""
        return (
            self.kubeconfig is None
            and self.context is None
            and bool(os.environ.get(incluster_config.SERVICE_HOST_ENV_NAME))
        )

    async def transport(self) -> Transport:
        """Read the credentials, and return what carries them; raise AccessError."""
        if self.in_cluster:
            return _in_cluster()
        files = paths(os.environ) if self.kubeconfig is None else [self.kubeconfig]
        return await _by_kubeconfig(choose(files, self.context))


def _configuration() -> Any:
    configuration = Configuration(connection_pool_maxsize=0)  # unlimited: each watch holds a connection
    # Go's TLS, kubectl's, takes authorities without a key identifier; Python 3.13 would not.
    configuration.disable_strict_ssl_verification = True
    return configuration


def _in_cluster() -> Transport:
    """Return the transport of the pod's ServiceAccount; the library's hook reads the token again each minute."""
    configuration = _configuration()
    token, ca = incluster_config.SERVICE_TOKEN_FILENAME, incluster_config.SERVICE_CERT_FILENAME
    remedy = "set automountServiceAccountToken: true for the pod, or give --kubeconfig"
    try:
        incluster_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError) as error:
        raise AccessError(
            f"in-cluster credentials ({token}, {ca}, {incluster_config.SERVICE_PORT_ENV_NAME}): "
            f"{short(str(error)).rstrip('.')}: {remedy}"
        ) from None
    configuration.refresh_api_key_hook = _Refresh(configuration.refresh_api_key_hook, token)
    configuration.proxy = proxy_for(configuration.host, os.environ)
    try:
        return Transport(configuration, trust=f"{ca} does not hold the authority that issued it")
    except (ssl.SSLError, OSError) as error:
        raise AccessError(f"{ca}: holds no usable certificate ({_reason(error)}): {remedy}") from None


class _Refresh:
    """The library's hook that reads the token file again, less its exceptions: until the file is back the old token serves."""

    def __init__(self, hook: Any, path: str) -> None:
        self._hook = hook
        self._path = path
        self._failed = False

    def __call__(self, configuration: Any) -> None:
        try:
            self._hook(configuration)
        except (ConfigException, OSError, ValueError) as error:
            if not self._failed:
                log.warning(
                    "token not read again: the old one serves on", path=self._path, reason=short(str(error))
                )
            self._failed = True
        else:
            self._failed = False


async def _by_kubeconfig(chosen: Chosen) -> Transport:
    cluster, user = chosen
    credential = Credential()
    plugin = user.fields.get("exec")
    if plugin:
        credential = await _run(user, cluster, plugin)
    # The ssl module takes certificates from files only. The folder lives until they are loaded: milliseconds.
    with TemporaryDirectory(prefix="kubelb-xds-") as name:
        folder = Path(name)
        configuration = _configuration()
        loader = _Loader(_document(chosen, credential, folder))
        try:
            await loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
        except _LIBRARY_ERRORS as error:
            raise AccessError(f"{user.file}: {user.name}: {short(str(error))}: correct it") from None
        if not configuration.proxy:
            configuration.proxy = proxy_for(configuration.host, os.environ)
        if not configuration.verify_ssl:
            log.warning("the API server's certificate is not verified", server=configuration.host)
        return _transport(configuration, chosen)


class _Loader(KubeConfigLoader):
    """The library's loader, for one context whose files are absolute and whose plugin has run already."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(document, active_context="chosen", config_base_path="")  # type: ignore[no-untyped-call]


def _document(chosen: Chosen, credential: Credential, folder: Path) -> dict[str, Any]:
    """Return a kubeconfig of one context. What comes as data is in files in the folder."""
    cluster, user = chosen
    clear = cluster.text("server").startswith("http:")
    fields: dict[str, Any] = {"server": cluster.text("server")}
    if not clear and (authorities := cluster.content(_CA)):
        fields[_CA] = _write(folder / "ca.crt", authorities)
    if cluster.flag("insecure-skip-tls-verify"):
        fields["insecure-skip-tls-verify"] = True
    fields |= {key: value for key in ("tls-server-name", "proxy-url") if (value := cluster.text(key))}
    # An empty user would count as none, which the library does not expect.
    who: dict[str, Any] = {"name": user.name}
    certificate, key = (user.content(_CERTIFICATE), user.content(_KEY)) if not clear else (b"", b"")
    if credential.certificate and credential.key and not clear:
        certificate, key = credential.certificate.encode(), credential.key.encode()
    if bool(certificate) != bool(key):
        missing = _KEY if certificate else _CERTIFICATE
        raise user.error(missing, "is missing", "give a certificate and its key, or neither")
    if b"ENCRYPTED" in key:
        raise user.error(
            _KEY, "is encrypted, and nobody is there to type the pass phrase", "give it decrypted"
        )
    if certificate:
        who |= {_CERTIFICATE: _write(folder / "tls.crt", certificate), _KEY: _write(folder / "tls.key", key)}
    token = credential.token or _token(user)
    if token:
        who["token"] = _header(user, token)
    elif user.text("username") and user.text("password"):
        who |= {"username": user.text("username"), "password": user.text("password")}
    return {
        "contexts": [{"name": "chosen", "context": {"cluster": "chosen", "user": "chosen"}}],
        "clusters": [{"name": "chosen", "cluster": fields}],
        "users": [{"name": "chosen", "user": who}],
    }


def _token(user: Section) -> str:
    """Return the token; of a file and a text the file, which may be newer, as kubectl does."""
    path = user.path("tokenFile")
    if path is None:
        return user.text("token")
    try:
        token = path.read_text().strip()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "is no text"
        raise user.error("tokenFile", f"{path}: {said}", "correct the path, or its permissions") from None
    if not token:
        raise user.error("tokenFile", f"{path}: is empty", "put a token into it")
    return token


def _header(user: Section, token: str) -> str:
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise user.error("token", "holds characters that no token has", "copy it again, in one line")
    return token


def _write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


async def _run(user: Section, cluster: Section, plugin: Mapping[str, Any]) -> Credential:
    inner = Section(user.file, f"{user.name}.exec", plugin)
    command = inner.text("command")
    if os.sep in command:
        command = str(inner.path("command"))
    known = ("server", "tls-server-name", "proxy-url", "insecure-skip-tls-verify", f"{_CA}-data")
    told = {field: cluster.fields[field] for field in known if cluster.fields.get(field)}
    return await ExecPlugin(f"{user.file}: {inner.name}", {**plugin, "command": command}, told).run()


def _transport(configuration: Any, chosen: Chosen) -> Transport:
    cluster, user = chosen
    trust = f"give {_CA}(-data) of {cluster.name} in {cluster.file}"
    try:
        return Transport(configuration, trust=trust)
    except (ssl.SSLError, OSError) as error:
        reason = _reason(error)
    try:
        ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    except (ssl.SSLError, OSError):
        raise cluster.error(
            _CA, f"holds no usable certificate ({reason})", "give the authority's PEM"
        ) from None
    raise user.error(
        _CERTIFICATE, f"and {_KEY} cannot be used ({reason})", "give a PEM certificate with its key"
    )


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else short(error.strerror or str(error))
