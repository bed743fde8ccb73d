// What codes, counts and times are called in front of a person.
import type { AnswerMode, DocumentInfo, PageCounts, PageWarning } from '../protocol/messages.ts';

const numbers = new Intl.NumberFormat('en-US');

export function count(n: number): string {
  return numbers.format(n);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function fileSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    ++unit;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function timeLeft(ms: number | null): string {
  if (ms === null) return '';
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min left`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

// [1, 2, 3, 7] → "1–3, 7"
export function pageRanges(pages: readonly number[]): string {
  const sorted = [...pages].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (j + 1 < sorted.length && (sorted[j + 1] as number) <= (sorted[j] as number) + 1) ++j;
    parts.push(j > i ? `${sorted[i]}–${sorted[j]}` : `${sorted[i]}`);
    i = j + 1;
  }
  return parts.join(', ');
}

const kSentences: Record<string, string> = {
  encrypted: 'This file is locked with a password. Save a copy without the password and add that.',
  no_text: 'There is no text in this file; its pages may be scanned pictures.',
  damaged: 'This file is damaged and could not be opened. Try to export or download it again.',
  empty_file: 'This file is empty.',
  unsupported: 'This kind of file is not supported.',
  too_large: 'This file is larger than this server accepts.',
  crashed: 'Reading this file crashed the reader several times, so it was set aside.',
  limit: 'Reading this file needed more time or memory than one file may use.',
  quarantined: 'Processing failed several times, so it was set aside.',
  cancelled: 'It was stopped.',
  timeout: 'It took too long.',
  expired: 'It took too long and was given up.',
  disk_full: 'The server’s disk is full. Free some space and try again.',
  busy: 'The server is busy. Try again in a moment.',
  unavailable: 'A part of the server is not running yet. Try again in a moment.',
  rate_limited: 'Too many requests. Wait a moment and try again.',
  upstream: 'The language model did not answer.',
  unauthorized: 'This server asks for an access token.',
  forbidden: 'Your access token does not allow this.',
  not_found: 'It is no longer on the server.',
  conflict: 'It exists already.',
  internal: 'Something went wrong on the server.',
};

// What happened in words for people, followed by the server's own detail where that adds something.
export function errorSentence(code: string, message: string): { sentence: string; detail: string } {
  const sentence = kSentences[code];
  if (sentence === undefined) return { sentence: message || `The server answered: ${code}.`, detail: '' };
  const plain = message.trim();
  return { sentence, detail: plain === sentence ? '' : plain };
}

export function warningSentence(warning: PageWarning): string {
  const { sentence } = errorSentence(warning.code, warning.message);
  const pages = warning.pages.length === 1 ? 'Page' : 'Pages';
  const what = warning.message || sentence;
  return warning.pages.length === 0 ? what : `${pages} ${pageRanges(warning.pages)}: ${what}`;
}

export interface StageRow {
  name: string;
  verb: string;
  done: number;
  total: number;
}

// The way of a document in the order its pages take it.
export function stageRows(pages: PageCounts): StageRow[] {
  return [
    { name: 'Extract', verb: 'Reading', done: pages.extracted, total: pages.total },
    { name: 'Embed', verb: 'Embedding', done: pages.embedded, total: pages.total },
    { name: 'Index', verb: 'Indexing', done: pages.searchable, total: pages.total },
  ];
}

export function documentSummary(info: DocumentInfo): string {
  switch (info.state) {
    case 'queued':
      return 'Waiting to start';
    case 'processing': {
      if (info.pages.total === 0) return 'Opening';
      const left = timeLeft(info.eta_ms);
      const pages = `${count(info.pages.searchable)} of ${plural(info.pages.total, 'page')} searchable`;
      return left === '' ? pages : `${pages} · ${left}`;
    }
    case 'ready':
      return `${plural(info.pages.total, 'page')} · ${fileSize(info.size)}`;
    case 'failed':
      return 'Failed';
    case 'deleting':
      return 'Deleting';
  }
}

export interface Reach {
  documents: number;
  searchable: number;
  total: number;
  busy: boolean;
}

export function reachOf(documents: Iterable<DocumentInfo>): Reach {
  const reach = { documents: 0, searchable: 0, total: 0, busy: false };
  for (const info of documents) {
    if (info.state === 'failed' || info.state === 'deleting') continue;
    ++reach.documents;
    reach.searchable += info.pages.searchable;
    reach.total += info.pages.total;
    if (info.state !== 'ready') reach.busy = true;
  }
  return reach;
}

export function reachSentence(reach: Reach): string {
  if (reach.documents === 0) return 'No documents yet';
  if (reach.busy && reach.total === 0) return 'Opening documents';
  if (reach.busy) return `${count(reach.searchable)} of ${plural(reach.total, 'page')} searchable`;
  return `${plural(reach.searchable, 'page')} in ${plural(reach.documents, 'document')}`;
}

export function modeLabel(mode: AnswerMode | undefined, model: string | undefined): string {
  if (mode === 'quoting') return 'Quoted from your documents';
  if (mode === 'nothing_found') return 'Nothing relevant found';
  return model ?? '';
}

const days = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric' });
const hours = new Intl.DateTimeFormat('en-US', { hour: 'numeric', minute: '2-digit' });

export function shortDate(seconds: number, nowMs: number): string {
  const then = new Date(seconds * 1000);
  const today = new Date(nowMs);
  return then.toDateString() === today.toDateString() ? hours.format(then) : days.format(then);
}

// Why a name cannot be a collection's, or '' when it can.
export function collectionNameProblem(name: string): string {
  if (name.length === 0) return 'Give the collection a name.';
  if (name.length > 64) return 'At most 64 characters.';
  if (name.startsWith('.')) return 'A name cannot start with a dot.';
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) return 'Only letters, digits, and the characters _ - and . are allowed.';
  return '';
}
