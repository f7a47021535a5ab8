"""Where an Exact Online lives: the seven country sites, or a server of one's own choosing."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from airflow_provider_exact.client.errors import ExactRequestError


@dataclass(frozen=True)
class Region:
    """A country site; apps and tokens belong to exactly one."""

    code: str
    country: str
    host: str


REGIONS = {
    region.code: region
    for region in (
        Region("nl", "Netherlands", "start.exactonline.nl"),
        Region("be", "Belgium", "start.exactonline.be"),
        Region("de", "Germany", "start.exactonline.de"),
        Region("uk", "United Kingdom", "start.exactonline.co.uk"),
        Region("us", "United States", "start.exactonline.com"),
        Region("es", "Spain", "start.exactonline.es"),
        Region("fr", "France", "start.exactonline.fr"),
    )
}
DEFAULT_PORTS = {"https": 443, "http": 80}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int | None]:
    """
    Return scheme, host and port of an address, so that two can be compared.

    :raises ValueError: the port is not a number.
    """
    parts = urlsplit(url)
    return (
        parts.scheme.lower(),
        (parts.hostname or "").lower(),
        parts.port or DEFAULT_PORTS.get(parts.scheme.lower()),
    )


@dataclass(frozen=True)
class Site:
    """
    One Exact Online, by its base address without a slash at the end (``https://start.exactonline.nl``).
    """

    base_url: str

    @classmethod
    def of(cls, region: str | None = None, server_url: str | None = None) -> Site:
        """
        Return the site of a region, or of a server address, which overrides the region.

        :param region: ``nl``, ``be``, ``de``, ``uk``, ``us``, ``es`` or ``fr``, in any letter case.
        :param server_url: Needed only for something else than a country site; plain http only on loopback.
        :raises ExactRequestError: neither is given, one is malformed, or the address is another country's site.
        """
        code = (region or "").strip().lower()
        address = (server_url or "").strip().rstrip("/")
        if code and code not in REGIONS:
            raise ExactRequestError(f"region: {region!r} is not one of {', '.join(REGIONS)}.")
        if not address:
            if not code:
                raise ExactRequestError(
                    f"region: none is given. Choose one of {', '.join(REGIONS)}, or give a Server URL."
                )
            return cls(f"https://{REGIONS[code].host}")
        site = cls(_checked_address(address))
        _, host, _ = origin(site.base_url)
        theirs = next((known for known in REGIONS.values() if known.host == host), None)
        if code and theirs and theirs.code != code:
            raise ExactRequestError(
                f"region {code!r} and Server URL {address!r} contradict each other: that is the site of "
                f"{theirs.country} ({theirs.code}). Leave the Server URL empty, or choose region {theirs.code!r}."
            )
        return site

    @property
    def authorize_url(self) -> str:
        return f"{self.base_url}/api/oauth2/auth"

    @property
    def token_url(self) -> str:
        return f"{self.base_url}/api/oauth2/token"

    def endpoint_url(self, path: str, division: int | None) -> str:
        """
        Return the address of an endpoint.

        :param division: ``None`` for ``current/Me``, the only endpoint without one.
        """
        if division is None:
            return f"{self.base_url}/api/v1/{path}"
        if path.startswith("beta/"):
            return f"{self.base_url}/api/v1/beta/{division}/{path.removeprefix('beta/')}"
        return f"{self.base_url}/api/v1/{division}/{path}"

    def owns(self, url: str) -> bool:
        """Whether an address is on this site's own scheme, host and port, however the one who calls it reads it."""
        try:
            # With a backslash, what stands before an "@" is the host to some parsers; Exact's links have neither.
            return "\\" not in url and urlsplit(url).username is None and origin(url) == origin(self.base_url)
        except ValueError:
            return False


def _checked_address(address: str) -> str:
    if "://" not in address:
        address = f"https://{address}"
    if "@" in address:
        raise ExactRequestError("Server URL: leave user name and password out of the address.")
    try:
        scheme, host, port = origin(address)
    except ValueError:
        # The error of urllib quotes the address.
        raise ExactRequestError(
            "Server URL: the host or the port is malformed. Give an address such as https://start.exactonline.nl."
        ) from None
    parts = urlsplit(address)
    if scheme not in DEFAULT_PORTS or not host:
        raise ExactRequestError(f"Server URL: {address!r} is not an address such as https://start.exactonline.nl.")
    if parts.path or "?" in address or "#" in address:
        raise ExactRequestError(
            f"Server URL: {address!r} must end with the host, without a path, ? or #. Use "
            f"{parts.scheme}://{parts.netloc}."
        )
    if scheme == "http" and not is_loopback(host):
        raise ExactRequestError(
            f"Server URL: {address!r} would send tokens unencrypted. Use https (http is for loopback)."
        )
    # In one spelling, since the sign-in is stored under the site's name.
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port in (None, DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"
