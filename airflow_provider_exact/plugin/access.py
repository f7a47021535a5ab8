"""Who may see and who may change a connection, as Airflow's auth manager says."""

from __future__ import annotations

from typing import Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
from airflow.models import Connection


def may_see(user: BaseUser, conn_id: str) -> bool:
    return _may("GET", user, conn_id)


def may_change(user: BaseUser, conn_id: str) -> bool:
    return _may("PUT", user, conn_id)


def _may(method: Literal["GET", "PUT"], user: BaseUser, conn_id: str) -> bool:
    details = ConnectionDetails(conn_id=conn_id, team_name=Connection.get_team_name(conn_id))
    return get_auth_manager().is_authorized_connection(method=method, details=details, user=user)
