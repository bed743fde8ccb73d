import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mark } from '../../../frontend/web/src/state/answer.ts';
import { insertMarks } from '../../../frontend/web/src/state/markdown.ts';
import { Segments, segmentSpans } from '../../../frontend/web/src/state/segments.ts';

const mark = (from: number, to: number): Mark => ({
  number: 1, text_begin: from, text_end: to, document: 'd', page: 1, begin: 0, end: 1, exact: true, from, to,
});

const kText = `One [1] and\ntwo.\n\n- a [1]\n- b\n\n\`\`\`\nx\n\ny\n\`\`\`\n\n${'Long line of words [1].\n'.repeat(300)}\nEnd 🎉 [1].`;
const kMarks = [...kText.matchAll(/\[1\]/g)].map((match) => mark(match.index, match.index + 3));

test('adding text changes the last part only', () => {
  let before: string[] = [];
  for (let end = 0; end <= kText.length; ++end) {
    const text = kText.slice(0, end);
    const now = segmentSpans(text, 0).map((span) => text.slice(span.from, span.to));
    assert.deepEqual(now.slice(0, Math.max(0, before.length - 1)), before.slice(0, -1));
    before = now;
  }
  assert.ok(before.every((part) => part.length < 2000));
  assert.ok(before.length > 6);
});

test('growing piece by piece ends like all at once, and keeps finished parts', () => {
  const whole = new Segments().update(kText, kMarks);
  for (const step of [1, 7, 100, 1000]) {
    const segments = new Segments();
    let last = segments.update('', []);
    for (let end = 0; end < kText.length + step; end += step) {
      const text = kText.slice(0, end);
      const next = segments.update(text, kMarks.filter((one) => one.to <= text.length));
      last.slice(0, -1).forEach((segment, i) => segment.marks.length === next[i]?.marks.length && assert.equal(next[i], segment));
      last = next;
    }
    assert.deepEqual(last, whole);
  }
  assert.equal(whole.reduce((sum, segment) => sum + segment.marks.length, 0), kMarks.length);
});

test('a mark that comes after its part is finished is shown in it', () => {
  const text = 'First [1].\n\nSecond.\n\nThird.';
  const segments = new Segments();
  segments.update(text, []);
  const after = segments.update(text, [mark(6, 9)]);
  assert.equal(after[0]?.marked, insertMarks('First [1].', [{ from: 6, to: 9 }]));
});

test('a text that was cut back is taken anew', () => {
  const segments = new Segments();
  segments.update('One.\n\nTwo.\n\nThree.', []);
  assert.deepEqual(segments.update('One.\n\nTx', []).map((segment) => segment.marked), ['One.', 'Tx']);
});
