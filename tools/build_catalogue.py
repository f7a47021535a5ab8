"""
Write the packaged catalogue from the full list of facts about Exact Online's endpoints.

``python tools/build_catalogue.py FACTS.json`` keeps what the provider needs, one endpoint a line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "airflow_provider_exact" / "client" / "catalogue.jsonl"


def edm(name: str | None) -> str | None:
    return name.removeprefix("Edm.") if name else None


def trimmed(values: list, defaults: list) -> list:
    """Drop what equals the defaults from the end of an array."""
    while values and values[-1] == defaults[len(values) - 1]:
        values.pop()
    return values


def compact_property(fact: dict) -> list:
    navigation = fact.get("navigation") or {}
    values = [
        fact["name"],
        edm(fact["edm_type"]),
        fact.get("access", "r"),
        fact.get("mandatory", False),
        navigation.get("target"),
        navigation.get("collection", False),
        fact.get("hidden", False),
    ]
    return trimmed(values, [None, None, "r", False, None, False, False])


def compact_endpoint(fact: dict) -> dict:
    compact = {
        "path": fact["uri"].replace("{division}/", ""),
        "methods": fact["methods"],
        "key": [[key["name"], edm(key["edm_type"])] for key in fact["key"] or []],
        "scope": fact["scope"],
        "page_size": fact["page_size"],
        "is_sync": fact["is_sync"],
        "is_bulk": fact["is_bulk"],
        "is_function": fact["is_function"],
        "is_read": fact["is_read"],
        "is_beta": fact["beta"],
        "has_webhook": fact["webhook"],
        "is_listed": fact["status"] != "unlisted",
        "filter_mandatory": fact.get("filter_mandatory"),
        "filter_fields": fact.get("filter_fields"),
        "select_required": fact.get("select_required"),
        "select_star": fact.get("select_star"),
        "parameters": [[p["name"], edm(p["edm_type"])] for p in fact["params"]] if fact.get("params") else None,
    }
    # `select_star` false is a fact, absent means unknown; every other false or empty value is the default.
    kept = {name: value for name, value in compact.items() if value or (name == "select_star" and value is False)}
    kept["properties"] = [compact_property(fact) for fact in fact["properties"]]
    return kept


def main(source: str) -> None:
    facts = json.loads(Path(source).read_text(encoding="utf-8"))["endpoints"]
    # One documented function has no known address; nothing can call it.
    endpoints = sorted((compact_endpoint(f) for f in facts if f["uri"]), key=lambda e: e["path"].casefold())
    lines = [json.dumps(endpoint, separators=(",", ":"), ensure_ascii=False) for endpoint in endpoints]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} endpoints, {TARGET.stat().st_size} bytes: {TARGET.name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
