"""
What Airflow knows of this package before it imports anything else of it.

Every Airflow process imports this module, unguarded: it stays a plain dict and imports nothing.
"""

from __future__ import annotations

_PACKAGE = "airflow_provider_exact"
_NAME = "Exact Online"
_HOOK = f"{_PACKAGE}.hooks.exact_online.ExactOnlineHook"

# One home for the sites' names; their addresses are the client's.
_REGIONS = {
    "nl": "Netherlands (start.exactonline.nl)",
    "be": "Belgium (start.exactonline.be)",
    "de": "Germany (start.exactonline.de)",
    "uk": "United Kingdom (start.exactonline.co.uk)",
    "us": "United States (start.exactonline.com)",
    "es": "Spain (start.exactonline.es)",
    "fr": "France (start.exactonline.fr)",
}

# Nothing is required: with "null" among the types the form asks for no value and stores none.
_CONN_FIELDS: dict[str, dict[str, object]] = {
    "region": {
        "label": "Region",
        "description": (
            "The country site at which your app is registered. Tokens and apps belong to one site. "
            "Leave it empty when Server URL is filled in."
        ),
        "schema": {"type": ["string", "null"], "enum": list(_REGIONS), "values_display": _REGIONS},
    },
    "division": {
        "label": "Division",
        "description": (
            "The number of the company that tasks work in when they name none: the digits behind "
            "'/api/v1/' in an address, or the division code in Exact Online's own web pages."
        ),
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "redirect_uri": {
        "label": "Redirect URI",
        "description": (
            "Where Exact Online sends you back after signing in; the same, letter for letter, as in the "
            "app's registration. Empty: [exact_online] redirect_uri of Airflow's configuration, else Airflow's page."
        ),
        "schema": {"type": ["string", "null"]},
    },
    "refresh_token": {
        "label": "Refresh token",
        "description": (
            "Only to start without a browser: a refresh token that was never used. It is used once; from "
            "then on the tokens live in an Airflow Variable and this field is history. Put a new one here "
            "to replace them."
        ),
        "schema": {"type": ["string", "null"], "format": "password", "section": "Advanced: tokens"},
    },
    "access_token": {
        "label": "Access token",
        "description": (
            "A ready token that someone else keeps fresh. It is sent as it is and never refreshed, and "
            "Exact Online takes it for ten minutes. Leave it empty unless that is what you want."
        ),
        "schema": {"type": ["string", "null"], "format": "password", "section": "Advanced: tokens"},
    },
    "token_variable": {
        "label": "Variable for tokens",
        "description": (
            "Empty: all connections with this client ID and site share one sign-in. A name, such as "
            "'second_user', separates two users of one app: a Variable with this name at its end then keeps "
            "the tokens."
        ),
        "schema": {"type": ["string", "null"], "section": "Advanced: tokens"},
    },
}

_UI_FIELD_BEHAVIOUR: dict[str, object] = {
    # Every key of the extra has a field of its own.
    # The port stays: Airflow 3.3.2's Test button refuses every connection without one (apache/airflow#73298).
    "hidden-fields": ["schema", "extra"],
    "relabeling": {"login": "Client ID", "password": "Client secret", "host": "Server URL"},
    "placeholders": {
        "login": "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}",
        "password": "as shown in the Exact Online App Center",
        "host": "empty: the address of the region",
        "port": "443, which Airflow 3.3.2 wants for its Test button",
    },
}


def get_provider_info() -> dict[str, object]:
    """Return the provider's metadata in the form that Airflow's ``provider_info.schema.json`` asks for."""
    return {
        "package-name": "airflow-provider-exact",
        "name": _NAME,
        "description": (
            "`Exact Online <https://www.exact.com/>`__: read and write any endpoint, write project hours, "
            "keep files and tables in step, and wait for records."
        ),
        "integrations": [
            {
                "integration-name": _NAME,
                "external-doc-url": "https://start.exactonline.nl/docs/HlpRestAPIResources.aspx?SourceAction=10",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "exact_online",
                "hook-class-name": _HOOK,
                "hook-name": _NAME,
                "ui-field-behaviour": _UI_FIELD_BEHAVIOUR,
                "conn-fields": _CONN_FIELDS,
            }
        ],
        "hooks": [{"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.hooks.exact_online"]}],
        "operators": [
            {
                "integration-name": _NAME,
                "python-modules": [
                    f"{_PACKAGE}.operators.divisions",
                    f"{_PACKAGE}.operators.documents",
                    f"{_PACKAGE}.operators.records",
                    f"{_PACKAGE}.operators.time_transactions",
                    f"{_PACKAGE}.operators.upsert",
                    f"{_PACKAGE}.operators.xml",
                ],
            }
        ],
        "sensors": [{"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.sensors.records"]}],
        "triggers": [
            {
                "integration-name": _NAME,
                "python-modules": [f"{_PACKAGE}.triggers.limits", f"{_PACKAGE}.triggers.records"],
            }
        ],
        "transfers": [
            {
                "source-integration-name": _NAME,
                "target-integration-name": "Common IO",
                "python-module": f"{_PACKAGE}.transfers.to_file",
            },
            {
                "source-integration-name": _NAME,
                "target-integration-name": "Common SQL",
                "python-module": f"{_PACKAGE}.transfers.to_sql",
            },
        ],
        "asset-uris": [
            {
                "schemes": ["exactonline"],
                "handler": f"{_PACKAGE}.assets.sanitize_uri",
                "factory": f"{_PACKAGE}.assets.create_asset",
                "to_openlineage_converter": f"{_PACKAGE}.assets.convert_asset_to_openlineage",
            }
        ],
        "cli": [f"{_PACKAGE}.cli.definition.get_cli_commands"],
        "extra-links": [f"{_PACKAGE}.links.ExactOnlineReferenceLink"],
        "config": {
            "exact_online": {
                "description": "How this Airflow talks to Exact Online.",
                "options": {
                    "connect_timeout": {
                        "description": "Seconds to wait for a connection to Exact Online.",
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "5",
                        "default": "10",
                    },
                    "read_timeout": {
                        "description": "Seconds to wait for the next bytes of an answer.",
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "120",
                        "default": "60",
                    },
                    "token_timeout": {
                        "description": (
                            "Seconds to wait for new tokens. Exact Online has answered such calls after 35 "
                            "seconds, and a lost answer costs a person a new sign-in: keep it long."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "180",
                        "default": "120",
                    },
                    "errors_per_hour": {
                        "description": (
                            "Make no call to an endpoint in a division after so many answers of 400, 401, 403 or "
                            "404 within an hour. Exact Online allows 10 and then blocks the app for an hour or "
                            "more; other programs that use the same app are not counted. 0: never stop."
                        ),
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": "5",
                        "default": "8",
                    },
                    "redirect_uri": {
                        "description": (
                            "The redirect URI in the app's registration at Exact Online, for connections "
                            "that name none."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "https://airflow.example.com/exact-online/callback",
                        "default": "",
                    },
                },
            }
        },
    }
