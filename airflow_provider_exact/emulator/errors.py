"""How the emulated server says no."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a failure of the emulator
    """
    An answer with an error status and Exact's error body.

    ``reason`` becomes the ``Reason`` header.
    """

    def __init__(
        self, status: int, message: str = "", *, reason: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        if reason is not None:
            self.headers["Reason"] = reason


def syntax_error() -> Refusal:
    return Refusal(400, "Error in query syntax")
