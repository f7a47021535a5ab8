"""
What Airflow's plugin manager loads.

Every Airflow process imports this module, tasks included: the page itself is imported when the API server asks for it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_exact.plugin.addresses import MOUNT, public_path


class ExactOnlinePlugin(AirflowPlugin):
    """
    Airflow makes an instance of what an entry point names, so properties may stand in for the class's lists.
    """

    name = "exact_online"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        from airflow_provider_exact.plugin.app import create_app

        return [{"app": create_app(), "url_prefix": MOUNT, "name": "Exact Online"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        # Without `url_route` the page opens in a tab of its own: Exact's login page refuses to be shown in a frame.
        return [{"name": "Exact Online", "href": f"{public_path()}/", "destination": "nav", "category": "admin"}]
