// The unmodified `ai` package's transport and reader against a fleet: node ai.mjs URL
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { DefaultChatTransport, readUIMessageStream } from 'ai';

const base = process.argv[2];
await fetch(`${base}/api/documents?name=barn.txt`, { method: 'POST', body: 'The red barn holds forty horses.\nThe keeper of the barn is called Amalia.\n' });
for (let ready = false; !ready;) {
  const { documents } = await (await fetch(`${base}/api/documents`)).json();
  ready = documents.some((one) => one.name === 'barn.txt' && one.state === 'ready');
}

const transport = new DefaultChatTransport({ api: `${base}/api/chat` });
const chatId = `chat-${Date.now()}`;
const user = (id, text) => ({ id, role: 'user', parts: [{ type: 'text', text }] });
const send = (messages) => transport.sendMessages({ chatId, messages, trigger: 'submit-message', messageId: undefined, abortSignal: undefined });

async function read(stream) {
  let message;
  let updates = 0;
  for await (const next of readUIMessageStream({ stream, onError: (error) => { throw error; } })) {
    message = next;
    updates++;
  }
  return { message, updates };
}

const raw = await fetch(`${base}/api/chat`, { method: 'POST', body: JSON.stringify({ id: 'raw', messages: [user('1', 'How many horses?')] }) });
assert.equal(raw.headers.get('x-vercel-ai-ui-message-stream'), 'v1');
assert.ok((await raw.text()).endsWith('data: [DONE]\n\n'));

const messages = [user('1', 'How many horses does the red barn hold?')];
const first = await read(await send(messages));
assert.ok(first.updates > 10, 'it came all at once');
const text = first.message.parts.filter((part) => part.type === 'text').map((part) => part.text).join('');
assert.ok(text.length > 10);
assert.ok(first.message.parts.some((part) => part.type === 'source-document' && part.filename === 'barn.txt'));
const { stream, sha256 } = first.message.metadata;
assert.equal(createHash('sha256').update(text).digest('hex'), sha256);
assert.equal((await (await fetch(`${base}/api/streams/${stream}`)).json()).sha256, sha256);

// Nothing runs: nothing to take up. While something runs, it is taken up from its beginning.
// (An answer that has just ended is told once more until it is recorded.)
for (let ended; (ended = await transport.reconnectToStream({ chatId })) !== null;) assert.equal((await read(ended)).message.metadata.sha256, sha256);
const second = await send([...messages, first.message, user('2', 'And what is the keeper called?')]);
const reader = second.getReader();
for (let part; part?.type !== 'text-delta';) part = (await reader.read()).value;
await reader.cancel();
const again = await read(await transport.reconnectToStream({ chatId }));
assert.equal(createHash('sha256').update(again.message.parts.filter((part) => part.type === 'text').map((part) => part.text).join('')).digest('hex'), again.message.metadata.sha256);
assert.equal(again.message.metadata.conversation, first.message.metadata.conversation);

const wrong = await fetch(`${base}/api/chat`, { method: 'POST', body: '{"messages":[]}' });
assert.equal(wrong.status, 400);
console.log('SPOKEN');
