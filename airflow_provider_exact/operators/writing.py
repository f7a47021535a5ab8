"""What the operators that write share: the division that they must not mistake."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.operators.base import ExactOnlineOperator, check_required, given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_exact.operators.creating import Creations


class ExactOnlineWriteOperator(ExactOnlineOperator):
    """
    Base of the operators that write: not used by itself.

    :param expected_division_name: Write nothing unless the division has this name.
    """

    template_fields: Sequence[str] = (*ExactOnlineOperator.template_fields, "expected_division_name")

    def __init__(self, *, expected_division_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.expected_division_name = expected_division_name
        # Once rendered, a template of nothing looks like an argument that was left out.
        self._guards = [name for name in ("division", "expected_division_name") if getattr(self, name) is not None]
        check_required(**{name: getattr(self, name) for name in self._guards})

    def check_division(self) -> None:
        """
        Check that the division is the one that is meant; to be called before anything is written.

        :raises ExactRequestError: it has another name, or none that can be read; or the division or the name was given
            as a template that rendered to nothing.
        :raises ExactError: a limit or an outage kept the name from being looked up.
        """
        for argument in self._guards:
            if given(str(getattr(self, argument)).strip()) is None:
                raise ExactRequestError(
                    f"{argument}: its template rendered to nothing, which does not tell where to write. Nothing was "
                    "written. Correct the template, or leave the argument out."
                )
        expected = self.expected_division_name
        if expected is None or _is_same(self.hook.division_name(), expected):
            return
        # It may have got another name since that was looked up.
        name = self.hook.division_name(fresh=True)
        if not _is_same(name, expected):
            called = f"is {name!r}" if name else "can't be read with this sign-in"
            raise ExactRequestError(
                f"expected_division_name: the name of division {self.worked_in} {called}, not {expected!r}. Nothing "
                "was written. Correct the division or the expected name."
            )

    @cached_property
    def where(self) -> str:
        """The division with its name, for log lines."""
        name = self.hook.division_name()
        return f"{self.worked_in} ({name})" if name else str(self.worked_in)


class CreatingOperator(ExactOnlineWriteOperator):
    """Base of the operators that create: not used by itself."""

    verify: str | Sequence[str] | None

    def creations(self, context: Context) -> Creations:
        """Return what creates each record once, however often the task runs."""
        # Late, since parsing a Dag needs no HTTP.
        from airflow_provider_exact.operators.creating import Creations

        return Creations(context, self.hook.get_conn(), endpoint=self.endpoint, verify=given(self.verify))


def _is_same(name: str | None, expected: str) -> bool:
    return name is not None and name.strip().casefold() == expected.strip().casefold()
