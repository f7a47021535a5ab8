"""Whether lines at Exact are the ones that were sent: yes, no, or that can't be told."""

from __future__ import annotations

import pytest

from airflow_provider_exact.client.catalogue import resolve
from airflow_provider_exact.client.likeness import same_lines

LINES = resolve("salesinvoice/SalesInvoiceLines")
A, B, C = ({"Description": name, "Quantity": number} for number, name in enumerate("abc", 1))


def there(*lines, **others):
    """Return lines as Exact shows them: with more fields than were sent."""
    return [{"ID": "x", "Notes": None, **line, **others} for line in lines]


@pytest.mark.parametrize(
    ("sent", "found", "verdict"),
    [
        ([A, B], there(A, B), True),
        ([A, B], there(B, A), True),
        ([A, A], there(A, A), True),
        ([A, B], there(A, C), False),
        ([A, A], there(A, B), False),
        ([A], there(B), False),
        # Of two lists of the same lines in other numbers, more can't be said.
        ([A, A, B], there(A, B, B), None),
        # Exact may have added one, or show a part of them.
        ([A], there(A, B), None),
        ([A, B], there(A), None),
        ([A, B], there(C), False),
        ([A], there(B, C), False),
        ([A], [], None),
        ([A], None, None),
        ([A], {"results": []}, None),
        ([A], ["a"], None),
        (["a"], there(A), None),
        ([{}], there(A), None),
        ([A], there(A, Quantity=None), None),
        ([A], there(A, Quantity=None, Description="b"), False),
        ([{**A, "SerialNumbers": [{"Number": 1}]}], there(A), None),
        ([{**A, "SerialNumbers": [{"Number": 1}]}], there(B), False),
    ],
)
def test_lines_are_compared_in_any_order_and_doubt_is_told(sent, found, verdict):
    assert same_lines(LINES, sent, found) is verdict


def test_lines_that_no_endpoint_describes_are_compared_as_text():
    assert same_lines(None, [{"Name": "A "}], [{"Name": "a"}]) is True
