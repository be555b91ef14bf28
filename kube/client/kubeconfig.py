"""Which cluster and which user a kubeconfig means, checked field by field.

kubernetes.aio would do it, but lets the last of several files win where kubectl lets the first, takes a certificate's path
by the wrong file's folder, sends an OIDC client's secret to a server that it does not verify, and quotes whole users with
their tokens in its complaints. So the library gets what this module chose: one cluster, one user, no relative path.
"""

import binascii
import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import yaml

from kube.client.errors import AccessError, short

EXEC_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

_UNSUPPORTED: Final = {
    "auth-provider": "use an exec plugin (for OIDC: kubelogin)",
    "as": "give the ServiceAccount or user its own credentials",
    "as-uid": "remove it",
    "as-groups": "remove it",
    "as-user-extra": "remove it",
}
"""Fields of a user that change who we are; to ignore one would be to act as somebody else."""

_KINDS: Final = {"contexts": "context", "clusters": "cluster", "users": "user"}


class Section(NamedTuple):
    """A cluster, a user or a context: where it stands, and what it says."""

    file: Path
    name: str
    fields: Mapping[str, Any]

    def error(self, field: str, problem: str, remedy: str) -> AccessError:
        """Return what is wrong with a field."""
        return AccessError(f"{self.file}: {self.name}.{field}: {problem}: {remedy}")

    def text(self, field: str) -> str:
        """Return a field's text, empty when there is none."""
        value = self.fields.get(field)
        if value is None or isinstance(value, str):
            return value or ""
        raise self.error(field, f"is {_type(value)}, not a text", "put it in quotes")

    def flag(self, field: str) -> bool:
        """Return a field's truth, false when there is none."""
        value = self.fields.get(field)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self.error(field, f"is {_type(value)}", "write true or false")

    def content(self, field: str) -> bytes:
        """Return what FIELD-data holds, else what the file at FIELD does; empty when neither is given."""
        data = self.text(f"{field}-data")
        if data:
            try:
                return b64decode("".join(data.split()), validate=True)
            except (binascii.Error, ValueError):
                raise self.error(f"{field}-data", "is no base64", "encode the PEM file with base64") from None
        path = self.path(field)
        if path is None:
            return b""
        try:
            return path.read_bytes()
        except OSError as error:
            raise self.error(
                field, f"{path}: {error.strerror}", "correct the path, or its permissions"
            ) from None

    def path(self, field: str) -> Path | None:
        """Return a field's path, by the folder of the file that names it."""
        value = self.text(field)
        return Path(os.path.normpath(self.file.absolute().parent / value)) if value else None


class Chosen(NamedTuple):
    """The cluster and the user of a context."""

    cluster: Section
    user: Section


