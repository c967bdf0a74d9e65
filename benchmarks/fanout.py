"""The limit: a WebSocket server that does nothing but hand one text to all its clients. ``python -m benchmarks.fanout PORT``.

The library's own ``broadcast``, on the same event loop ours runs on. A line ``N TEXT`` on its input is broadcast as it
stands; it answers with the moment it began.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(port: int) -> None:
    clients: set[ServerConnection] = set()

    async def stay(connection: ServerConnection) -> None:
        await connection.send('{"type":"hello"}')
        clients.add(connection)
        await connection.wait_closed()
        clients.discard(connection)

    loop = asyncio.get_running_loop()
    async with serve(stay, "127.0.0.1", port, compression=None, ping_interval=None):
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            began = time.time()
            broadcast(clients, line.rstrip("\n"))
            print(began, flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
