// Every object and message of docs/protocol.md that the page reads or writes, under its wire names.

export interface WireError {
  code: string;
  message: string;
}

export interface PageWarning {
  pages: number[];
  code: string;
  message: string;
}

export interface PageCounts {
  total: number; // 0 until it is known
  extracted: number;
  embedded: number;
  searchable: number;
  failed: number;
}

export type DocumentState = 'queued' | 'processing' | 'ready' | 'failed' | 'deleting';

export interface DocumentInfo {
  id: string;
  name: string;
  collection: string;
  size: number;
  type: string;
  state: DocumentState;
  generation: number;
  error: WireError | null;
  warnings: PageWarning[];
  pages: PageCounts;
  chunks: number;
  progress: number;
  eta_ms: number | null;
  created_at: number;
  finished_at: number | null;
}

export interface Passage {
  number: number;
  document: string;
  name: string;
  collection: string;
  page: number;
  label: string;
  begin: number; // code points of the page's text
  end: number;
  heading: string;
  type: string;
  text: string;
  score: number;
  distance: number;
}

export interface Coverage {
  pages: number;
  total_pages: number;
}

export interface Citation {
  number: number;
  text_begin: number; // UTF-8 bytes of the answer
  text_end: number;
  document: string;
  page: number;
  begin: number; // code points of the page's text
  end: number;
  exact: boolean;
}

export type AnswerMode = 'quoting' | 'model' | 'nothing_found';

export interface AnswerMeta {
  mode?: AnswerMode;
  model?: string;
  input_tokens?: number;
  output_tokens?: number;
  first_token_ms?: number;
  total_ms?: number;
  finish_reason?: string;
}

export type FinalStatus = 'done' | 'cancelled' | 'failed' | 'expired';
export type AnswerStatus = 'streaming' | FinalStatus;

export interface MessageInfo {
  id: string;
  role: 'user' | 'assistant';
  text: string;
  stream?: string | null;
  status?: AnswerStatus;
  sources?: Passage[];
  citations?: Citation[];
  meta?: AnswerMeta | null;
  error?: WireError | null;
  created_at?: number;
}

export interface ConversationInfo {
  id: string;
  title: string;
  collection: string;
  created_at: number;
  updated_at: number;
  messages?: MessageInfo[];
}

export interface CollectionInfo {
  name: string;
  documents: number;
  pages: number;
  created_at: number;
}

export interface PageText {
  document: string;
  name: string;
  page: number;
  total_pages: number;
  text: string;
}

export interface Limits {
  upload_bytes?: number;
  question_characters?: number;
}

interface StreamEventBase {
  stream: string;
  seq: number;
  first_seq?: number;
}

export type StreamEvent = StreamEventBase &
  (
    | { type: 'status'; stage: string; message?: string }
    | { type: 'sources'; passages: Passage[]; coverage?: Coverage | null }
    | { type: 'token'; offset: number; text: string }
    | ({ type: 'citation' } & Citation)
    | { type: 'rewind'; offset: number }
    | { type: FinalStatus; meta?: AnswerMeta | null; error?: WireError | null }
  );

// What the access token may do; without one, everything.
export interface AccessInfo {
  token: string | null; // its name
  scopes: string[];
  collections: string[]; // empty: all
}

export interface Welcome {
  type: 'welcome';
  version: string;
  client: string;
  mode: string;
  model: string;
  limits?: Limits;
  supported?: string[];
  access?: AccessInfo;
}

export interface Started {
  type: 'started';
  id?: string;
  stream: string;
  conversation: string;
  question: string;
}

export interface Resumed {
  type: 'resumed';
  id?: string;
  stream: string;
  recovered: boolean;
  after_seq?: number;
  status?: AnswerStatus;
  text?: string;
  sources?: Passage[];
  citations?: Citation[];
  meta?: AnswerMeta | null;
  seq?: number;
}

export interface Fleet {
  type: 'fleet';
  ready: boolean;
  mode?: string;
  model?: string;
  stages: Record<string, number>;
}

export interface ErrorMessage {
  type: 'error';
  id?: string;
  stream?: string;
  code: string;
  message: string;
  retryable: boolean;
}

export type ServerMessage =
  | Welcome
  | { type: 'documents'; collection?: string; documents: DocumentInfo[] }
  | { type: 'document'; document: DocumentInfo }
  | { type: 'document_removed'; document: string }
  | Started
  | Resumed
  | StreamEvent
  | { type: 'upload_ready'; id: string; upload: number; chunk_bytes: number; window_bytes: number }
  | { type: 'results'; id: string; query: string; hits: Passage[]; coverage?: Coverage | null; took_ms: number }
  | { type: 'prefetched'; id: string; question: string; passages: number; took_ms: number }
  | { type: 'upload_ack'; id: string; received: number }
  | { type: 'uploaded'; id: string; document: DocumentInfo }
  | { type: 'upload_aborted'; id: string }
  | { type: 'pong' }
  | Fleet
  | ErrorMessage;

export type ClientMessage =
  | { type: 'watch'; collection?: string }
  | { type: 'ask'; id: string; request_id?: string; question: string; collection?: string; conversation?: string; documents?: string[] }
  | { type: 'search'; id: string; query: string; collection?: string; k?: number }
  | { type: 'prefetch'; id: string; question: string; collection?: string }
  | { type: 'cancel'; stream: string }
  | { type: 'resume'; id?: string; stream: string; after_seq: number }
  | { type: 'leave'; stream: string }
  | { type: 'upload_begin'; id: string; name: string; size: number; collection?: string; content_type?: string }
  | { type: 'upload_end'; id: string }
  | { type: 'upload_abort'; id: string }
  | { type: 'ping' };

const streamEventTypes = new Set(['status', 'sources', 'token', 'citation', 'rewind', 'done', 'cancelled', 'failed', 'expired']);

export function isStreamEvent(message: ServerMessage): message is StreamEvent {
  return streamEventTypes.has(message.type);
}
