"""Functions (most of ``read/…``): they take parameters with OData literals in the address instead of a filter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_exact.client.catalogue import Endpoint, did_you_mean
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.query import literal
from airflow_provider_exact.client.serialisation import to_guid

_LITERAL = re.compile(r"(?:guid|datetime)'[^']*'|-?\d+L")


def parameter_texts(endpoint: Endpoint, parameters: Mapping[str, Any] | None) -> dict[str, str]:
    """
    Return a function's parameters as they stand in its address, under the names that Exact gives them.

    :raises ExactRequestError: one is unknown, missing or of another type, or the endpoint is known to be no function;
        where nothing is known of the parameters, all pass.
    """
    if parameters is not None and not isinstance(parameters, Mapping):
        raise ExactRequestError(f"parameters: expected a dict, not {type(parameters).__name__}.")
    given = dict(parameters or {})
    if endpoint.is_known and not (endpoint.is_function or endpoint.is_read):
        raise ExactRequestError(
            f"endpoint: {endpoint.path} is not a function and takes no parameters. List it, with a filter if need be: "
            "ExactOnlineListOperator or ExactOnlineHook.list_records."
        )
    if endpoint.parameters is None:
        return {name: _guessed(name, value) for name, value in given.items()}
    known = {field.name.casefold(): field for field in endpoint.parameters}
    texts: dict[str, str] = {}
    for name, value in given.items():
        field = known.pop(str(name).casefold(), None)
        if field is None:
            raise ExactRequestError(f"parameters: {endpoint.path} has no {name!r}.{_takes(endpoint, str(name))}")
        texts[field.name] = literal(f"parameters: {field.name}", value, field.type)
    if known:
        missing = " and ".join(field.name for field in known.values())
        raise ExactRequestError(f"parameters: {endpoint.path} needs {missing}.{_takes(endpoint)}")
    return texts


def check_not_filtered(endpoint: Endpoint, **options: object) -> None:
    """
    Refuse to list a function with what only lists take.

    :raises ExactRequestError: it names the operator and the method that call functions.
    """
    used = [name for name, value in options.items() if value]
    if endpoint.is_function and used:
        raise ExactRequestError(
            f"{' and '.join(used)}: {endpoint.path} is a function and takes parameters instead: call it with "
            f"ExactOnlineFunctionOperator or ExactOnlineHook.call_function.{_takes(endpoint)}"
        )


def _takes(endpoint: Endpoint, name: str = "") -> str:
    if not endpoint.parameters:
        return ""
    hint = did_you_mean(name, [field.name for field in endpoint.parameters]) if name else ""
    return f"{hint} It takes {', '.join(f'{field.name} ({field.type})' for field in endpoint.parameters)}."


def _guessed(name: str, value: object) -> str:
    """Return a literal by the value's own type; text may be a literal already, or a GUID."""
    if isinstance(value, str) and _LITERAL.fullmatch(value.strip()):
        return value.strip()
    if isinstance(value, str):
        try:
            return f"guid'{to_guid(name, value)}'"
        except ExactRequestError:
            pass
    return literal(f"parameters: {name}", value, None)
