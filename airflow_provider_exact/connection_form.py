"""
The connection form as Airflow 3.1 asks the hook for it; 3.2 and later read the provider's metadata.

Both come from the same dict. Airflow 3.1 puts its own classes in the place of wtforms, which need not be installed.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_exact.provider_info import get_provider_info


def _connection_type() -> dict[str, Any]:
    types: Any = get_provider_info()["connection-types"]
    found: dict[str, Any] = types[0]
    return found


def connection_form_widgets() -> dict[str, Any]:
    """Return a field of wtforms for each ``conn-fields`` entry."""
    from wtforms import (  # type: ignore[import-untyped]  # no stubs, and not a dependency
        IntegerField,
        PasswordField,
        StringField,
    )
    from wtforms.validators import Optional, any_of  # type: ignore[import-untyped]

    widgets = {}
    for name, field in _connection_type()["conn-fields"].items():
        schema = field["schema"]
        if "integer" in schema["type"]:
            kind = IntegerField
        else:
            kind = PasswordField if schema.get("format") == "password" else StringField
        validators = [Optional(), *([any_of(schema["enum"])] if "enum" in schema else [])]
        widgets[name] = kind(field["label"], validators=validators, description=field["description"])
    return widgets


def ui_field_behaviour() -> dict[str, Any]:
    """Return hidden fields, labels and placeholders under the names of Airflow 3.1."""
    behaviour = _connection_type()["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in behaviour.items()}
