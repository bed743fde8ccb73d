"""Stands between a process and the bus: forwards the bytes of its sockets, and on order cuts connections, holds one
direction back, or loses, repeats and swaps whole messages.

A held direction is what a one-way partition is to TCP: nothing arrives, nothing is lost, and what was sent comes
when it heals, unless the connection is cut first. Losing messages is what PUB sockets do when a queue is full.
Thread: the runner's event loop. Source of the framing: https://rfc.zeromq.org/spec/23/ (ZMTP 3.0/3.1, NULL).
"""
import asyncio

GREETING = 64
MORE, LONG, COMMAND = 1, 2, 4


class Messages:
    """Cuts a ZMTP byte stream into its greeting, commands and whole messages (all frames of one together)."""

    def __init__(self):
        self.buffer, self.greeting, self.parts = b"", GREETING, b""

    def feed(self, data):
        """Yields (bytes, is_message)."""
        if self.greeting:  # goes on bit by bit: each side waits for the other's first bytes
            first, data = data[:self.greeting], data[self.greeting:]
            self.greeting -= len(first)
            yield first, False
        self.buffer += data
        while len(self.buffer) >= 2:
            flags = self.buffer[0]
            head = 9 if flags & LONG else 2
            if len(self.buffer) < head:
                return
            size = head + int.from_bytes(self.buffer[1:head], "big")
            if len(self.buffer) < size:
                return
            frame, self.buffer = self.buffer[:size], self.buffer[size:]
            if flags & COMMAND:
                yield frame, False
                continue
            self.parts += frame
            if not flags & MORE:
                yield self.parts, True
                self.parts = b""


class Mangler:
    """Loses, repeats and swaps messages at random while `share` is above 0."""

    def __init__(self, rng):
        self.rng, self.share, self.done = rng, 0.0, {"lost": 0, "repeated": 0, "swapped": 0}

    def out(self, message, held):
        """What goes out instead of `message`, given one held back before or b""; and what is held back now."""
        if self.rng.random() >= self.share:
            return message + held, b""
        kind = self.rng.choice(sorted(self.done))
        self.done[kind] += 1
        if kind == "lost":
            return held, b""
        if kind == "repeated":
            return message + message + held, b""
        return held, message


class Link:
    """Listens on `path` and forwards to `upstream`. Directions: "up" to the broker, "down" from it."""

    def __init__(self, name, path, upstream, mangled=None, mangler=None):
        self.name, self.path, self.upstream = name, path, upstream
        self.mangled, self.mangler = mangled, mangler  # the direction whose messages may be lost
        self.gates = {"up": asyncio.Event(), "down": asyncio.Event()}
        for gate in self.gates.values():
            gate.set()
        self.connections = set()

    async def open(self):
        self.server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def _serve(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self.upstream)
        except OSError:
            writer.close()
            return
        pair = (writer, up_writer)
        self.connections.add(pair)
        try:
            pumps = [asyncio.create_task(self._pump(reader, up_writer, "up")),
                     asyncio.create_task(self._pump(up_reader, writer, "down"))]
            # One side that ends ends the other: a process that died is gone for its peer at once.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
        finally:
            self.connections.discard(pair)
            for side in pair:
                side.close()

    async def _pump(self, reader, writer, direction):
        gate, messages, held = self.gates[direction], Messages(), b""
        try:
            while data := await reader.read(65536):
                if not gate.is_set():
                    await gate.wait()
                if direction == self.mangled:
                    out = b""
                    for piece, is_message in messages.feed(data):
                        if is_message:
                            piece, held = self.mangler.out(piece, held)
                        out += piece
                    data = out
                if data:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass

    def cut(self):
        for pair in list(self.connections):
            for side in pair:
                side.transport.abort()
        return bool(self.connections)

    def hold(self, *directions):
        for direction in directions:
            self.gates[direction].clear()

    def heal(self):
        for gate in self.gates.values():
            gate.set()


WORKERS = ("extract", "embed", "index", "generate")
CHANNELS = [(kind, channel) for kind in WORKERS for channel in ("work", "events")] + [
    ("frontend", channel) for channel in ("jobs", "work", "events", "worker-events", "query")]


async def open_links(folder, rng):
    """One for each kind of process and channel: {(kind, channel): Link}, and the mangler of the event channels."""
    mangler, links = Mangler(rng), {}
    for kind, channel in CHANNELS:
        # Workers call the socket that takes their events by the name of the frontends' one.
        socket = "worker-events" if kind in WORKERS and channel == "events" else channel
        mangled = {"worker-events": "up", "events": "down"}.get(socket)
        links[kind, channel] = await Link(f"{kind}.{channel}", f"{folder}/{kind}.{channel}", f"{folder}/up.{socket}",
                                          mangled, mangler).open()
    return links, mangler
