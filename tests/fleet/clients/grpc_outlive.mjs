// One call whose frontend is killed by whoever started this: node grpc_outlive.mjs URL GRPC_ADDRESS
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const proto = fileURLToPath(new URL('../../../frontend/grpc/answermill.proto', import.meta.url));
const definition = loader.loadSync(proto, { keepCase: true, longs: Number, defaults: true, oneofs: true });
const { Answermill } = grpc.loadPackageDefinition(definition).answermill.v1;
const client = new Answermill(process.argv[3], grpc.credentials.createInsecure());
let text = Buffer.alloc(0);
let end;
for await (const event of client.Ask({ question: 'How many cranes does the quay have?' })) {
  if (event.event === 'token') text = Buffer.concat([text.subarray(0, event.token.offset), Buffer.from(event.token.text)]);
  if (event.event === 'rewind') text = text.subarray(0, event.rewind.offset);
  if (event.event === 'token' && event.token.offset === 0) console.log('ASKED');
  if (event.event === 'end') end = event.end;
}
assert.equal(end.status, 'done');
assert.equal(createHash('sha256').update(text).digest('hex'), end.sha256);
assert.match(text.toString(), /token40$/);
client.close();
console.log('SPOKEN');
