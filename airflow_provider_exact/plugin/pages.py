"""Templates into answers, with the headers that keep a page to itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from airflow_provider_exact import __version__
from airflow_provider_exact.plugin.addresses import airflow_path, public_path

_templates = Environment(
    loader=PackageLoader("airflow_provider_exact.plugin"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(name: str, *, status: int = 200, leads_to: Iterable[str] = (), **content: Any) -> HTMLResponse:
    """
    Return a page.

    :param leads_to: The other sites that the page's buttons lead to.
    """
    html = _templates.get_template(f"{name}.html").render(
        airflow=airflow_path(), here=public_path(), version=__version__, **content
    )
    response = HTMLResponse(html, status)
    # Chrome holds every redirect after a form to its targets as well, and Exact's site goes on to a login on another
    # host, which may change. So any site over https is allowed; other schemes only where a button leads.
    targets = " ".join(["'self'", "https:", *sorted({site for site in leads_to if not site.startswith("https:")})])
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {targets}"
    )
    return response


def message(title: str, text: str, *, status: int) -> HTMLResponse:
    """Return a page that says what went wrong and what to correct."""
    return page("message", status=status, title=title, text=text)
