#!/usr/bin/python3
"""The peer of ws_fanout_bench on Python's websockets. Argument: the descriptor to write the port to."""
import asyncio
import os
import sys

import websockets

subscribers = set()


async def serve(socket, path):
    if "publisher" in path:
        async for message in socket:
            websockets.broadcast(subscribers, message)
        return
    subscribers.add(socket)
    try:
        await socket.wait_closed()
    finally:
        subscribers.discard(socket)


async def main():
    async with websockets.serve(serve, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096) as server:
        port = server.sockets[0].getsockname()[1]
        os.write(int(sys.argv[1]), port.to_bytes(2, "little"))
        await asyncio.Future()


asyncio.run(main())
