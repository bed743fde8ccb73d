// What the access token lets its holder do here: decides what the page shows. The server judges every request anyway.
import type { AccessInfo } from '../protocol/messages.ts';

export interface Rights {
  read: boolean; // documents, their pages, search
  ask: boolean; // questions and conversations
  write: boolean; // upload, retry, delete
  admin: boolean;
  collections: readonly string[]; // the only ones in reach; empty: all
}

// Before the server has said it, nothing is offered that might have to be taken back.
export const unknownRights: Rights = { read: true, ask: true, write: false, admin: false, collections: [] };

export function rightsOf(access: AccessInfo | undefined): Rights {
  if (access === undefined) return unknownRights;
  const has = (scope: string): boolean => access.scopes.includes(scope);
  return { read: has('read'), ask: has('ask'), write: has('write'), admin: has('admin'), collections: access.collections };
}

// A token for some collections may not make others.
export function mayCreateCollections(rights: Rights): boolean {
  return rights.write && rights.collections.length === 0;
}

// The collection to show: the wanted one where it exists in reach, else the first.
export function collectionToShow(wanted: string, known: readonly string[]): string {
  return known.includes(wanted) ? wanted : (known.find((name) => name === 'default') ?? known[0] ?? wanted);
}
