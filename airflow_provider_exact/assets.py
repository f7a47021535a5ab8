"""
Assets of Exact Online: ``exactonline://<host>/<division>/<endpoint>``, one per endpoint and division.

``exactonline://start.exactonline.nl/3100001/crm/Accounts`` is what ``crm/Accounts`` holds in division 3100001. The host
is the site's, since a division's number says nothing without it; no region, connection or query is part of the name.

Airflow imports this module wherever an asset is made, so that the client is imported when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset
    from airflow.sdk import Asset, AssetAlias

SCHEME = "exactonline"
EXAMPLE = "exactonline://start.exactonline.nl/3100001/crm/Accounts"


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Return the one spelling of an asset's URI; Airflow calls this for each ``Asset("exactonline://…")``.

    The host gets small letters, a region (``nl``) becomes its host, and the endpoint is spelled as the catalogue does.

    :raises ValueError: it is not the URI of an endpoint in a division.
    """
    from airflow_provider_exact.client import catalogue

    division, _, path = uri.path.strip("/").partition("/")
    # ``isdecimal`` alone would take digits of other scripts.
    if not (division.isascii() and division.isdecimal() and int(division)) or not path:
        raise _wrong(uri, "behind the host come the division's number and the endpoint")
    if uri.query or uri.fragment:
        raise _wrong(uri, "an asset is a whole endpoint, so nothing follows behind its name")
    try:
        path = catalogue.resolve(path).path
    except ValueError as error:
        raise ValueError(f"Asset URI {uri.geturl()!r}: {error}") from error
    return uri._replace(netloc=_host(uri), path=f"/{int(division)}/{path}")


def _host(uri: SplitResult) -> str:
    from airflow_provider_exact.client.site import REGIONS

    try:
        host, port = (uri.hostname or "").lower(), uri.port
    except ValueError:
        raise _wrong(uri, "its port is not a number") from None
    if not host or "@" in uri.netloc:
        raise _wrong(uri, "the site's host comes first, without a user")
    if host in REGIONS:
        host = REGIONS[host].host
    if ":" in host:
        host = f"[{host}]"
    return host if port in (None, 443) else f"{host}:{port}"


def _wrong(uri: SplitResult, why: str) -> ValueError:
    return ValueError(f"Asset URI {uri.geturl()!r}: {why}, such as {EXAMPLE}.")


def create_asset(
    *, region_or_host: str, division: int | str, endpoint: str, extra: dict[str, Any] | None = None
) -> Asset:
    """
    Return the asset of an endpoint in a division, to be named in ``schedule``, ``inlets`` or ``outlets``.

    :param region_or_host: ``nl``, ``be``, ``de``, ``uk``, ``us``, ``es`` or ``fr``; or a host, or an address such as
        that of a ``Site``.
    :raises ValueError: a part of it can't be right.
    """
    from airflow.sdk import Asset

    host = region_or_host.strip()
    if "://" in host:
        host = urlsplit(host).netloc
    given = f"{SCHEME}://{host}/{str(division).strip()}/{endpoint.strip(' /')}"
    # The name is what Airflow shows, and of two names for one URI only one can be active.
    uri = sanitize_uri(urlsplit(given)).geturl()
    return Asset(name=uri, uri=uri, extra=extra)


def alias_of(endpoint: str) -> AssetAlias:
    """
    Return the alias under which tasks tell of an endpoint in whatever division: ``exactonline:crm/Accounts``.

    :raises ValueError: there is no such endpoint.
    """
    from airflow.sdk import AssetAlias

    from airflow_provider_exact.client import catalogue

    return AssetAlias(f"{SCHEME}:{catalogue.resolve(endpoint).path}")


def is_ours(asset: object) -> bool:
    """Whether something among a task's outlets is an asset of Exact Online."""
    return str(getattr(asset, "uri", "")).startswith(f"{SCHEME}://")


def parts_of(uri: str) -> tuple[str, int, str]:
    """Return host, division and endpoint of an asset's URI in its one spelling."""
    host, division, path = uri.removeprefix(f"{SCHEME}://").split("/", 2)
    return host, int(division), path


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> OpenLineageDataset:  # noqa: ARG001, Airflow's own name
    """Return the dataset that OpenLineage knows an asset as."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    host, division, path = parts_of(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{host}", name=f"{division}/{path}")
