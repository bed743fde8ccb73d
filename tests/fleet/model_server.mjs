// A model server for tests: OpenAI's chat completions (streamed or whole) and embeddings, in plain Node.
//
//   node model_server.mjs [--port 0] [--host 127.0.0.1]
//
// Prints {"ready":true,"port":N,"base_url":"http://HOST:N/v1"} as one JSON line. The model's name chooses what it does:
//   echo-fast         the last user message, word by word, at once      instant      one short answer citing [1]
//   cite-fast         first sentences of the prompt's passages, cited   numbers      "one2 two3 …" 40 tokens at once
//   slow-2tps         40 tokens at 2 per second (any number)            long-1mb     a megabyte at once (any number)
//   cut-after-5       drops the connection after 5 tokens, always       cut-once-5   the same for a first request only
//   stall-after-5     says nothing more after 5 tokens                  silent       takes the request, never answers
//   restart-after-5   cut once, then starts from scratch, same words    differ-after-5   …with other words
//   error-500         that status (any), with a message                 error-429-once   …for the first request only
//   error-midstream   an error object after 3 tokens                    no-usage     rejects stream_options with 400
//   split-bytes       many scripts, written one byte at a time          no-done      ends without [DONE]
//   recite-50         what the question orders, "recite WORD N": "WORD.1 WORD.2 … WORD.N" at 50 tokens per second (any),
//                     more than 1000 tokens at once
//   needs-completion-tokens   rejects max_tokens with 400               empty        no token at all
//   embed-768         vectors of that many numbers                      embed-shuffled-64   listed out of order
// A trailing assistant message is continued (prefill), but for restart- and differ-. GET /requests lists what came:
// body, authorization, and when the client went away.
import http from 'node:http';

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at > 0 ? process.argv[at + 1] : fallback;
};

const requests = [];
const seen = new Map(); // model → how many requests it had
const words = (count) => Array.from({ length: count }, (_, i) => `${i ? ' ' : ''}token${i + 1}`);
const scripts = 'Grüße aus Köln [1]. 你好，世界 [2]。Привет, мир! مرحبا 🌍🚀 — naïve café [1].';

function passagesOf(messages) {
  const text = messages.map((m) => m.content).join('\n');
  return [...text.matchAll(/^\[(\d+)\][^\n]*\n([^\n]+)/gm)].map((m) => ({ number: m[1], text: m[2] }));
}

// The whole answer of a model, as tokens.
function tokensOf(model, messages, turn) {
  const users = messages.filter((m) => m.role === 'user');
  const last = users.length ? users[users.length - 1].content : '';
  const number = Number((model.match(/(\d+)/) || [])[1] || 0);
  if (model.startsWith('echo')) return last.split(/(?<= )/);
  if (model.startsWith('instant')) return ['The', ' documents', ' say', ' so', ' [1].'];
  if (model.startsWith('cite')) {
    const said = passagesOf(messages).map((p) => `${p.text.split(/(?<=[.!?]) /)[0].replace(/[.!?]$/, '')} [${p.number}]. `);
    return said.join('').trimEnd().split(/(?<= )/);
  }
  if (model.startsWith('long')) {
    // Every line differs, so that a line lost or repeated shows.
    const size = number * 1024 * 1024;
    let text = '';
    for (let i = 1; text.length < size; i++) text += `Line ${i}: every byte of a long answer must arrive, in order [1].\n`;
    return text.slice(0, size).match(/.{1,64}/gs);
  }
  if (model.startsWith('split')) return scripts.match(/.{1,3}/gsu);
  if (model.startsWith('empty')) return [];
  if (model.startsWith('recite')) {
    const [, word, count] = last.match(/recite (\w+) (\d+)/) ?? ['', 'nothing', '1'];
    return words(Number(count)).map((_, i) => `${i ? ' ' : ''}${word}.${i + 1}`);
  }
  if (model.startsWith('differ') && turn > 0) return words(20).map((w) => w.replace('token', 'Other'));
  return words(40);
}

function planOf(model, turn) {
  const number = Number((model.match(/(\d+)/) || [])[1] || 0);
  const first = turn === 0;
  return {
    delay: /^(slow|recite)/.test(model) ? 1000 / number : 0,
    cut: /^cut-after/.test(model) || (first && /^(cut-once|restart-after|differ-after)/.test(model)) ? number : -1,
    stall: model.startsWith('stall') ? number : -1,
    fail: model.startsWith('error-midstream') ? 3 : -1,
    continues: !/^(restart|differ)/.test(model),
    bytewise: model.startsWith('split'),
    done: !model.startsWith('no-done'),
  };
}

// What is left of `tokens` after the text the client has already.
function after(tokens, prefix) {
  let left = prefix.length;
  return tokens.flatMap((token) => {
    const skip = Math.min(left, token.length);
    left -= skip;
    return skip === token.length ? [] : [token.slice(skip)];
  });
}

function refuse(response, status, message, extra = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...extra });
  response.end(JSON.stringify({ error: { message, type: 'test_error', code: `status_${status}` } }));
}

