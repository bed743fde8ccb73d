// One answer as it grows: a pure reducer over the events of its stream (docs/protocol.md, "Stream events").
//
// Repeated events (after a resume) change nothing; overlapping text is taken once; a gap is reported, never
// skipped, so that the caller resumes from `seq`.
import type {
  AnswerMeta,
  AnswerStatus,
  Citation,
  Coverage,
  MessageInfo,
  Passage,
  Resumed,
  StreamEvent,
  WireError,
} from '../protocol/messages.ts';
import { type Anchor, indexAfterBytes, indexOfByte, utf8Length } from '../protocol/offsets.ts';

// A citation with its mark's place in the text, in UTF-16 units.
export interface Mark extends Citation {
  from: number;
  to: number;
}

export interface Answer {
  stream: string;
  seq: number;
  status: AnswerStatus;
  stage: string;
  text: string;
  bytes: number;
  anchors: Anchor[];
  tail: string; // the text behind the last anchor: looked at per event, when the whole text would be too slow
  sources: Passage[];
  marks: Mark[];
  unplaced: boolean; // some mark ends beyond the text that is here
  coverage: Coverage | null;
  meta: AnswerMeta;
  error: WireError | null;
}

export interface Applied {
  answer: Answer;
  gap: boolean;
}

// Between anchors at most this many UTF-16 units are walked.
const kAnchorSpacing = 512;

export function newAnswer(stream: string): Answer {
  return {
    stream,
    seq: 0,
    status: 'streaming',
    stage: '',
    text: '',
    bytes: 0,
    anchors: [],
    tail: '',
    sources: [],
    marks: [],
    unplaced: false,
    coverage: null,
    meta: {},
    error: null,
  };
}

function anchorsOf(text: string): Anchor[] {
  const anchors: Anchor[] = [];
  let bytes = 0;
  for (let index = 0; index < text.length; ) {
    let next = Math.min(text.length, index + kAnchorSpacing);
    const last = text.charCodeAt(next - 1);
    if (last >= 0xd800 && last < 0xdc00 && next < text.length) ++next;
    bytes += utf8Length(text.slice(index, next));
    index = next;
    anchors.push({ bytes, index });
  }
  return anchors;
}

function toMark(answer: Answer, citation: Citation): Mark {
  const find = (bytes: number): number => {
    const last = lastAnchor(answer.anchors);
    if (bytes < last.bytes) return indexOfByte(answer.text, answer.anchors, bytes);
    return last.index + indexAfterBytes(answer.tail, bytes - last.bytes);
  };
  return { ...citation, from: find(citation.text_begin), to: find(citation.text_end) };
}

function lastAnchor(anchors: readonly Anchor[]): Anchor {
  return anchors[anchors.length - 1] ?? { bytes: 0, index: 0 };
}

function withText(answer: Answer, text: string): Answer {
  const anchors = anchorsOf(text);
  return { ...answer, text, bytes: utf8Length(text), anchors, tail: text.slice(lastAnchor(anchors).index) };
}

function withCitations(answer: Answer, citations: readonly Citation[]): Answer {
  return {
    ...answer,
    marks: citations.map((citation) => toMark(answer, citation)),
    unplaced: citations.some((citation) => citation.text_end > answer.bytes),
  };
}

// An answer as the catalog keeps it.
export function answerFromMessage(message: MessageInfo): Answer {
  const answer = withText(newAnswer(message.stream ?? ''), message.text);
  return withCitations(
    {
      ...answer,
      status: message.status ?? 'done',
      sources: message.sources ?? [],
      meta: message.meta ?? {},
      error: message.error ?? null,
    },
    message.citations ?? [],
  );
}

// The answer to a resume: either the rest follows what is here, or the snapshot replaces it.
export function applyResumed(answer: Answer, resumed: Resumed): Answer {
  if (resumed.recovered) return answer;
  const snapshot = withText(newAnswer(answer.stream), resumed.text ?? '');
  return withCitations(
    {
      ...snapshot,
      seq: resumed.seq ?? 0,
      status: resumed.status ?? 'streaming',
      sources: resumed.sources ?? [],
      coverage: answer.coverage,
      meta: resumed.meta ?? {},
    },
    resumed.citations ?? [],
  );
}

function appendText(answer: Answer, offset: number, text: string): Answer | null {
  if (offset > answer.bytes) return null;
  const fresh = text.slice(indexAfterBytes(text, answer.bytes - offset));
  if (fresh === '') return answer;
  const grown = { ...answer, text: answer.text + fresh, tail: answer.tail + fresh, bytes: answer.bytes + utf8Length(fresh) };
  // A citation may come before the end of the mark it names.
  if (answer.unplaced) {
    grown.marks = answer.marks.map((mark) => (mark.text_end > answer.bytes ? toMark(grown, mark) : mark));
    grown.unplaced = grown.marks.some((mark) => mark.text_end > grown.bytes);
  }
  return grown.tail.length < 2 * kAnchorSpacing ? grown : withAnchor(grown);
}

// New anchors leave the last few tokens in the tail, where the next citation's mark will be.
function withAnchor(answer: Answer): Answer {
  const anchors = [...answer.anchors];
  let { tail } = answer;
  while (tail.length >= 2 * kAnchorSpacing) {
    const last = lastAnchor(anchors);
    const size = (tail.codePointAt(kAnchorSpacing - 1) as number) > 0xffff ? kAnchorSpacing + 1 : kAnchorSpacing;
    anchors.push({ bytes: last.bytes + utf8Length(tail.slice(0, size)), index: last.index + size });
    tail = tail.slice(size);
  }
  return { ...answer, anchors, tail };
}

function cutText(answer: Answer, offset: number): Answer {
  const text = answer.text.slice(0, indexOfByte(answer.text, answer.anchors, offset));
  return {
    ...withText(answer, text),
    unplaced: false,
    marks: answer.marks.filter((mark) => mark.text_end <= offset),
  };
}

function reduce(answer: Answer, event: StreamEvent): Answer | null {
  switch (event.type) {
    case 'status':
      return { ...answer, stage: event.stage };
    case 'sources':
      return { ...answer, sources: event.passages, coverage: event.coverage ?? null };
    case 'token':
      return appendText(answer, event.offset, event.text);
    case 'citation':
      return {
        ...answer,
        marks: [...answer.marks, toMark(answer, event)],
        unplaced: answer.unplaced || event.text_end > answer.bytes,
      };
    case 'rewind':
      return cutText(answer, event.offset);
    case 'done':
    case 'cancelled':
    case 'failed':
    case 'expired':
      return {
        ...answer,
        status: event.type,
        stage: '',
        meta: event.meta ?? answer.meta,
        error: event.error ?? null,
      };
  }
}

export function applyEvent(answer: Answer, event: StreamEvent): Applied {
  if (answer.status !== 'streaming') return { answer, gap: false };
  // A rewind to before what is here: the stream survived a failure only up to there and counts on from there.
  if (event.type === 'rewind' && event.seq < answer.seq) {
    return { answer: { ...cutText(answer, event.offset), seq: event.seq }, gap: false };
  }
  if (event.seq <= answer.seq) return { answer, gap: false };
  if ((event.first_seq ?? event.seq) > answer.seq + 1) return { answer, gap: true };
  const next = reduce(answer, event);
  if (next === null) return { answer, gap: true };
  return { answer: { ...next, seq: event.seq }, gap: false };
}
