"""HTTP, server-sent events and WebSocket on asyncio streams: just enough of each for thousands of clients.

Every call opens a connection of its own unless told otherwise, since connections are what the chaos cuts.
Errors: OSError and its children (also for an end in the middle of a message).
"""
import asyncio
import base64
import json
import os
import struct

LIMIT = 1 << 22  # bytes a line of a stream may have


class Gone(ConnectionError):
    """The other side ended the conversation where more was due."""


async def connect(address, patience=5.0):
    return await asyncio.wait_for(asyncio.open_connection(*address, limit=LIMIT), patience)


async def read_head(reader):
    try:
        block = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise Gone("no answer") from error
    lines = block.split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(lines[0].split()[1]), headers


async def read_body(reader, headers):
    try:
        if headers.get("transfer-encoding") == "chunked":
            return b"".join([piece async for piece in chunks(reader)])
        return await reader.readexactly(int(headers.get("content-length", 0)))
    except asyncio.IncompleteReadError as error:
        raise Gone("the answer broke off") from error


async def chunks(reader):
    try:
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            piece = await reader.readexactly(size + 2)
            if size == 0:
                return
            yield piece[:-2]
    except (asyncio.IncompleteReadError, ValueError) as error:
        raise Gone("the answer broke off") from error


async def open_request(address, method, path, body=None, headers=None):
    """Returns (status, headers, reader, writer) once the head of the answer is there."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    reader, writer = await connect(address)
    try:
        head = [f"{method} {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}", "Connection: close",
                *(f"{name}: {value}" for name, value in headers.items())]
        if body is not None:
            head.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + (body or b""))
        status, answered = await read_head(reader)
        return status, answered, reader, writer
    except BaseException:
        writer.close()
        raise


async def request(address, method, path, body=None, headers=None, patience=35.0):
    """One request and its whole answer: (status, decoded JSON or None)."""
    async def whole():
        status, answered, reader, writer = await open_request(address, method, path, body, headers)
        try:
            content = await read_body(reader, answered)
        finally:
            writer.close()
        return status, json.loads(content) if content else None
    try:
        return await asyncio.wait_for(whole(), patience)
    except asyncio.TimeoutError as error:
        raise Gone(f"{method} {path} was not answered within {patience:.0f} s") from error


async def sse(reader, headers):
    """Yields (event, id or None, data) until the answer's clean end; raises Gone when it breaks off."""
    buffer, name, seq, data = b"", None, None, []
    async for piece in chunks(reader) if headers.get("transfer-encoding") == "chunked" else plain(reader):
        buffer += piece
        *lines, buffer = buffer.split(b"\n")
        for raw in lines:
            line = raw.decode().rstrip("\r")
            if not line:
                if data:
                    yield name or "message", seq, json.loads("\n".join(data))
                name, data = None, []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "id":
                seq = int(value)
            elif field == "data":
                data.append(value)


async def plain(reader):
    while piece := await reader.read(65536):
        yield piece


class WebSocket:
    """A client of RFC 6455: text messages in and out, pings answered. Reading: one task."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address, path="/api/ws"):
        key = base64.b64encode(os.urandom(16)).decode()
        reader, writer = await connect(address)
        try:
            writer.write((f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nUpgrade: websocket\r\n"
                          f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
            status, _ = await asyncio.wait_for(read_head(reader), 10)
        except asyncio.TimeoutError as error:
            writer.close()
            raise Gone("the upgrade was not answered") from error
        except BaseException:
            writer.close()
            raise
        if status != 101:
            writer.close()
            raise Gone(f"the upgrade was answered with {status}")
        return cls(reader, writer)

    def send(self, message):
        self._frame(1, json.dumps(message).encode())

    def _frame(self, opcode, payload):
        mask = os.urandom(4)
        size = len(payload)
        length = (struct.pack("!B", 0x80 | size) if size < 126 else
                  struct.pack("!BH", 0x80 | 126, size) if size < 65536 else struct.pack("!BQ", 0x80 | 127, size))
        long_mask = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(long_mask, "big")).to_bytes(size, "big") if size else b""
        self.writer.write(bytes([0x80 | opcode]) + length + mask + masked)

    async def receive(self):
        """The next message, decoded. Raises Gone at the end."""
        parts = []
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size == 126:
                    size = struct.unpack("!H", await self.reader.readexactly(2))[0]
                elif size == 127:
                    size = struct.unpack("!Q", await self.reader.readexactly(8))[0]
                payload = await self.reader.readexactly(size)
                opcode = first & 0x0F
                if opcode == 8:
                    raise Gone("closed")
                if opcode == 9:
                    self._frame(10, payload)
                elif opcode in (0, 1, 2):
                    parts.append(payload)
                    if first & 0x80:
                        return json.loads(b"".join(parts))
        except asyncio.IncompleteReadError as error:
            raise Gone("broke off") from error

    def close(self):
        self.writer.close()
