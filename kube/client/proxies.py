"""Which proxy leads to a server, by the environment: the rules of Go, by which kubectl and every other client choose.

aiohttp's own reading of the environment knows no networks in NO_PROXY, which pods rely on ("10.0.0.0/8"), and would open
~/.netrc for each request. Pure.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit


def proxy_for(server: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy to take to a server, None for none."""
    url = urlsplit(server)
    host = (url.hostname or "").rstrip(".")
    scheme = url.scheme
    proxy = environ.get(f"{scheme}_proxy".upper()) or environ.get(f"{scheme}_proxy") or ""
    exempt = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    port = str(url.port or {"https": 443, "http": 80}[scheme])
    if (
        not proxy
        or _is_local(host)
        or any(_matches(entry, host, port) for entry in exempt.lower().split(","))
    ):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _matches(entry: str, host: str, port: str) -> bool:
    entry = entry.strip()
    if not entry or entry == "*":
        return entry == "*"
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if address is not None:
        try:
            if address in ip_network(entry, strict=False):
                return True
        except ValueError:
            pass
    name, _, wanted = entry.rpartition(":") if entry.rpartition(":")[2].isdigit() else (entry, "", "")
    if wanted and wanted != port:
        return False
    name = name.strip("[]")
    if address is not None:
        return name == str(address)
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")
