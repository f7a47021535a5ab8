"""
``$filter``: comparisons of a field with a literal of its own type, ``and``, ``or``, parentheses and three functions.

Nothing else of OData: what Exact's clients have not been seen to use is refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_exact.client.catalogue import Endpoint, Property
from airflow_provider_exact.emulator.errors import Refusal, syntax_error
from airflow_provider_exact.emulator.store import Shown
from airflow_provider_exact.emulator.values import WrongTypeError, literal

Test = Callable[[Shown], bool]

TOKENS = re.compile(
    r"""\s*(?:
        (?P<literal>(?:guid|datetime)'[^']*' | '(?:[^']|'')*' | -?\d+(?:\.\d+(?:[eE][+-]?\d+)?|L)?(?![\w.]))
      | (?P<name>[A-Za-z_]\w*)
      | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
# Each level of parentheses is a level of calls here.
DEEPEST = 100
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "substringof": lambda field, text: text.casefold() in field.casefold(),
    "startswith": lambda field, text: field.casefold().startswith(text.casefold()),
    "endswith": lambda field, text: field.casefold().endswith(text.casefold()),
}


@dataclass(frozen=True)
class Filter:
    """A compiled ``$filter``; ``fields`` are the ones it looks at."""

    test: Test
    fields: frozenset[str]


def compile_filter(text: str, endpoint: Endpoint) -> Filter:
    """
    Read a ``$filter``.

    :raises Refusal: it is empty, malformed, names an unknown field or compares one with another type.
    """
    if not text.strip():
        raise Refusal(400, "This $filter parameter is not supported for this resource")
    if text.count("(") > DEEPEST:
        raise syntax_error()
    parser = _Parser(text, endpoint)
    test = parser.either()
    if parser.tokens:
        raise syntax_error()
    return Filter(test, frozenset(parser.fields))


def known_property(endpoint: Endpoint, name: str) -> Property:
    """Return the field of exactly this name, letter case included."""
    prop = endpoint.property(name)
    if prop is None or prop.name != name:
        raise Refusal(400, f"No property '{name}' exists in type 'Exact.Web.Api.Models.{endpoint.name}' at position 0.")
    return prop


class _Parser:
    def __init__(self, text: str, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.fields: set[str] = set()
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = TOKENS.match(text, at)
            if found is None:
                raise syntax_error()
            self.tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()

    def take(self, kind: str | None = None, text: str | None = None) -> str:
        if not self.tokens:
            raise syntax_error()
        found_kind, found = self.tokens.pop(0)
        if kind not in {None, found_kind} or text not in {None, found}:
            raise syntax_error()
        return found

    def next_is(self, text: str) -> bool:
        return bool(self.tokens) and self.tokens[0][0] != "literal" and self.tokens[0][1] == text

    def either(self) -> Test:
        tests = [self.both()]
        while self.next_is("or"):
            self.take()
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else lambda record: any(test(record) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self.next_is("and"):
            self.take()
            tests.append(self.one())
        return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)

    def one(self) -> Test:
        if self.next_is("("):
            self.take()
            inner = self.either()
            self.take(text=")")
            return inner
        name = self.take("name")
        if name in TEXT_TESTS and self.next_is("("):
            return self.text_test(name)
        prop = self.field(name)
        compare = COMPARISONS.get(self.take("name"))
        if compare is None:
            raise syntax_error()
        value = self.value(prop)
        if compare in {operator.eq, operator.ne}:
            return lambda record: record.get(prop.name) is not None and compare(record[prop.name], value)
        return lambda record: (
            record.get(prop.name) is not None and compare(_ordered(record[prop.name]), _ordered(value))
        )

    def text_test(self, name: str) -> Test:
        self.take(text="(")
        first = self.take()
        self.take(text=",")
        second = self.take()
        self.take(text=")")
        text, field = (first, second) if name == "substringof" else (second, first)
        prop = self.field(field)
        wanted = self.checked(prop, text)
        if not isinstance(wanted, str):
            raise syntax_error()
        expected = True
        if self.next_is("eq"):
            self.take()
            answer = self.take("name")
            if answer not in {"true", "false"}:
                raise syntax_error()
            expected = answer == "true"
        compare = TEXT_TESTS[name]
        return lambda record: compare(str(record.get(prop.name) or ""), wanted) is expected

    def field(self, name: str) -> Property:
        prop = known_property(self.endpoint, name)
        if prop.target is not None:
            raise syntax_error()
        self.fields.add(prop.name)
        return prop

    def value(self, prop: Property) -> Any:
        if not self.tokens:
            raise syntax_error()
        kind, text = self.tokens.pop(0)
        if kind == "name" and text not in {"true", "false"}:
            raise syntax_error()
        return self.checked(prop, text)

    def checked(self, prop: Property, text: str) -> Any:
        try:
            return literal(prop.type, text)
        except WrongTypeError as error:
            raise Refusal(
                400, f"Operator incompatible with operand types: '{prop.name}' is of type 'Edm.{prop.type}'."
            ) from error


def _ordered(value: Any) -> Any:
    """Text is compared without regard to case, as the database below Exact does."""
    return value.casefold() if isinstance(value, str) else value
