"""How commands show what they found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airflow_provider_exact.cli.commands import tell


def text_of(value: object) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{name} ({kind})" for name, kind in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)


def show(data: Any, output: str) -> None:
    """Print rows as ``--output`` wants them, or anything as JSON."""
    if output == "json":
        # Airflow's own printer would make text of every number.
        tell(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
        return
    from airflow.cli.simple_table import AirflowConsole

    AirflowConsole().print_as(data=data, output=output)
