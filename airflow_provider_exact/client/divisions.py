"""Lists of the divisions (administrations) that a user may see and has granted, and how to choose from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.query import names, whole_number

# All that the user may see; all of the licence; those of the licence that have HR.
DIVISION_LISTS = ("system/Divisions", "system/AllDivisions", "hrm/Divisions")
Choice = str | int | Iterable[str | int] | None


def check_division_list(source: str) -> str:
    """
    Return the path of a list of divisions.

    :raises ExactRequestError: it is not one of them.
    """
    by_fold = {path.casefold(): path for path in DIVISION_LISTS}
    found = by_fold.get(str(source).strip(" /").casefold())
    if found is None:
        raise ExactRequestError(f"source: {source!r} is not a list of divisions. Choose {', '.join(DIVISION_LISTS)}.")
    return found


def chosen(
    rows: Iterable[Mapping[str, Any]], *, country: Choice = None, name: Choice = None, code: Choice = None
) -> list[dict[str, Any]]:
    """
    Return the divisions that meet all of the choices, ordered by their code.

    :param country: One or more country codes, such as ``NL``.
    :param name: A text, or a list of texts, of which the division's ``Description`` holds one, in any letter case;
        a comma is part of the text.
    :param code: One or more division numbers.
    :raises ExactRequestError: a division that ``code`` names is not among the rows.
    """
    countries = {text.casefold() for text in _texts(country)}
    words = [text.casefold() for text in _texts([name] if isinstance(name, str) else name)]
    codes = {whole_number("code", text) for text in _texts(code)}
    found = {row["Code"]: dict(row) for row in rows}
    if missing := sorted(number for number in codes if number is not None and number not in found):
        raise ExactRequestError(
            f"code: {', '.join(map(str, missing))} is not among the {len(found)} divisions that the signed-in user may "
            "see and has granted. Correct it, or sign in again and tick it."
        )
    return [
        row
        for number, row in sorted(found.items())
        if (not codes or number in codes)
        and (not countries or str(row.get("Country") or "").strip().casefold() in countries)
        and (not words or any(word in str(row.get("Description") or "").casefold() for word in words))
    ]


def _texts(choice: Choice) -> list[str]:
    values = names(choice) if isinstance(choice, str) else [choice] if isinstance(choice, int) else list(choice or ())
    return [str(value).strip() for value in values]
