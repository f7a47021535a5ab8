"""What the token Variable of a connection holds, written and read by a test that knows the client secret."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_exact.tokens.storage import Seal

SEALED = ("access_token", "refresh_token")


def sealed(client_secret: str, token: dict[str, Any]) -> str:
    """Return a token as the Variable holds it."""
    seal = Seal(client_secret)
    return json.dumps(token | {name: seal.close(token[name]) for name in SEALED})


def opened(client_secret: str, text: str) -> dict[str, Any]:
    """Return what the Variable says, in the clear."""
    seal, token = Seal(client_secret), json.loads(text)
    return token | {name: seal.open(token[name]) for name in SEALED}
