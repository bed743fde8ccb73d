// A document and a question in TLS: node grpc_tls.mjs GRPC_ADDRESS CERTIFICATE
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [address, certificate] = process.argv.slice(2);
const proto = fileURLToPath(new URL('../../../frontend/grpc/answermill.proto', import.meta.url));
const { Answermill } = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true, longs: Number, defaults: true, oneofs: true })).answermill.v1;
const client = new Answermill(address, grpc.credentials.createSsl(readFileSync(certificate)));
const document = await new Promise((resolve, reject) => {
  const upload = client.Upload((error, reply) => (error ? reject(error) : resolve(reply)));
  upload.write({ name: 'quay.txt', data: Buffer.from('The quay has nine cranes.\n') });
  upload.end();
});
let state;
for await (const change of client.WatchDocument({ document: document.id })) state = change.state;
assert.equal(state, 'ready');
let text = '';
let end;
for await (const event of client.Ask({ question: 'How many cranes does the quay have?' })) {
  if (event.event === 'token') text += event.token.text;
  if (event.event === 'end') end = event.end;
}
assert.equal(end.status, 'done');
assert.match(text, /nine cranes/);
client.close();
console.log('SPOKEN');
