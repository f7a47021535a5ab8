"""Operator that creates or updates, by a key that people know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.operators.base import check_endpoint, check_no_text, check_required
from airflow_provider_exact.operators.writing import ExactOnlineWriteOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ExactOnlineUpsertOperator(ExactOnlineWriteOperator):
    """
    Update the record that has the same values in the ``match`` fields, or create it when there is none.

    Each record is looked up before it is written, so a retry or a second run creates none twice. Two records that match
    are an error which names both. Of one record, the record is returned as Exact then has it; of a list, for each in
    the same order a dict of its key, the matched fields and ``outcome`` (``created`` or ``updated``).

    Lines are created with their header. Where the record is there already they stay as they are, and the log says so:
    each is changed through its own endpoint.

    In a list, a record that is refused does not keep the others from being written; the task then fails and names it.
    After five that Exact itself refused it stops, since Exact blocks the app after ten.

    :param endpoint: The path behind the division.
    :param data: The fields of the record, by Exact's names, or a list of such dicts.
    :param match: The fields that a record is known by, such as ``"Code"`` or ``["Account", "YourRef"]``.
    """

    template_fields: Sequence[str] = (*ExactOnlineWriteOperator.template_fields, "endpoint", "data", "match")
    template_fields_renderers: ClassVar[dict[str, str]] = {"data": "json"}

    def __init__(
        self,
        *,
        endpoint: str,
        data: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        match: str | Sequence[str],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.data = data
        self.match = match
        check_endpoint(endpoint)
        check_required(data=data, match=match)
        if isinstance(match, (list, tuple)):
            check_required(match=match[0] if match else None)

    def execute(self, context: Context) -> Any:
        with self.calling(context):
            check_no_text("a dict of fields or a list of those", data=self.data)
            self.check_division()
            if isinstance(self.data, Sequence):
                return self._upsert_all(list(self.data))
            done = self.hook.upsert_record(self.endpoint, self.data, self.match)
        return self.hand_over(context, done.outcome.capitalize(), done.record)

    def _upsert_all(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        from airflow_provider_exact.client.upsert import check_distinct, match_in
        from airflow_provider_exact.operators.creating import MOST_REFUSED

        check_distinct(self.endpoint, records, self.match)
        results: list[dict[str, Any]] = self.kept.get("results", [])
        failures: list[str] = self.kept.get("failures", [])
        self.kept = {"results": results, "failures": failures}
        refused = 0
        for index in range(len(results) + len(failures), len(records)):
            wanted = match_in(self.endpoint, records[index], self.match)
            try:
                done = self.hook.upsert_record(self.endpoint, records[index], self.match)
            except ExactRequestError as error:
                failures.append(f"data[{index}] {wanted}: {error}")
                self.log.warning("data[%s] failed: %s", index, error)
                refused += error.status is not None
                if refused == MOST_REFUSED:
                    break
                continue
            results.append({**done.key, **wanted, "outcome": done.outcome})
            self.log.info("%s %s of %s in division %s", done.outcome, wanted, self.endpoint, self.where)
        if failures:
            untried = len(records) - len(results) - len(failures)
            raise ExactRequestError(
                f"{len(results)} of {len(records)} records of {self.endpoint} in division {self.where} are written, "
                f"{len(failures)} failed{f', {untried} were not tried' if untried else ''}. Correct these and run the "
                "task again: what is written already is only updated.\n" + "\n".join(failures)
            )
        return results
