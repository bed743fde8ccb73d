import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Block, type Inline, insertMarks, parseInline, parseSegment } from '../../../frontend/web/src/state/markdown.ts';
import { segmentSpans } from '../../../frontend/web/src/state/segments.ts';

const splitSegments = (text: string): string[] => segmentSpans(text, 0).map((span) => text.slice(span.from, span.to));

const plain = (nodes: readonly Inline[]): string =>
  nodes.map((node) => ('text' in node ? node.text : 'children' in node ? plain(node.children) : `<${node.index}>`)).join('');

const kinds = (blocks: readonly Block[]): string[] => blocks.map((block) => block.type);

test('bold, emphasis and code nest', () => {
  assert.deepEqual(parseInline('a **b *c*** `d*`'), [
    { type: 'text', text: 'a ' },
    { type: 'strong', children: [{ type: 'text', text: 'b ' }, { type: 'emphasis', children: [{ type: 'text', text: 'c' }] }] },
    { type: 'text', text: ' ' },
    { type: 'code', text: 'd*' },
  ]);
});

test('stars and underscores that are no emphasis stay as they are', () => {
  for (const text of ['2 * 3 * 4', 'snake_case_name', 'a*', '**open', '5*6', '* ', '__', '****']) {
    assert.equal(plain(parseInline(text)), text);
    assert.ok(parseInline(text).every((node) => node.type === 'text'));
  }
});

test('HTML is text', () => {
  assert.deepEqual(parseInline('<img src=x onerror=alert(1)>'), [{ type: 'text', text: '<img src=x onerror=alert(1)>' }]);
});

test('marks survive inside bold and between emoji', () => {
  const text = '🎉 **x [1]** y [2]';
  const marked = insertMarks(text, [
    { from: text.indexOf('[1]'), to: text.indexOf('[1]') + 3 },
    { from: text.indexOf('[2]'), to: text.indexOf('[2]') + 3 },
  ]);
  assert.equal(plain(parseInline(marked)), '🎉 x <0> y <1>');
});

test('marks that overlap an earlier one are left out', () => {
  assert.equal(plain(parseInline(insertMarks('ab[1]cd', [{ from: 2, to: 5 }, { from: 4, to: 6 }]))), 'ab<0>cd');
});

test('a sentinel is never mistaken for half of an emoji', () => {
  assert.equal(plain(parseInline('😀😀')), '😀😀');
});

test('lists, quotes, headings, code and paragraphs', () => {
  const text = '# Title\ntext\n- a\n  more\n- b\n3. c\n4. d\n> q\n```js\nlet a = 1;\n\nb\n```\nend';
  const blocks = splitSegments(text).flatMap(parseSegment);
  assert.deepEqual(kinds(blocks), ['heading', 'paragraph', 'list', 'list', 'quote', 'code', 'paragraph']);
  const [, , bullets, numbers, , code] = blocks;
  assert.ok(bullets?.type === 'list' && bullets.items.length === 2 && plain(bullets.items[0] ?? []) === 'a more');
  assert.ok(numbers?.type === 'list' && numbers.ordered && numbers.start === 3);
  assert.ok(code?.type === 'code' && code.text === 'let a = 1;\n\nb' && code.language === 'js');
});

test('a fence that is still open keeps its blank lines together', () => {
  const segments = splitSegments('a\n\n```\nx\n\ny');
  assert.equal(segments.length, 2);
  assert.deepEqual(kinds(parseSegment(segments[1] as string)), ['code']);
});

test('finished segments do not change while text is added', () => {
  const text = 'One **two**.\n\n- a\n- b\n\n```\ncode\n\nmore\n```\n\nLast one.';
  let before: string[] = [];
  for (let end = 0; end <= text.length; ++end) {
    const now = splitSegments(text.slice(0, end));
    assert.deepEqual(now.slice(0, Math.max(0, before.length - 1)), before.slice(0, -1));
    before = now;
  }
});

test('no input is lost or makes it fail', () => {
  const pieces = ['*', '**', '_', '`', '```', '\n', '\n\n', '- ', '1. ', '> ', '# ', 'word', ' ', '日', '🎉', '[1]'];
  let seed = 7;
  const next = (): number => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  for (let round = 0; round < 2000; ++round) {
    const text = Array.from({ length: 12 }, () => pieces[Math.floor(next() * pieces.length)]).join('');
    const blocks = splitSegments(text).flatMap(parseSegment);
    const shown = JSON.stringify(blocks);
    for (const word of ['word', '日', '🎉']) {
      const inText = text.split(word).length;
      assert.ok(shown.split(word).length >= inText || /```/.test(text), `${JSON.stringify(text)} → ${shown}`);
    }
  }
});
