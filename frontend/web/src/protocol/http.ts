// The HTTP requests of the page. Every failure is an ApiError with the code of docs/protocol.md.
import type { AccessInfo, CollectionInfo, ConversationInfo, DocumentInfo, PageText } from './messages.ts';

export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

async function request<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const init: RequestInit = { method, headers: { Accept: 'application/json', ...headers } };
  if (body !== undefined) {
    init.headers = { ...init.headers, 'Content-Type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError('unavailable', 'The server cannot be reached.');
  }
  const parsed: unknown = await response.json().catch(() => null);
  if (response.ok && parsed !== null) return parsed as T;
  const error = (parsed as { error?: { code?: string; message?: string } } | null)?.error;
  throw new ApiError(error?.code ?? 'internal', error?.message ?? `The server answered ${response.status}.`);
}

const at = encodeURIComponent;

export const api = {
  session: () => request<AccessInfo>('GET', '/api/session'),
  // The server keeps the token in a cookie that scripts cannot read.
  enter: (token: string) => request<AccessInfo>('POST', '/api/session', undefined, { Authorization: `Bearer ${token}` }),
  leave: () => request<unknown>('DELETE', '/api/session'),
  collections: () => request<{ collections: CollectionInfo[] }>('GET', '/api/collections'),
  createCollection: (name: string) => request<CollectionInfo>('POST', '/api/collections', { name }),
  deleteCollection: (name: string) => request<unknown>('DELETE', `/api/collections/${at(name)}`),
  conversations: () => request<{ conversations: ConversationInfo[] }>('GET', '/api/conversations'),
  conversation: (id: string) => request<ConversationInfo>('GET', `/api/conversations/${at(id)}`),
  deleteConversation: (id: string) => request<unknown>('DELETE', `/api/conversations/${at(id)}`),
  retryDocument: (id: string) => request<DocumentInfo>('POST', `/api/documents/${at(id)}/retry`),
  deleteDocument: (id: string) => request<unknown>('DELETE', `/api/documents/${at(id)}`),
  page: (id: string, page: number) => request<PageText>('GET', `/api/documents/${at(id)}/pages/${page}`),
  fileUrl: (id: string) => `/api/documents/${at(id)}/file`,
};
