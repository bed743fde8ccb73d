// What each access token may do over gRPC: node grpc_access.mjs GRPC_ADDRESS, with the tokens by name as JSON on the first
// line of stdin. Says REVOKE and waits for a line when "leaver" is to lose its token.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const proto = fileURLToPath(new URL('../../../frontend/grpc/answermill.proto', import.meta.url));
const { Answermill } = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true, longs: Number, defaults: true, oneofs: true })).answermill.v1;
const client = new Answermill(process.argv[2], grpc.credentials.createInsecure());
const lines = createInterface({ input: process.stdin });
const tokens = JSON.parse((await once(lines, 'line'))[0]);

function bearing(name) {
  const metadata = new grpc.Metadata();
  if (name !== undefined) metadata.set('authorization', `Bearer ${tokens[name] ?? name}`);
  return metadata;
}
const settled = (start) => new Promise((resolve, reject) => start((error, reply) => (error ? reject(error) : resolve(reply))));
async function readAll(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}
const calls = {
  search: (name, collection = '') => settled((done) => client.Search({ query: 'harbour', collection }, bearing(name), done)),
  ask: (name, collection = '') => readAll(client.Ask({ question: 'Where does the court sit?', collection }, bearing(name))),
  upload: (name) =>
    settled((done) => {
      const upload = client.Upload(bearing(name), done);
      upload.write({ name: 'a.txt', data: Buffer.from('A word.') });
      upload.end();
    }),
  watch: (name) => readAll(client.WatchDocument({ document: tokens.document }, bearing(name))),
};
const refused = (call, code, ...words) => assert.rejects(calls[call](...words), (error) => (assert.equal(error.code, code, `${call} ${words}: ${error.message}`), true));
const { UNAUTHENTICATED, PERMISSION_DENIED } = grpc.status;

for (const call of Object.keys(calls)) {
  await refused(call, UNAUTHENTICATED);
  await refused(call, UNAUTHENTICATED, 'am_wrong');
}
const text = (events) => events.filter((one) => one.event === 'token').map((one) => one.token.text).join('');
for (const name of ['reader', 'boss']) assert.equal((await calls.search(name, 'law')).hits[0].name, 'court.txt');
for (const name of ['asker', 'boss', 'lawyer']) {
  const events = await calls.ask(name, 'law');
  assert.equal(events.at(-1).end.status, 'done');
  assert.match(text(events), /harbour hall/);
}
assert.ok((await calls.watch('lawyer')).length > 0);
assert.equal((await calls.upload('boss')).name, 'a.txt');

for (const call of ['ask', 'upload']) await refused(call, PERMISSION_DENIED, 'reader');
for (const call of ['search', 'upload', 'watch']) await refused(call, PERMISSION_DENIED, 'asker');
for (const call of ['search', 'ask']) await refused(call, PERMISSION_DENIED, 'lawyer', 'default');

assert.equal((await calls.search('leaver', 'law')).hits.length, 1);
console.log('REVOKE');
await once(lines, 'line');
for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
  const gone = await calls.search('leaver', 'law').then(() => false, (error) => error.code === UNAUTHENTICATED);
  if (gone) break;
}
for (const call of ['search', 'ask', 'upload']) await refused(call, UNAUTHENTICATED, 'leaver');
assert.equal((await calls.search('reader', 'law')).hits.length, 1);
lines.close();
client.close();
console.log('SPOKEN');
