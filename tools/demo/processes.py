"""Start processes, wait for them and end exactly those."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LOOPBACK = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent.parent


class DemoError(Exception):
    """Something that the person at the keyboard can act on; shown as it is, without a traceback."""


@dataclass(frozen=True)
class Process:
    """A running program, and the file that its output goes to."""

    name: str
    popen: subprocess.Popen[bytes] = field(repr=False)
    log: Path

    def checked(self) -> Self:
        """Return the process, unless it has ended."""
        if (code := self.popen.poll()) is not None:
            raise DemoError(
                f"{end_of(self.log)}\n\n{self.name} ended by itself (exit code {code}); "
                f"the lines above are the end of {shown(self.log)}."
            )
        return self


@dataclass
class Processes:
    """Everything that was started, to be ended together and newest first."""

    running: list[Process] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        stdin: int = subprocess.DEVNULL,
    ) -> Process:
        """
        Start a program in a process group of its own.

        A Ctrl-C in the terminal then reaches only this process, which ends the others in order.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(env),
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self.running.append(process)
        return process

    def check(self) -> None:
        """Raise when any of them has ended."""
        for process in self.running:
            process.checked()

    def stop(self, patience: float = 10.0) -> None:
        """Ask all to end; end what has not after ``patience`` seconds, and the children left behind."""
        if threading.current_thread() is threading.main_thread():
            # An impatient second Ctrl-C would leave some of them behind; the wait is short.
            previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                self._stop(patience)
            finally:
                signal.signal(signal.SIGINT, previous)
        else:
            self._stop(patience)

    def _stop(self, patience: float) -> None:
        processes, self.running = self.running[::-1], []
        for process in processes:
            if process.popen.poll() is None:
                process.popen.terminate()
        deadline = time.monotonic() + patience
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(max(0.0, deadline - time.monotonic()))
            # The group was made for this process, so whatever is left in it is ours.
            with suppress(ProcessLookupError):
                os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.wait()


def end_on_signals() -> None:
    """Let a polite request to end run every ``finally`` on the way out, as Ctrl-C does."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    # A shell starts what runs in the background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(ready: Callable[[], bool], what: str, *, timeout: float, interval: float = 0.2) -> None:
    """Wait for a condition, and say what did not happen when it takes too long."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise DemoError(f"{what} did not happen within {timeout:.0f} seconds.")
        time.sleep(interval)


def require_free_port(port: int, what: str, option: str) -> None:
    """Raise when something already listens on a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise DemoError(
                f"Port {port} for {what} is not free ({error.strerror}). End the program that uses it, "
                f"perhaps an earlier `make ui`, or choose another port: {option}={port + 1}"
            ) from error


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def end_of(log: Path, lines: int = 25) -> str:
    """Return the last lines of a log that say something."""
    if not log.exists():
        return "(no log)"
    text = log.read_text(encoding="utf-8", errors="replace")
    said = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(said[-lines:])


def shown(path: Path) -> str:
    """Return a path as one would type it from the project's folder."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
