// The unmodified `openai` package against a fleet: node openai.mjs URL
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { File } from 'node:buffer';
import OpenAI, { toFile } from 'openai';

globalThis.File ??= File; // Node 18 has it, but not as a global

const base = process.argv[2];
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'anything', maxRetries: 0 });
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const streamState = async (id) => (await fetch(`${base}/api/streams/${id}`)).json();

// Files: an upload is a document.
const file = await client.files.create({
  file: await toFile(Buffer.from('The harbour shop sells lanterns and copper kettles.\nLanterns are returned within thirty days.\n'), 'shop.txt'),
  purpose: 'assistants',
});
assert.equal(file.object, 'file');
assert.equal(file.filename, 'shop.txt');
assert.equal((await client.files.waitForProcessing(file.id, { pollInterval: 100, maxWait: 30000 })).status, 'processed');
assert.ok((await client.files.list()).data.some((known) => known.id === file.id));
assert.match(await (await client.files.content(file.id)).text(), /^The harbour shop/);

// Models: the collections.
const models = (await client.models.list()).data.map((model) => model.id);
assert.ok(models.includes('answermill'), models.join());
assert.equal((await client.models.retrieve('answermill')).owned_by, 'answermill');
await assert.rejects(client.chat.completions.create({ model: 'no-such-collection', messages: [{ role: 'user', content: 'Q?' }] }),
  (error) => error instanceof OpenAI.NotFoundError && error.type === 'invalid_request_error' && error.code === 'not_found');
await assert.rejects(client.chat.completions.create({ model: 'answermill', messages: [] }), OpenAI.BadRequestError);

// Chat completions, whole and streamed.
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'What does the harbour shop sell?' },
  { role: 'assistant', content: 'Lanterns.' },
  { role: 'user', content: [{ type: 'text', text: 'And within how many days are lanterns returned?' }] },
];
const whole = await client.chat.completions.create({ model: 'answermill', messages, max_completion_tokens: 500 });
assert.equal(whole.choices[0].finish_reason, 'stop');
assert.ok(whole.choices[0].message.content.length > 10);
assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
assert.ok(whole.usage.completion_tokens > 0);
assert.equal(whole.answermill.sources[0].name, 'shop.txt');

const chunks = [];
const streamed = await client.chat.completions.create({ model: 'answermill', messages, stream: true, stream_options: { include_usage: true } });
for await (const chunk of streamed) chunks.push(chunk);
const text = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('');
const last = chunks.at(-1);
assert.deepEqual(last.choices, []);
assert.ok(last.usage.completion_tokens > 0);
assert.equal(chunks.at(-2).choices[0].finish_reason, 'stop');
assert.ok(chunks.length > 10, 'it came all at once');
assert.equal(sha256(text), (await streamState(last.id.replace('chatcmpl-', ''))).sha256);
const runner = client.chat.completions.stream({ model: 'answermill', messages });
assert.ok((await runner.finalContent()).length > 10);

// Responses, whole, streamed, followed up, left and taken up again, cancelled.
const response = await client.responses.create({ model: 'answermill', input: 'What does the harbour shop sell?' });
assert.equal(response.status, 'completed');
assert.ok(response.output_text.length > 10);
const follow = await client.responses.create({ model: 'answermill', input: 'And what is returned?', previous_response_id: response.id });
assert.equal(follow.previous_response_id, response.id);
assert.equal(follow.answermill.conversation, response.answermill.conversation);
assert.equal((await client.responses.retrieve(response.id)).output_text, response.output_text);

const seen = [];
let left;
for await (const event of await client.responses.create({ model: 'answermill', input: 'Which kettles are sold?', stream: true })) {
  seen.push(event);
  if (event.type === 'response.created') left = event.response.id;
  if (seen.filter((one) => one.type === 'response.output_text.delta').length === 5) break;
}
const after = seen.at(-1).sequence_number;
for await (const event of await client.responses.retrieve(left, { stream: true, starting_after: after })) seen.push(event);
const numbers = seen.map((event) => event.sequence_number);
assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
assert.equal(new Set(numbers).size, numbers.length);
const grown = seen.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta).join('');
const done = seen.at(-1);
assert.equal(done.type, 'response.completed');
assert.equal(done.response.output[0].content[0].text, grown);
assert.equal(sha256(grown), (await streamState(left.replace('resp_', ''))).sha256);
const helper = client.responses.stream({ model: 'answermill', input: 'What is returned within thirty days?' });
assert.ok((await helper.finalResponse()).output_text.length > 10);

const doomed = await client.responses.create({ model: 'answermill', input: 'Which lanterns does the harbour shop sell?', stream: true });
let cancelled;
for await (const event of doomed) {
  if (event.type === 'response.created') cancelled = await client.responses.cancel(event.response.id);
}
assert.equal(cancelled.status, 'cancelled');
await assert.rejects(client.responses.retrieve('resp_nothing'), OpenAI.NotFoundError);

// Embeddings: numbers either way.
const plain = await client.embeddings.create({ model: 'answermill', input: ['a copper kettle', 'copper kettles', 'thirty days'], encoding_format: 'float' });
const packed = await client.embeddings.create({ model: 'answermill', input: ['a copper kettle'] });
assert.equal(plain.data.length, 3);
assert.ok(plain.data[0].embedding.length >= 64);
plain.data[0].embedding.forEach((number, i) => assert.ok(Math.abs(number - packed.data[0].embedding[i]) < 1e-6));
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const [kettle, kettles, days] = plain.data.map((one) => one.embedding);
assert.ok(dot(kettle, kettles) > dot(kettle, days));
const many = await client.embeddings.create({ model: 'answermill', input: Array.from({ length: 100 }, (_, i) => `text ${i}`) });
assert.equal(many.data.length, 100);

assert.equal((await client.files.delete(file.id)).deleted, true);
console.log('SPOKEN');
