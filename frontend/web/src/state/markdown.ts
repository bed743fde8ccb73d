// The small, safe subset of Markdown that answers are shown with, as data: the page renders it as elements and
// never as HTML. Anything else stays visible as the plain text it is.
//
// Citation marks are put into the text as lone low surrogates (mark k is U+DC00 + k), which no well-formed text
// contains, so that the parser carries them through untouched.

export type Inline =
  | { type: 'text'; text: string }
  | { type: 'strong'; children: Inline[] }
  | { type: 'emphasis'; children: Inline[] }
  | { type: 'code'; text: string }
  | { type: 'mark'; index: number };

export type Block =
  | { type: 'paragraph'; children: Inline[] }
  | { type: 'heading'; level: number; children: Inline[] }
  | { type: 'list'; ordered: boolean; start: number; items: Inline[][] }
  | { type: 'quote'; children: Inline[] }
  | { type: 'code'; text: string; language: string };

const kMarkBase = 0xdc00;
const kMaxMarks = 0x400;

// Replaces each range by the sentinel of its position in `ranges`; ranges that overlap an earlier one are left out.
export function insertMarks(text: string, ranges: readonly { from: number; to: number }[]): string {
  const order = ranges
    .map((range, index) => ({ ...range, index }))
    .filter((range) => range.index < kMaxMarks && range.to >= range.from)
    .sort((a, b) => a.from - b.from || a.index - b.index);
  let out = '';
  let at = 0;
  for (const range of order) {
    if (range.from < at) continue;
    out += text.slice(at, range.from) + String.fromCharCode(kMarkBase + range.index);
    at = range.to;
  }
  return out + text.slice(at);
}

function markAt(text: string, i: number): boolean {
  const unit = text.charCodeAt(i);
  if (unit < kMarkBase || unit >= kMarkBase + kMaxMarks) return false;
  const before = i > 0 ? text.charCodeAt(i - 1) : 0;
  return before < 0xd800 || before >= 0xdc00;
}

const isWord = (character: string | undefined): boolean => character !== undefined && /[\p{L}\p{N}]/u.test(character);

// The end of an emphasis opened at `i` by `fence`, or -1 when it is not one.
function closing(text: string, i: number, fence: string): number {
  const first = text[i + fence.length];
  if (first === undefined || /\s/.test(first)) return -1;
  if (fence.startsWith('_') && isWord(text[i - 1])) return -1;
  for (let end = text.indexOf(fence, i + fence.length); end !== -1; end = text.indexOf(fence, end + 1)) {
    if (end === i + fence.length || /\s/.test(text[end - 1] as string)) continue;
    if (fence.startsWith('_') && isWord(text[end + fence.length])) continue;
    if (fence.length === 1 && (text[end + 1] === fence || text[end - 1] === fence)) continue;
    // In a run of three the inner emphasis closes first.
    while (fence.length === 2 && text[end + 2] === fence[0]) ++end;
    return end;
  }
  return -1;
}

export function parseInline(text: string, depth = 0): Inline[] {
  const out: Inline[] = [];
  let plain = '';
  const flush = (): void => {
    if (plain !== '') out.push({ type: 'text', text: plain });
    plain = '';
  };
  for (let i = 0; i < text.length; ++i) {
    const character = text[i] as string;
    if (markAt(text, i)) {
      flush();
      out.push({ type: 'mark', index: text.charCodeAt(i) - kMarkBase });
      continue;
    }
    if (character === '`') {
      const end = text.indexOf('`', i + 1);
      if (end > i + 1) {
        flush();
        out.push({ type: 'code', text: text.slice(i + 1, end) });
        i = end;
        continue;
      }
    }
    if ((character === '*' || character === '_') && depth < 4) {
      const fence = text[i + 1] === character ? character + character : character;
      const end = closing(text, i, fence);
      if (end !== -1) {
        flush();
        const children = parseInline(text.slice(i + fence.length, end), depth + 1);
        out.push({ type: fence.length === 2 ? 'strong' : 'emphasis', children });
        i = end + fence.length - 1;
        continue;
      }
    }
    plain += character;
  }
  flush();
  return out;
}

const kFence = /^\s*```\s*([\w+-]*)\s*$/;
const kHeading = /^(#{1,6})\s+(.*)$/;
const kBullet = /^\s{0,6}[-*•]\s+(.*)$/;
const kNumber = /^\s{0,6}(\d{1,9})[.)]\s+(.*)$/;
const kQuote = /^\s{0,3}>\s?(.*)$/;

// Groups neighbouring lines of one kind; a line that fits no kind continues the block before it.
export function parseSegment(segment: string): Block[] {
  const blocks: Block[] = [];
  const lines = segment.split('\n');
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.length > 0) blocks.push({ type: 'paragraph', children: parseInline(paragraph.join('\n')) });
    paragraph = [];
  };
  for (let i = 0; i < lines.length; ++i) {
    const line = lines[i] as string;
    const fence = kFence.exec(line);
    if (fence) {
      flush();
      const code: string[] = [];
      while (++i < lines.length && !/^\s*```\s*$/.test(lines[i] as string)) code.push(lines[i] as string);
      blocks.push({ type: 'code', text: code.join('\n'), language: fence[1] ?? '' });
      continue;
    }
    const heading = kHeading.exec(line);
    if (heading) {
      flush();
      blocks.push({ type: 'heading', level: (heading[1] as string).length, children: parseInline(heading[2] as string) });
      continue;
    }
    const listed = takeList(lines, i) ?? takeQuote(lines, i);
    if (listed) {
      flush();
      blocks.push(listed.block);
      i = listed.next - 1;
      continue;
    }
    paragraph.push(line);
  }
  flush();
  return blocks;
}

function takeList(lines: readonly string[], from: number): { block: Block; next: number } | null {
  const numbered = kNumber.exec(lines[from] as string);
  const pattern = numbered ? kNumber : kBullet;
  const items: string[] = [];
  let i = from;
  for (; i < lines.length; ++i) {
    const line = lines[i] as string;
    const match = pattern.exec(line);
    if (match) items.push(match[match.length - 1] as string);
    else if (items.length > 0 && /^\s+\S/.test(line)) items[items.length - 1] += ' ' + line.trim();
    else break;
  }
  if (items.length === 0) return null;
  const start = numbered ? Number(numbered[1]) : 1;
  const children = items.map((item) => parseInline(item));
  return { block: { type: 'list', ordered: numbered !== null, start, items: children }, next: i };
}

function takeQuote(lines: readonly string[], from: number): { block: Block; next: number } | null {
  const quoted: string[] = [];
  let i = from;
  for (let match = kQuote.exec(lines[i] as string); match; match = kQuote.exec(lines[i] as string)) {
    quoted.push(match[1] as string);
    if (++i >= lines.length) break;
  }
  if (quoted.length === 0) return null;
  return { block: { type: 'quote', children: parseInline(quoted.join('\n')) }, next: i };
}
