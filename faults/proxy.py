"""A TCP proxy that breaks connections on demand: slow, thin, cut in the middle, silent, or half closed.

One thread with one asyncio loop serves all proxies of a run. What is set holds from the next byte on, for connections
that are open too, so that an experiment can break what works.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Literal

CHUNK = 16_384
Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Fault:
    """What is wrong with one direction; `up` is towards the server."""

    delay_s: float = 0.0
    bytes_per_s: float = 0.0
    """0: as fast as it goes."""
    reset_after: int | None = None
    """Ends the connection with a RST once so many more bytes have passed."""
    black_hole: bool = False
    """Takes bytes and passes none on; nobody is told."""
    close_after: int | None = None
    """Says "no more bytes" to the receiver after so many, and lets the other direction live."""


class Proxy:
    """One listening port in front of one server; change it with `up`, `down`, `refuse`, `accept` and `cut`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.connections = self._held = 0
        self._faults: dict[Direction, Fault] = {"up": Fault(), "down": Fault()}
        self._open: set[asyncio.StreamWriter] = set()
        self._listener: socket.socket | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = _loop()
        self.port: int = self._run(self._listen(0))

    @property
    def open(self) -> int:
        """How many connections the server holds by this proxy."""
        return self._held

    def up(self, **wrong: Any) -> None:
        """What is wrong from now on with what clients send; without arguments: nothing."""
        self._faults["up"] = Fault(**wrong)

    def down(self, **wrong: Any) -> None:
        """What is wrong from now on with what the server answers; without arguments: nothing."""
        self._faults["down"] = Fault(**wrong)

    def heal(self) -> None:
        """Everything works again, for connections that are still open and for new ones."""
        self.up()
        self.down()
        self.accept()

    def refuse(self) -> None:
        """New connections are refused; those that are open stay."""
        self._run(self._unlisten())

    def accept(self) -> None:
        """New connections are taken again."""
        if self._listener is None:
            self._run(self._listen(self.port))

    def cut(self) -> None:
        """Ends every open connection with a RST, on both sides."""
        self._run(self._cut())

    def close(self) -> None:
        """Ends the proxy."""
        self.refuse()
        self.cut()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self, port: int) -> int:
        listener = self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        listener.setblocking(False)
        self._loop.add_reader(listener, self._take, listener)
        return int(listener.getsockname()[1])

    def _take(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            serving = self._loop.create_task(self._serve(listener.accept()[0]))
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)

    async def _unlisten(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._loop.remove_reader(listener)
            listener.close()

    async def _cut(self) -> None:
        for writer in list(self._open):
            _reset(writer)

    async def _serve(self, client: socket.socket) -> None:
        self.connections += 1
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        pair = (writer, back)
        self._open.update(pair)
        self._held += 1
        try:
            await asyncio.gather(self._pass(reader, back, "up", pair), self._pass(there, writer, "down", pair))
        finally:
            self._open.difference_update(pair)
            for one in pair:
                one.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:  # fmt: skip
        try:
            while data := await reader.read(CHUNK):
                wrong = self._faults[way]
                if wrong.delay_s:
                    await asyncio.sleep(wrong.delay_s)
                if wrong.black_hole:
                    continue
                limit = wrong.reset_after if wrong.reset_after is not None else wrong.close_after
                if limit is not None and len(data) >= limit:
                    writer.write(data[:limit])
                    await writer.drain()
                    if wrong.close_after is not None:
                        break
                    for one in pair:
                        _reset(one)
                    return
                if limit is not None:
                    left = limit - len(data)
                    resets = wrong.reset_after is not None
                    self._faults[way] = replace(wrong, reset_after=left) if resets else replace(wrong, close_after=left)
                await self._write(writer, data, wrong.bytes_per_s)
            if writer.can_write_eof() and not self._faults[way].black_hole:
                writer.write_eof()
        except (OSError, RuntimeError):
            for one in pair:
                one.close()
        finally:
            self._held -= way == "down"

    async def _write(self, writer: asyncio.StreamWriter, data: bytes, bytes_per_s: float) -> None:
        if not bytes_per_s:
            writer.write(data)
            await writer.drain()
            return
        step = max(1, int(bytes_per_s / 10))
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            await asyncio.sleep(step / bytes_per_s)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):  # linger of no time: the kernel sends RST instead of FIN
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


_loops: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    if not _loops:
        _loops.append(asyncio.new_event_loop())
        threading.Thread(target=_loops[0].run_forever, name="proxies", daemon=True).start()
    return _loops[0]
