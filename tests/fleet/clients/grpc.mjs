// The unmodified `@grpc/grpc-js` client against a fleet: node grpc.mjs URL GRPC_ADDRESS
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [base, address] = process.argv.slice(2);
const proto = fileURLToPath(new URL('../../../frontend/grpc/answermill.proto', import.meta.url));
const definition = loader.loadSync(proto, { keepCase: true, longs: Number, defaults: true, oneofs: true });
const { Answermill } = grpc.loadPackageDefinition(definition).answermill.v1;
const client = new Answermill(address, grpc.credentials.createInsecure());
const call = (method, request) => new Promise((resolve, reject) => client[method](request, (error, reply) => (error ? reject(error) : resolve(reply))));
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

// What a reader has: events of one answer, put together by their offsets.
class Reader {
  text = Buffer.alloc(0);
  take(event) {
    this.seq = event.seq;
    if (event.event === 'started') this.started = event.started;
    if (event.event === 'token') this.text = Buffer.concat([this.text.subarray(0, event.token.offset), Buffer.from(event.token.text)]);
    if (event.event === 'rewind') this.text = this.text.subarray(0, event.rewind.offset);
    if (event.event === 'sources') this.sources = event.sources;
    if (event.event === 'end') this.end = event.end;
  }
  async read(stream, until = () => false) {
    for await (const event of stream) {
      this.take(event);
      if (until(event)) break;
    }
    return this;
  }
}

// Upload in pieces, watched until it can be searched.
const document = await new Promise((resolve, reject) => {
  const upload = client.Upload((error, reply) => (error ? reject(error) : resolve(reply)));
  upload.write({ name: 'quay.txt', data: Buffer.from('The quay has nine cranes.\n') });
  upload.write({ data: Buffer.from('The oldest crane is called Bertha.\n') });
  upload.end();
});
assert.equal(document.name, 'quay.txt');
let state;
for await (const change of client.WatchDocument({ document: document.id })) state = change;
assert.equal(state.state, 'ready');
assert.equal(state.pages.searchable, 1);
const found = await call('Search', { query: 'oldest crane', k: 3 });
assert.equal(found.hits[0].name, 'quay.txt');

// Ask, whole; then leave one in the middle and go on from there.
const whole = await new Reader().read(client.Ask({ question: 'How many cranes does the quay have?' }));
assert.equal(whole.end.status, 'done');
assert.equal(sha256(whole.text), whole.end.sha256);
assert.equal(whole.sources.passages[0].name, 'quay.txt');
assert.ok(whole.end.meta.output_tokens > 0);
const asking = client.Ask({ question: 'What is the oldest crane called?', conversation: whole.started.conversation });
const left = await new Reader().read(asking, (event) => event.event === 'token' && event.token.offset > 10);
asking.cancel();
await left.read(client.Watch({ stream: left.started.stream, after_seq: left.seq }));
assert.equal(sha256(left.text), left.end.sha256);
assert.equal((await (await fetch(`${base}/api/streams/${left.started.stream}`)).json()).sha256, left.end.sha256);

// A conversation on one call; a cancelled answer; what is refused.
const chat = client.Chat();
const said = [];
chat.write({ question: 'How many cranes does the quay have?' });
for await (const event of chat) {
  said.push(event);
  if (event.event !== 'end') continue;
  if (said.filter((one) => one.event === 'end').length === 1) chat.write({ question: 'What is the oldest of the cranes called?' });
  else if (said.filter((one) => one.event === 'end').length === 2) chat.write({ question: ' ' });
  else chat.end();
}
const starts = said.filter((one) => one.event === 'started').map((one) => one.started.conversation);
assert.equal(starts.length, 2);
assert.equal(starts[0], starts[1]);
assert.deepEqual(said.filter((one) => one.event === 'end').map((one) => one.end.status), ['done', 'done', 'failed']);

const doomed = new Reader();
await doomed.read(client.Ask({ question: 'How many cranes does the quay have?' }), (event) => {
  if (event.event === 'started') call('Cancel', { stream: event.started.stream });
  return event.event === 'end';
});
assert.equal(doomed.end.status, 'cancelled');
await assert.rejects(new Reader().read(client.Ask({ question: ' ' })), (error) => error.code === grpc.status.INVALID_ARGUMENT);
await assert.rejects(new Reader().read(client.Watch({ stream: 'nothing' })), (error) => error.code === grpc.status.NOT_FOUND);
client.close();
console.log('SPOKEN');
