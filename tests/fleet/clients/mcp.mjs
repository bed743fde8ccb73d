// The unmodified `@modelcontextprotocol/sdk` client against a fleet: node mcp.mjs URL
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const base = process.argv[2];
await fetch(`${base}/api/documents?name=mill.txt`, { method: 'POST', body: 'The wind mill at the river grinds barley.\nIts miller is called Oduya.\n' });
for (let ready = false; !ready;) {
  const { documents } = await (await fetch(`${base}/api/documents`)).json();
  ready = documents.some((one) => one.name === 'mill.txt' && one.state === 'ready');
}

const client = new Client({ name: 'test', version: '1' });
await client.connect(new StreamableHTTPClientTransport(new URL(`${base}/mcp`)));
assert.equal(client.getServerVersion().name, 'answermill');
await client.ping();
const { tools } = await client.listTools();
assert.deepEqual(tools.map((tool) => tool.name), ['search', 'ask', 'list_documents', 'read_document']);

const found = await client.callTool({ name: 'search', arguments: { query: 'miller of the wind mill', k: 3 } });
assert.equal(found.structuredContent.hits[0].name, 'mill.txt');
assert.match(found.content[0].text, /Oduya/);
const listed = await client.callTool({ name: 'list_documents', arguments: {} });
const document = listed.structuredContent.documents.find((one) => one.name === 'mill.txt').id;
const page = await client.callTool({ name: 'read_document', arguments: { document, page: 1 } });
assert.match(page.content[0].text, /grinds barley/);
assert.equal(page.structuredContent.total_pages, 1);
assert.equal((await client.callTool({ name: 'read_document', arguments: { document, page: 99 } })).isError, true);

const plain = await client.callTool({ name: 'ask', arguments: { question: 'Who is the miller?' } });
assert.ok(plain.structuredContent.answer.length > 10);
const progress = [];
const told = await client.callTool({ name: 'ask', arguments: { question: 'What does the wind mill grind?', conversation: plain.structuredContent.conversation } },
  undefined, { onprogress: (one) => progress.push(one) });
assert.equal(told.structuredContent.conversation, plain.structuredContent.conversation);
assert.ok(progress.length >= 3, JSON.stringify(progress));
const stream = await (await fetch(`${base}/api/streams/${told.structuredContent.stream}`)).json();
assert.equal(stream.text, told.structuredContent.answer);
await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), /no tool/);
await client.close();

// What the client cannot be made to send: older revisions, batches, nonsense.
const post = async (body, headers = {}) => {
  const answer = await fetch(`${base}/mcp`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json', ...headers } });
  const text = await answer.text();
  return { status: answer.status, json: text ? JSON.parse(text) : null };
};
const initialize = (protocolVersion) => ({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion, capabilities: {}, clientInfo: { name: 't', version: '1' } } });
for (const version of ['2025-11-25', '2025-06-18', '2025-03-26']) assert.equal((await post(initialize(version))).json.result.protocolVersion, version);
assert.equal((await post(initialize('1999-01-01'))).json.result.protocolVersion, '2025-11-25');
const batch = await post([{ jsonrpc: '2.0', id: 'a', method: 'ping' }, { jsonrpc: '2.0', method: 'notifications/initialized' }, { jsonrpc: '2.0', id: 'b', method: 'no/such' }]);
assert.deepEqual(batch.json.map((one) => [one.id, one.error?.code]), [['a', undefined], ['b', -32601]]);
assert.equal((await post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202);
assert.equal((await post('{')).json.error.code, -32700);
assert.equal((await post({ jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-protocol-version': '1999-01-01' })).status, 400);
assert.equal((await fetch(`${base}/mcp`)).status, 405);
console.log('SPOKEN');
