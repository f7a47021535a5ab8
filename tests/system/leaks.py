"""A search for secrets, in each of the ways in which a program might write them."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def forms(secret: str) -> set[str]:
    """Return a secret as it is, and as a query, a form, JSON, Python, HTML and base64 would hold it."""
    written = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    written |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], html.escape(secret)}
    return written | set(base64_forms(secret))


def base64_forms(secret: str) -> Iterable[str]:
    """Yield what base64 makes of a secret wherever it stands in a longer text, such as ``id:secret``."""
    raw = secret.encode()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # The first and last letters depend on the neighbours.
        own = text[(0, 2, 3)[before] : len(text) - bool((before + len(raw)) % 3)]
        yield from (own, own.replace("+", "-").replace("/", "_"))


def all_forms(secrets: Iterable[str]) -> list[str]:
    return sorted(set().union(*map(forms, secrets)))


def files_with(folder: Path, texts: Iterable[str]) -> list[str]:
    """Return the files below a folder in which any of these texts occurs."""
    wanted = [text.encode() for text in texts]
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if any(text in content for text in wanted):
                found.append(str(path.relative_to(folder)))
    return found
