"""TCP proxies with a switch: outages of a database for chosen processes."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from tools.demo.processes import LOOPBACK


class Gate:
    """Proxy on a free port before a port of this machine."""

    def __init__(self, loop, target):
        self._loop = loop
        self._target = target
        self._writers = set()
        self.port = 0
        self._server = None
        self.open()

    def open(self):
        """Let connections through."""
        self._run(self._open())

    def shut(self):
        """End all connections, and refuse new connections."""
        self._run(self._shut())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    async def _open(self):
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self):
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError):
            there = await asyncio.open_connection(LOOPBACK, self._target)
            self._writers |= {writer, there[1]}
            await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
            self._writers -= {writer, there[1]}

    async def _pump(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.contextmanager
def gates(target):
    """Yield a function for new gates before a port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = []

    def make():
        made.append(Gate(loop, target))
        return made[-1]

    try:
        yield make
    finally:
        for gate in made:
            gate.shut()
        asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _end_tasks():
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
