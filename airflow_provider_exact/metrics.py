"""What is counted among Airflow's own metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)


def counter(conn_id: str) -> Callable[[str, float], None]:
    """
    Return what counts ``exact_online.calls``, ``.limited`` (answers of 429) and ``.refreshes``, and times ``.waited``.

    It never fails whoever counts.
    """

    def count(name: str, value: float) -> None:
        try:
            stats, tags = _stats(), {"conn_id": conn_id}
            if name == "waited":
                stats.timing(f"exact_online.{name}", value * 1000, tags=tags)
            else:
                stats.incr(f"exact_online.{name}", int(value), tags=tags)
        except Exception:
            log.debug("A metric was not counted", exc_info=True)

    return count


def _stats() -> Any:
    try:
        from airflow.sdk.observability import stats
    except ImportError:
        # Airflow 3.1.
        from airflow.stats import Stats

        return Stats
    # Airflow 3.2 has a class there, later ones have functions.
    return stats if hasattr(stats, "incr") else stats.Stats
