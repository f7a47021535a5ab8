"""Where the page is, as a browser sees it: from the configuration, never from a request, which a proxy may change."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

MOUNT = "/exact-online"
CALLBACK = "/callback"


def base_url() -> str:
    """Return Airflow's public address without a slash at the end; empty when none is configured."""
    from airflow.configuration import conf

    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")


def airflow_path() -> str:
    """Return the path that Airflow lives under; mostly none."""
    return urlsplit(base_url()).path.rstrip("/")


def public_path() -> str:
    """Return the path of the page, without a slash at the end."""
    return airflow_path() + MOUNT


def leads_here(redirect_uri: str) -> bool:
    """Whether a browser that is sent to a redirect URI reaches this page."""
    return urlsplit(redirect_uri).path == public_path() + CALLBACK


def airflow_sign_in() -> str:
    """Return where Airflow signs a visitor in and sends them back to the page."""
    return f"{airflow_path()}/api/v2/auth/login?{urlencode({'next': public_path() + '/'})}"
