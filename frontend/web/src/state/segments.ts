// A growing answer in parts that are rendered on their own, so that a token costs the rendering of the last part and
// not of everything before it. Parts end at blank lines outside code, and at a line's end once they are long.
import type { Mark } from './answer.ts';
import { insertMarks } from './markdown.ts';

const kLongSegment = 1500;

export interface Span {
  from: number;
  to: number;
}

// The spans of `text` from `from` on, which must be the start of a part. Adding text never changes any but the last.
export function segmentSpans(text: string, from: number): Span[] {
  const spans: Span[] = [];
  let start = -1;
  let end = from;
  let fenced = false;
  const cut = (): void => {
    if (start !== -1) spans.push({ from: start, to: end });
    start = -1;
  };
  for (let at = from; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const stop = newline === -1 ? text.length : newline;
    const line = text.slice(at, stop);
    const blank = line.trim() === '';
    if (!fenced && (blank || (start !== -1 && at - start > kLongSegment))) cut();
    if (/^\s*```/.test(line)) fenced = !fenced;
    if (fenced || !blank) {
      if (start === -1) start = at;
      end = stop;
    }
    at = stop + 1;
  }
  cut();
  return spans;
}

export interface Segment {
  marked: string; // the text with its marks as the sentinels of insertMarks()
  marks: readonly Mark[];
}

// Keeps what did not change since the last call, by identity.
export class Segments {
  private text = '';
  private spans: Span[] = [];
  private segments: Segment[] = [];

  update(text: string, marks: readonly Mark[]): readonly Segment[] {
    const kept = text.startsWith(this.text) ? Math.max(0, this.spans.length - 1) : 0;
    const resumeAt = this.spans[kept]?.from ?? 0;
    const spans = this.spans.slice(0, kept).concat(segmentSpans(text, kept === 0 ? 0 : resumeAt));
    const counts = new Array<number>(spans.length).fill(0);
    const homes = marks.map((mark) => {
      const home = spanAt(spans, mark.from);
      if (home !== -1) ++(counts[home] as number);
      return home;
    });
    const lists = new Map<number, Mark[]>();
    spans.forEach((_, i) => {
      if (i >= kept || this.segments[i]?.marks.length !== counts[i]) lists.set(i, []);
    });
    marks.forEach((mark, i) => lists.get(homes[i] as number)?.push(mark));
    this.segments = spans.map((span, i) => {
      const list = lists.get(i);
      return list === undefined ? (this.segments[i] as Segment) : makeSegment(text, span, list);
    });
    this.text = text;
    this.spans = spans;
    return this.segments;
  }
}

function makeSegment(text: string, span: Span, marks: readonly Mark[]): Segment {
  const ranges = marks.map((mark) => ({ from: mark.from - span.from, to: Math.min(mark.to, span.to) - span.from }));
  return { marked: insertMarks(text.slice(span.from, span.to), ranges), marks };
}

// The index of the span that `at` lies in, or -1.
function spanAt(spans: readonly Span[], at: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle] as Span).from <= at) low = middle + 1;
    else high = middle;
  }
  const span = spans[low - 1];
  return span !== undefined && at < span.to ? low - 1 : -1;
}
