"""A TCP relay to PostgreSQL, in a thread of its own, which can turn into a black hole."""

from __future__ import annotations

import asyncio
import threading

from django.db import connection


class Relay:
    """While `hole` is true, everything is swallowed and every connection stays open."""

    def __init__(self) -> None:
        settings = connection.settings_dict
        self._target = (str(settings["HOST"]), int(settings["PORT"]))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay")
        self._pumps: set[asyncio.Task[None]] = set()
        self.hole = False
        self.port = 0

    def __enter__(self) -> Relay:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self) -> None:
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(*self._target)
        for source, sink in ((reader, forth), (back, writer)):
            pump = asyncio.ensure_future(self._pump(source, sink, (writer, forth)))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            while data := await source.read(65_536):
                if not self.hole:
                    sink.write(data)
        except ConnectionError:
            pass
        finally:
            for writer in both:
                writer.close()
