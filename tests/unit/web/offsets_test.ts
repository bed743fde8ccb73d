import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexAfterBytes, indexOfByte, indexOfCodePoint, utf8Length } from '../../../frontend/web/src/protocol/offsets.ts';

const kMixed = 'aé日本🎉👩‍👩‍👧z';

test('utf8Length agrees with the platform encoder', () => {
  for (const text of ['', 'abc', kMixed, 'שלום', '\u0000\uffff']) {
    assert.equal(utf8Length(text), new TextEncoder().encode(text).length);
  }
});

test('indexAfterBytes finds every code point boundary and lands inside none', () => {
  let bytes = 0;
  let index = 0;
  for (const character of kMixed) {
    assert.equal(indexAfterBytes(kMixed, bytes), index);
    const size = utf8Length(character);
    for (let inside = 1; inside < size; ++inside) assert.equal(indexAfterBytes(kMixed, bytes + inside), index);
    bytes += size;
    index += character.length;
  }
  assert.equal(indexAfterBytes(kMixed, bytes + 100), kMixed.length);
});

test('indexOfCodePoint counts code points, not UTF-16 units', () => {
  assert.equal(kMixed.slice(0, indexOfCodePoint(kMixed, 5)), 'aé日本🎉');
  assert.equal(indexOfCodePoint('🎉🎉', 1), 2);
  assert.equal(indexOfCodePoint('ab', 99), 2);
});

test('indexOfByte gives the same answer from every set of anchors', () => {
  const text = kMixed.repeat(40);
  const anchors = [10, 100, 300].map((index) => {
    const boundary = indexAfterBytes(text, utf8Length(text.slice(0, index)));
    return { bytes: utf8Length(text.slice(0, boundary)), index: boundary };
  });
  for (let bytes = 0; bytes < utf8Length(text); bytes += 7) {
    assert.equal(indexOfByte(text, anchors, bytes), indexAfterBytes(text, bytes));
  }
});
