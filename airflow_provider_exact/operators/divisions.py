"""Operator for the divisions (administrations) that a connection's user may see: what to map other tasks over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client.divisions import DIVISION_LISTS, check_division_list
from airflow_provider_exact.operators.base import ExactOnlineOperator, given, is_final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class ExactOnlineListDivisionsOperator(ExactOnlineOperator):
    """
    Return the divisions that the signed-in user may see and has granted to the app, ordered by code.

    Each is a dict with ``Code``, the number that ``division=`` takes, so that other tasks can be mapped over them:
    ``.expand(division=divisions.output.map(lambda division: division["Code"]))``. It needs no division of its own.

    :param source: Which list: ``system/Divisions`` (all that the user may see, across licences),
        ``system/AllDivisions`` (all of the licence) or ``hrm/Divisions`` (of the licence, for HR).
    :param country: Only divisions of this country, as a code (``"NL"``) or several.
    :param name: Only divisions whose name (``Description``) holds this text, in any letter case, or one of a list.
    :param code: Only the divisions of this number or these; one that is not there fails the task.
    :param select: The fields to return, as a list or separated by commas.
    """

    template_fields: Sequence[str] = (
        *ExactOnlineOperator.template_fields,
        "source",
        "country",
        "name",
        "code",
        "select",
    )

    def __init__(
        self,
        *,
        source: str = DIVISION_LISTS[0],
        country: str | Sequence[str] | None = None,
        name: str | Sequence[str] | None = None,
        code: int | str | Sequence[int | str] | None = None,
        select: str | Sequence[str] = ("Code", "Description", "Country"),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.country = country
        self.name = name
        self.code = code
        self.select = select
        if is_final(source):
            check_division_list(source)

    @property
    def endpoint(self) -> str:  # type: ignore[override]  # read by the link to Exact's reference
        return self.source

    def execute(self, context: Context) -> list[dict[str, Any]]:
        with self.calling(context):
            divisions = self.hook.list_divisions(
                self.source,
                country=given(self.country),
                name=given(self.name),
                code=given(self.code),
                select=given(self.select),
            )
        self.log.info("Listed %s divisions of %s", len(divisions), self.source)
        return divisions