// True when the model's name asks for an error and it was sent.
function refused(response, body, turn) {
  const error = body.model.match(/^error-(\d+)(-once)?/);
  if (error && (!error[2] || turn === 0)) {
    refuse(response, Number(error[1]), `This model always answers ${error[1]}.`, error[1] === '429' ? { 'retry-after': '0' } : {});
    return true;
  }
  if (body.model.startsWith('no-usage') && body.stream_options) {
    refuse(response, 400, "Unknown parameter: 'stream_options'.");
    return true;
  }
  if (body.model.startsWith('needs-completion') && body.max_tokens) {
    refuse(response, 400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.");
    return true;
  }
  return false;
}

async function chat(body, response, turn, gone) {
  if (refused(response, body, turn)) return;
  if (body.model.startsWith('silent')) return;
  const plan = planOf(body.model, turn);
  const last = body.messages[body.messages.length - 1];
  const prefix = last.role === 'assistant' && plan.continues ? last.content : '';
  const tokens = after(tokensOf(body.model, body.messages, turn), prefix);
  const prompt = body.messages.reduce((sum, m) => sum + Math.ceil(m.content.length / 4), 0);
  const usage = { prompt_tokens: prompt, completion_tokens: tokens.length, total_tokens: prompt + tokens.length };
  const base = { id: 'chatcmpl-test', created: Math.floor(Date.now() / 1000), model: body.model };
  if (!body.stream) {
    response.writeHead(200, { 'content-type': 'application/json' });
    const message = { role: 'assistant', content: tokens.join('') };
    response.end(JSON.stringify({ ...base, object: 'chat.completion', usage, choices: [{ index: 0, message, finish_reason: 'stop' }] }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const write = async (data) => {
    const bytes = Buffer.from(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
    if (plan.bytewise) {
      for (const byte of bytes) response.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    } else if (!response.write(bytes)) {
      await new Promise((go) => { response.once('drain', go); response.once('close', go); });
    }
  };
  const chunk = (delta, reason = null) =>
    ({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: reason }] });
  await write(chunk({ role: 'assistant', content: '' }));
  for (let i = 0; i <= tokens.length; i++) {
    if (gone()) return;
    if (i === plan.cut) { response.socket.destroySoon(); return; } // what was written still arrives
    if (i === plan.stall) return;
    if (i === plan.fail) { await write({ error: { message: 'The model ran out of memory.', type: 'server_error' } }); response.end(); return; }
    if (i === tokens.length) break;
    if (plan.delay && tokens.length <= 1000) await new Promise((go) => setTimeout(go, plan.delay));
    await write(chunk({ content: tokens[i] }));
  }
  const complete = !body.max_tokens || tokens.length <= body.max_tokens || body.model.startsWith('long');
  await write(chunk({}, complete ? 'stop' : 'length'));
  if (body.stream_options?.include_usage) await write({ ...base, object: 'chat.completion.chunk', choices: [], usage });
  if (plan.done) await write('[DONE]');
  response.end();
}

function embeddings(body, response, turn) {
  if (refused(response, body, turn)) return;
  const inputs = Array.isArray(body.input) ? body.input : [body.input];
  const dimension = Number((body.model.match(/(\d+)/) || [])[1] || 8);
  const data = inputs.map((text, index) => {
    const vector = new Array(dimension).fill(0);
    for (let i = 0; i < text.length; i++) vector[(text.charCodeAt(i) * 31 + i) % dimension] += 1;
    return { object: 'embedding', index, embedding: vector };
  });
  if (body.model.includes('shuffled')) data.reverse();
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ object: 'list', model: body.model, data, usage: { prompt_tokens: inputs.length, total_tokens: inputs.length } }));
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const path = new URL(request.url, 'http://localhost').pathname;
    if (path === '/requests') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(requests));
      return;
    }
    if (path.endsWith('/models')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ object: 'list', data: [{ id: 'echo-fast', object: 'model' }] }));
      return;
    }
    let body;
    try {
      body = JSON.parse(Buffer.concat(parts).toString('utf8'));
    } catch {
      refuse(response, 400, 'The body is not JSON.');
      return;
    }
    const turn = seen.get(body.model) ?? 0;
    seen.set(body.model, turn + 1);
    const record = { path, body, authorization: request.headers.authorization ?? '', at: Date.now(), closed_at: null, finished: false };
    requests.push(record);
    if (requests.length > 1000) requests.shift();
    let gone = false;
    response.on('close', () => { gone = true; record.closed_at = Date.now(); record.finished = response.writableFinished; });
    if (path.endsWith('/chat/completions')) chat(body, response, turn, () => gone);
    else if (path.endsWith('/embeddings')) embeddings(body, response, turn);
    else refuse(response, 404, `There is nothing at ${path}.`);
  });
});
server.listen(Number(option('port', '0')), option('host', '127.0.0.1'), () => {
  const { port, address } = server.address();
  console.log(JSON.stringify({ ready: true, port, base_url: `http://${address}:${port}/v1` }));
});
