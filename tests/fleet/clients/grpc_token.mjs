// Access tokens, health and reflection of answermill-grpc: node grpc_token.mjs URL GRPC_ADDRESS TOKEN
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [, address, token] = process.argv.slice(2);
const proto = fileURLToPath(new URL('../../../frontend/grpc/answermill.proto', import.meta.url));
const { Answermill } = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true })).answermill.v1;
const client = new Answermill(address, grpc.credentials.createInsecure());
const search = (metadata) => new Promise((resolve, reject) => client.Search({ query: 'words' }, metadata, (error, reply) => (error ? reject(error) : resolve(reply))));
const bearing = (value) => {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', value);
  return metadata;
};
for (const wrong of [new grpc.Metadata(), bearing('Bearer wrong'), bearing(token)]) {
  await assert.rejects(search(wrong), (error) => error.code === grpc.status.UNAUTHENTICATED);
}
assert.equal((await search(bearing(`Bearer ${token}`))).query, 'words');

// The standard health and reflection services, by their wire format: field 1 of the reply is 1, SERVING.
const raw = (path, request) => new Promise((resolve, reject) => client.makeUnaryRequest(path, (bytes) => bytes, (bytes) => bytes, request, (error, reply) => (error ? reject(error) : resolve(reply))));
assert.deepEqual([...await raw('/grpc.health.v1.Health/Check', Buffer.alloc(0))], [0x08, 0x01]);
const reflection = client.makeBidiStreamRequest('/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', (bytes) => bytes, (bytes) => bytes);
reflection.write(Buffer.from([0x3a, 0x00])); // list_services
reflection.end();
let listed = '';
for await (const reply of reflection) listed += reply.toString('latin1');
assert.match(listed, /answermill\.v1\.Answermill/);
client.close();
console.log('SPOKEN');
