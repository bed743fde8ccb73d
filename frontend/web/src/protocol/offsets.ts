// Conversions between the three ways a position in a text is counted: UTF-8 bytes (token and citation events),
// code points (spans of a page) and UTF-16 units (JavaScript strings).

function bytesOf(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; ++i) {
    const point = text.codePointAt(i) as number;
    bytes += bytesOf(point);
    if (point > 0xffff) ++i;
  }
  return bytes;
}

// The UTF-16 index `bytes` bytes after `from`; clamps at the end and never lands inside a code point.
export function indexAfterBytes(text: string, bytes: number, from = 0): number {
  let i = from;
  let left = bytes;
  while (i < text.length && left > 0) {
    const point = text.codePointAt(i) as number;
    const size = bytesOf(point);
    if (size > left) break;
    left -= size;
    i += point > 0xffff ? 2 : 1;
  }
  return i;
}

// The UTF-16 index of the code point number `count`; clamps at the end.
export function indexOfCodePoint(text: string, count: number): number {
  let i = 0;
  for (let left = count; i < text.length && left > 0; --left) {
    i += (text.codePointAt(i) as number) > 0xffff ? 2 : 1;
  }
  return i;
}

// Known pairs of byte and UTF-16 positions of a growing text, so that a position near its end is found without
// walking the whole text again.
export interface Anchor {
  bytes: number;
  index: number;
}

export function indexOfByte(text: string, anchors: readonly Anchor[], bytes: number): number {
  let low = 0;
  let high = anchors.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((anchors[middle] as Anchor).bytes <= bytes) low = middle + 1;
    else high = middle;
  }
  const anchor = anchors[low - 1] ?? { bytes: 0, index: 0 };
  return indexAfterBytes(text, bytes - anchor.bytes, anchor.index);
}
