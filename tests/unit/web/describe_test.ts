import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DocumentInfo } from '../../../frontend/web/src/protocol/messages.ts';
import { backoffMs } from '../../../frontend/web/src/state/backoff.ts';
import {
  collectionNameProblem, documentSummary, errorSentence, fileSize, pageRanges, reachOf, reachSentence, timeLeft, warningSentence,
} from '../../../frontend/web/src/state/describe.ts';

const info = (change: Partial<DocumentInfo>): DocumentInfo => ({
  id: 'd', name: 'a.pdf', collection: 'default', size: 1366995, type: '', state: 'processing', generation: 1, error: null, warnings: [],
  pages: { total: 1600, extracted: 400, embedded: 350, searchable: 312, failed: 0 }, chunks: 0, progress: 0, eta_ms: null, created_at: 0,
  finished_at: null, ...change,
});

test('sizes, times and page ranges read well', () => {
  assert.deepEqual([0, 999, 1000, 1366995, 999999, 2 ** 31].map(fileSize), ['0 B', '999 B', '1.0 KB', '1.4 MB', '1.0 MB', '2.1 GB']);
  assert.deepEqual([null, 10, 5200, 90_000, 3_720_000].map(timeLeft), ['', '1 s left', '5 s left', '2 min left', '1 h 2 min left']);
  assert.equal(pageRanges([7, 1, 2, 3, 3]), '1–3, 7');
});

test('what is searchable is said while documents are processing', () => {
  assert.equal(documentSummary(info({})), '312 of 1,600 pages searchable');
  assert.equal(reachSentence(reachOf([info({})])), '312 of 1,600 pages searchable');
  const done = info({ state: 'ready', pages: { total: 1, extracted: 1, embedded: 1, searchable: 1, failed: 0 } });
  assert.equal(reachSentence(reachOf([done])), '1 page in 1 document');
  assert.equal(reachSentence(reachOf([info({ state: 'failed' })])), 'No documents yet');
});

test('errors are sentences and keep the detail of the server', () => {
  assert.match(errorSentence('encrypted', '').sentence, /password/);
  assert.equal(errorSentence('no_such_code', 'Odd thing.').sentence, 'Odd thing.');
  assert.equal(errorSentence('unsupported', '.docx').detail, '.docx');
  assert.equal(warningSentence({ pages: [4, 5], code: 'crashed', message: 'The reader crashed.' }), 'Pages 4–5: The reader crashed.');
});

test('collection names follow the rules of the protocol', () => {
  for (const name of ['default', 'a', 'A-1_b.c']) assert.equal(collectionNameProblem(name), '');
  for (const name of ['', '.a', 'a b', 'é', 'x'.repeat(65), 'a/b']) assert.notEqual(collectionNameProblem(name), '');
});

test('backoff grows, is spread and has a ceiling', () => {
  assert.ok(backoffMs(0, 0) < backoffMs(0, 0.99));
  assert.ok(backoffMs(0, 0.99) < backoffMs(3, 0.99));
  assert.ok(backoffMs(1000, 0.999) <= 8125);
});
