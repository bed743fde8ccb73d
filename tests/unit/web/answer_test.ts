import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Passage, StreamEvent } from '../../../frontend/web/src/protocol/messages.ts';
import { utf8Length } from '../../../frontend/web/src/protocol/offsets.ts';
import { type Answer, answerFromMessage, applyEvent, applyResumed, newAnswer } from '../../../frontend/web/src/state/answer.ts';

const kText = 'Der Gewinn 日本語 🎉 stieg [1] um 12 % [2]. Ende.';

function tokens(text: string, size: number): StreamEvent[] {
  const events: StreamEvent[] = [];
  const characters = [...text];
  let offset = 0;
  for (let i = 0; i < characters.length; i += size) {
    const piece = characters.slice(i, i + size).join('');
    events.push({ type: 'token', stream: 's', seq: events.length + 1, offset, text: piece });
    offset += utf8Length(piece);
  }
  return events;
}

function play(answer: Answer, events: readonly StreamEvent[]): Answer {
  for (const event of events) {
    const applied = applyEvent(answer, event);
    assert.equal(applied.gap, false);
    answer = applied.answer;
  }
  return answer;
}

const citation = (seq: number, number: number, mark: string): StreamEvent => {
  const begin = utf8Length(kText.slice(0, kText.indexOf(mark)));
  return { type: 'citation', stream: 's', seq, number, text_begin: begin, text_end: begin + 3, document: 'd', page: 1, begin: 0, end: 5, exact: true };
};

test('tokens of any size build the same text', () => {
  for (const size of [1, 2, 3, 7, 100]) {
    const answer = play(newAnswer('s'), tokens(kText, size));
    assert.equal(answer.text, kText);
    assert.equal(answer.bytes, utf8Length(kText));
  }
});

test('a mark is found by its bytes behind emoji and CJK', () => {
  const events = tokens(kText, 4);
  const answer = play(newAnswer('s'), [...events, citation(events.length + 1, 1, '[1]'), citation(events.length + 2, 2, '[2]')]);
  assert.deepEqual(answer.marks.map((mark) => kText.slice(mark.from, mark.to)), ['[1]', '[2]']);
});

test('a citation that comes before its mark finds it once the text is there', () => {
  const all = tokens(kText, 4);
  const early = { ...citation(0, 2, '[2]'), seq: 4 };
  const rest = all.slice(3).map((event) => ({ ...event, seq: event.seq + 1 }));
  const answer = play(newAnswer('s'), [...all.slice(0, 3), early, ...rest]);
  assert.equal(answer.text.slice(answer.marks[0]?.from, answer.marks[0]?.to), '[2]');
});

test('events seen before change nothing, and overlapping text is taken once', () => {
  const events = tokens(kText, 3);
  let answer = play(newAnswer('s'), events.slice(0, 6));
  answer = play(answer, events.slice(0, 6));
  const coalesced: StreamEvent = { type: 'token', stream: 's', seq: events.length, first_seq: 1, offset: 0, text: kText };
  answer = play(answer, [coalesced]);
  assert.equal(answer.text, kText);
  assert.equal(answer.seq, events.length);
});

test('a missing event is a gap and is not skipped', () => {
  const events = tokens(kText, 3);
  const answer = play(newAnswer('s'), events.slice(0, 2));
  const applied = applyEvent(answer, events[4] as StreamEvent);
  assert.equal(applied.gap, true);
  assert.equal(applied.answer, answer);
});

test('a coalesced event covers the sequence numbers it stands for', () => {
  const coalesced: StreamEvent = { type: 'token', stream: 's', first_seq: 1, seq: 9, offset: 0, text: 'abc' };
  assert.equal(applyEvent(newAnswer('s'), coalesced).gap, false);
  assert.equal(applyEvent(newAnswer('s'), { ...coalesced, first_seq: 2 }).gap, true);
});

test('rewind cuts text and the marks behind it', () => {
  const events = tokens(kText, 4);
  const marks = [citation(events.length + 1, 1, '[1]'), citation(events.length + 2, 2, '[2]')];
  const cut = utf8Length(kText.slice(0, kText.indexOf(' um')));
  const rewind: StreamEvent = { type: 'rewind', stream: 's', seq: events.length + 3, offset: cut };
  const more: StreamEvent = { type: 'token', stream: 's', seq: events.length + 4, offset: cut, text: '!' };
  const answer = play(newAnswer('s'), [...events, ...marks, rewind, more]);
  assert.equal(answer.text, 'Der Gewinn 日本語 🎉 stieg [1]!');
  assert.deepEqual(answer.marks.map((mark) => mark.number), [1]);
});

test('a stream that survived only in part counts on from its rewind', () => {
  const events = tokens(kText, 4);
  const seen = play(newAnswer('s'), events.slice(0, 8));
  const again = tokens(kText, 5);
  const answer = play(seen, [{ type: 'rewind', stream: 's', seq: 0, first_seq: 0, offset: 0 }, ...again]);
  assert.equal(answer.text, kText);
  assert.equal(answer.seq, again.length);
});

test('nothing follows the end', () => {
  const events = tokens('abc', 1);
  let answer = play(newAnswer('s'), [...events, { type: 'cancelled', stream: 's', seq: 4, meta: { mode: 'quoting' } }]);
  answer = play(answer, [{ type: 'token', stream: 's', seq: 5, offset: 3, text: 'd' }]);
  assert.equal(answer.text, 'abc');
  assert.equal(answer.status, 'cancelled');
  assert.equal(answer.meta.mode, 'quoting');
});

test('a snapshot replaces what is here and the stream goes on behind it', () => {
  const begun = play(newAnswer('s'), tokens(kText, 5).slice(0, 2));
  const snapshot = applyResumed(begun, { type: 'resumed', stream: 's', recovered: false, status: 'streaming', text: 'Neu 🎉', seq: 20 });
  const answer = play(snapshot, [{ type: 'token', stream: 's', seq: 21, offset: 8, text: ' da' }]);
  assert.equal(answer.text, 'Neu 🎉 da');
  assert.equal(applyResumed(begun, { type: 'resumed', stream: 's', recovered: true, after_seq: 2 }), begun);
});

test('a long answer keeps its marks without walking the whole text', () => {
  const line = 'Ein Satz mit 日本 🎉 und mehr. ';
  let answer = newAnswer('s');
  const events: StreamEvent[] = [];
  let offset = 0;
  for (let seq = 1; seq <= 2000; ++seq) {
    events.push({ type: 'token', stream: 's', seq, offset, text: line });
    offset += utf8Length(line);
  }
  answer = play(answer, events);
  assert.ok(answer.anchors.length > 10);
  const begin = utf8Length(line) * 1999;
  answer = play(answer, [{ type: 'citation', stream: 's', seq: 2001, number: 1, text_begin: begin, text_end: begin + 3, document: 'd', page: 1, begin: 0, end: 1, exact: true }]);
  assert.equal(answer.marks[0]?.from, line.length * 1999);
});

test('an answer from the catalog is whole at once', () => {
  const answer = answerFromMessage({
    id: 'm', role: 'assistant', text: kText, stream: 's', status: 'done', sources: [{ number: 1 } as Passage],
    citations: [{ number: 1, text_begin: utf8Length(kText.slice(0, kText.indexOf('[1]'))), text_end: utf8Length(kText.slice(0, kText.indexOf('[1]'))) + 3, document: 'd', page: 1, begin: 0, end: 1, exact: true }],
  });
  assert.equal(kText.slice(answer.marks[0]?.from, answer.marks[0]?.to), '[1]');
  assert.equal(answer.status, 'done');
});
