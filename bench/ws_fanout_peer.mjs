// The peer of ws_fanout_bench: the same fan-out on Node's `ws`. Argument: the descriptor to write the port to.
import { createRequire } from 'node:module';
import fs from 'node:fs';

const require = createRequire(new URL('../tests/package.json', import.meta.url));
const { WebSocketServer } = require('ws');

const subscribers = new Set();
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket, request) => {
  if (!request.url.includes('publisher')) subscribers.add(socket);
  socket.on('close', () => subscribers.delete(socket));
  socket.on('error', () => subscribers.delete(socket));
  socket.on('message', (message) => {
    for (const subscriber of subscribers) subscriber.send(message, { binary: false });
  });
});
server.on('listening', () => {
  const port = Buffer.alloc(2);
  port.writeUInt16LE(server.address().port);
  fs.writeSync(Number(process.argv[2]), port);
});
