"""Whether a record at Exact has the content of one that was sent: yes, no, or ``None`` when it does not tell."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_exact.client.catalogue import Endpoint, Property
from airflow_provider_exact.client.serialisation import INTEGER_BITS

Record = Mapping[str, Any]

# Exact cuts texts off at 50 and more; a shorter text that ours begins with is another text.
CUT_OFF = 50


def comparable(endpoint: Endpoint | None, record: Record) -> list[Property]:
    """Return the fields that were given and come back as they were: no lines, no files, nothing hidden."""
    found = [(endpoint.property(name) if endpoint else None) or Property(name) for name in record]
    return [
        prop
        for prop in found
        if not (prop.target or prop.hidden or prop.type == "Binary")
        # Exact may fill in what is left empty.
        and record[prop.name] not in (None, "")
        and not isinstance(record[prop.name], list | dict)
    ]


def lines_in(record: Record) -> dict[str, list[Any]]:
    """Return the lines that a record is sent with, by the field that holds them."""
    return {name: value for name, value in record.items() if isinstance(value, list) and value}


def same_fields(compared: Sequence[Property], sent: Record, there: Record) -> bool | None:
    """Whether a record has the values that were sent; ``None`` when it shows nothing in one of these fields."""
    named = [prop for prop in compared if prop.name in there]
    shown = [prop for prop in named if there[prop.name] not in (None, "")]
    if not all(same_value(sent[prop.name], there[prop.name], prop.type) for prop in shown):
        return False
    return True if shown and len(shown) == len(named) else None


def same_lines(endpoint: Endpoint | None, sent: Sequence[Any], there: object) -> bool | None:
    """
    Whether these are the lines that were sent, in any order; each counts for one.

    Another number of them tells only if none of the fewer ones is among the others: Exact may add lines of its own,
    and show a part of many.

    :param endpoint: That of the lines; ``None`` if it is not known.
    """
    if not isinstance(there, list):
        return None
    verdicts = [_same_line(endpoint, line, there) for line in sent]
    sides = [verdicts] if len(sent) <= len(there) else []
    if len(there) <= len(sent):
        sides.append([list(column) for column in zip(*verdicts, strict=True)])
    if any(all(verdict is False for verdict in line) for side in sides for line in side):
        return False
    if len(sent) != len(there):
        return None
    left = list(range(len(there)))
    for line in verdicts:
        match = next((place for place in left if line[place]), None)
        if match is None:
            return None
        left.remove(match)
    return True


def _same_line(endpoint: Endpoint | None, sent: object, there: Sequence[Any]) -> list[bool | None]:
    """Return for each of these lines whether it is the one that was sent."""
    if not isinstance(sent, Mapping):
        return [None] * len(there)
    compared = comparable(endpoint, sent)
    verdicts = [same_fields(compared, sent, other) if isinstance(other, Mapping) else None for other in there]
    # What hangs below a line, such as batch numbers, is not read.
    return [None if verdict and lines_in(sent) else verdict for verdict in verdicts]


def same_value(sent: object, there: object, type_name: str | None) -> bool:
    """Whether Exact may have made one value of the other: it pads codes, cuts texts off, rounds and drops times."""
    if type_name == "Boolean":
        return _truth(sent) == _truth(there)
    if type_name in INTEGER_BITS or type_name == "Double":
        try:
            return math.isclose(float(str(sent)), float(str(there)), rel_tol=1e-9, abs_tol=0.005)
        except ValueError:
            return False
    if type_name == "DateTime":
        ours, theirs = str(sent)[:19], str(there)[:19]
        return theirs == ours or theirs == f"{ours[:10]}T00:00:00"
    ours, theirs = (re.sub(r"\s+", " ", str(value)).strip().casefold() for value in (sent, there))
    shorter, longer = sorted((ours, theirs), key=len)
    return ours == theirs or (len(shorter) >= CUT_OFF and longer.startswith(shorter))


def _truth(value: object) -> bool:
    return str(value).casefold() in ("1", "true")
