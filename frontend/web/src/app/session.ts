// What a reload must not lose, kept for this tab: questions the server has not confirmed yet and answers that are
// still growing.

export interface OpenAsk {
  id: string;
  question: string;
  collection: string;
  conversation: string; // empty for a new one
}

export interface OpenStream {
  stream: string;
  conversation: string;
  question: string;
}

export interface Session {
  asks: OpenAsk[];
  streams: OpenStream[];
}

const kKey = 'answermill.session';

export function loadSession(): Session {
  try {
    const stored = JSON.parse(sessionStorage.getItem(kKey) ?? '{}') as Partial<Session>;
    return { asks: stored.asks ?? [], streams: stored.streams ?? [] };
  } catch {
    return { asks: [], streams: [] };
  }
}

export function saveSession(session: Session): void {
  sessionStorage.setItem(kKey, JSON.stringify(session));
}
