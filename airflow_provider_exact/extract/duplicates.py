"""Which rows have the same key as another one, found in little memory: eight bytes a row, until two are the same."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from typing import Any

# The key of a row, what tells the newer of two (``None``: the older), and whether it stands for a deleted record.
Mark = tuple[object, Any, bool]


class Keys:
    """The keys of all rows so far."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(256)]

    def add(self, keys: Iterable[object]) -> None:
        buckets = self._buckets
        for key in keys:
            number = hash(key)
            buckets[number & 255].append(number)

    def __contains__(self, key: object) -> bool:
        """Whether a key came, or one with the same hash."""
        number = hash(key)
        return number in self._buckets[number & 255]

    def repeated(self) -> set[int]:
        """Return the hashes that came more than once; keys may differ nevertheless."""
        found: set[int] = set()
        for bucket in self._buckets:
            seen: set[int] = set()
            if len(set(bucket)) != len(bucket):
                found.update(number for number in bucket if number in seen or seen.add(number))  # type: ignore[func-returns-value]
        return found


def superseded(parts: Iterable[Iterable[Mark]], suspects: Collection[int]) -> dict[int, dict[int, bool]]:
    """
    Return the rows that another row with the same key makes void: by part their places, and whether they are deletions.

    A deletion stays before everything else, then the newest row, then the last one.

    :param suspects: Hashes of the keys to look at.
    """
    void: dict[int, dict[int, bool]] = {}
    best: dict[object, tuple[tuple[bool, bool, Any], int, int]] = {}
    for number, part in enumerate(parts):
        for place, (key, by, deleted) in enumerate(part):
            # Records without a key are not the same record.
            if hash(key) not in suspects or key is None:
                continue
            found = ((deleted, by is not None, by), number, place)
            kept = best.get(key)
            if kept is not None:
                found, lost = (kept, found) if kept[0] > found[0] else (found, kept)
                void.setdefault(lost[1], {})[lost[2]] = lost[0][0]
            best[key] = found
    return void