def paths(environ: Mapping[str, str]) -> list[Path]:
    """Return where kubectl looks: $KUBECONFIG, else ~/.kube/config."""
    named = [Path(path).expanduser() for path in environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return named or [Path(os.path.expanduser("~")) / ".kube" / "config"]  # noqa: PTH111  # raises nothing without a home


def choose(files: Sequence[Path], context: str | None) -> Chosen:
    """Return what a context (None: the current one) of some kubeconfigs leads to; raise AccessError.

    As with kubectl the first file that says a thing is right, and one of several that is not there is left out.
    """
    documents = {
        file: document for file in files if (document := _read(file, several=len(files) > 1)) is not None
    }
    if not documents:
        raise AccessError(f"{_listed(files)}: no such file: give --kubeconfig, or set KUBECONFIG")
    current = context or next(filter(None, (_current(*item) for item in documents.items())), "")
    if not current:
        raise AccessError(f"{_listed(documents)}: current-context: is not set: name a context")
    section = _find(documents, "contexts", current, "context" if context else "current-context")
    cluster = _find(documents, "clusters", section.text("cluster"), f"{section.name}.cluster")
    user = Section(section.file, "users", {})
    if name := section.text("user"):
        user = _find(documents, "users", name, f"{section.name}.user")
    _check_cluster(cluster)
    _check_user(user)
    return Chosen(cluster, user)


def _read(file: Path, *, several: bool) -> Mapping[str, Any] | None:
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        if several:
            return None
        raise AccessError(
            f"{file}: no such file: give the path of a kubeconfig, or set KUBECONFIG (in a pod, mount its token)"
        ) from None
    except OSError as error:
        raise AccessError(f"{file}: cannot be read: {error.strerror}: correct its permissions") from None
    try:
        document = yaml.safe_load(data)  # libyaml's loader would crash on deep nesting
    except yaml.MarkedYAMLError as error:  # its own text would quote the line, perhaps a token
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise AccessError(f"{file}: is no YAML{line}: {short(error.problem or '')}: correct it") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise AccessError(f"{file}: is no YAML: give a kubeconfig") from None
    if document is None and several:
        return {}
    if not isinstance(document, dict):
        what = "is empty" if document is None else f"holds {_type(document)}, not fields"
        raise AccessError(f"{file}: {what}: give a kubeconfig")
    return document


def _current(file: Path, document: Mapping[str, Any]) -> str:
    return Section(file, "kubeconfig", document).text("current-context")


def _find(documents: Mapping[Path, Mapping[str, Any]], kind: str, name: str, asked: str) -> Section:
    """Return what goes by a name; `asked` is the field that names it."""
    if not name:
        raise AccessError(f"{_listed(documents)}: {asked}: is not set: name one of {kind}")
    known: list[str] = []
    for file, document in documents.items():
        entries = document.get(kind) or []
        if not isinstance(entries, list):
            raise AccessError(f"{file}: {kind}: is {_type(entries)}: write a list")
        found = []
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
                raise AccessError(f"{file}: {kind}[{index}].name: is missing or no text: name it")
            known.append(entry["name"])
            if entry["name"] == name:
                found.append(entry)
        if len(found) > 1:
            raise AccessError(f"{file}: {kind}: {name!r} is there {len(found)} times: remove one")
        if found:
            fields = found[0].get(_KINDS[kind]) or {}
            if not isinstance(fields, dict):
                raise AccessError(f"{file}: {kind}[{name}].{_KINDS[kind]}: is {_type(fields)}: write fields")
            return Section(file, f"{kind}[{name}]", fields)
    names = short(", ".join(known)) or "none"
    raise AccessError(f"{_listed(documents)}: {asked}: {name!r} is not among {kind}: take one of: {names}")


def _check_cluster(cluster: Section) -> None:
    for field in ("server", "proxy-url"):
        value = cluster.text(field)
        if not value and field == "proxy-url":
            continue
        try:
            url = urlsplit(value)
            valid = url.scheme in {"https", "http"} and bool(url.hostname) and url.port != 0
        except ValueError:
            valid, url = False, urlsplit("")
        if field == "server" and (url.username or url.password or url.query or url.fragment):
            raise cluster.error(
                field, "holds more than a host, a port and a path", "put credentials into the user"
            )
        if not valid:
            shown = value.rpartition("@")[2] or "nothing"
            raise cluster.error(
                field, f"{short(shown)} is no URL of http or https", "write https://HOST:PORT"
            )
    if cluster.flag("insecure-skip-tls-verify") and cluster.fields.get("certificate-authority-data"):
        raise cluster.error(
            "insecure-skip-tls-verify", "stands beside certificate-authority-data", "remove one"
        )


def _check_user(user: Section) -> None:
    for field, remedy in _UNSUPPORTED.items():
        if user.fields.get(field):
            raise user.error(field, "is not supported", remedy)
    plugin = user.fields.get("exec")
    if not plugin:
        return
    if not isinstance(plugin, dict):
        raise user.error("exec", f"is {_type(plugin)}", "write fields")
    inner = Section(user.file, f"{user.name}.exec", plugin)
    if not inner.text("command"):
        raise inner.error("command", "is not set", "name the plugin's program")
    if inner.text("apiVersion") not in EXEC_VERSIONS:
        said = short(inner.text("apiVersion")) or "nothing"
        raise inner.error("apiVersion", f"is {said}", f"write {' or '.join(EXEC_VERSIONS)}")
    arguments = plugin.get("args") or []
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise inner.error("args", "is no list of texts", "put each argument in quotes")
    variables = plugin.get("env") or []
    if not isinstance(variables, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) and isinstance(entry.get("value"), str)
        for entry in variables
    ):
        raise inner.error("env", "is no list of name and value", "put each in quotes")


def _type(value: object) -> str:
    names = {
        dict: "fields",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "nothing" if value is None else "a date")


def _listed(files: Sequence[Path] | Mapping[Path, object]) -> str:
    return ", ".join(map(str, files))
