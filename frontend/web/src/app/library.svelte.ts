// Documents and collections as the server last told them.
import { api, ApiError } from '../protocol/http.ts';
import type { CollectionInfo, DocumentInfo, ServerMessage } from '../protocol/messages.ts';
import { errorSentence, reachOf } from '../state/describe.ts';
import { collectionToShow } from '../state/rights.ts';
import type { Link } from './link.svelte.ts';
import type { Notices } from './notices.svelte.ts';

const kCollectionKey = 'answermill.collection';

export class Library {
  collection = $state(localStorage.getItem(kCollectionKey) ?? 'default');
  collections = $state.raw<CollectionInfo[]>([]);
  loaded = $state(false);
  private all = $state.raw(new Map<string, DocumentInfo>());

  documents = $derived(
    [...this.all.values()]
      .filter((info) => info.collection === this.collection)
      .sort((a, b) => b.created_at - a.created_at || a.name.localeCompare(b.name)),
  );
  reach = $derived(reachOf(this.documents));

  constructor(
    link: Link,
    private readonly notices: Notices,
  ) {
    link.listen({
      onWelcome: () => {
        if (link.may.read) link.send({ type: 'watch' });
        else this.showNone();
        void this.loadCollections();
      },
      onMessage: (message) => this.receive(message),
    });
  }

  find(id: string): DocumentInfo | undefined {
    return this.all.get(id);
  }

  countIn(collection: string): number {
    let documents = 0;
    for (const info of this.all.values()) if (info.collection === collection) ++documents;
    return documents;
  }

  choose(name: string): void {
    this.collection = name;
    localStorage.setItem(kCollectionKey, name);
  }

  async create(name: string): Promise<boolean> {
    return this.attempt(async () => {
      await api.createCollection(name);
      await this.loadCollections();
      this.choose(name);
    });
  }

  async drop(name: string): Promise<void> {
    await this.attempt(async () => {
      await api.deleteCollection(name);
      await this.loadCollections();
      this.notices.show(`Deleted the collection ${name}`);
    });
  }

  async remove(info: DocumentInfo): Promise<void> {
    this.put({ ...info, state: 'deleting' });
    const deleted = await this.attempt(async () => {
      await api.deleteDocument(info.id);
      this.forget(info.id);
      this.notices.show(`Deleted ${info.name}`);
    });
    if (!deleted && this.all.get(info.id)?.state === 'deleting') this.put(info);
  }

  async retry(info: DocumentInfo): Promise<void> {
    await this.attempt(async () => {
      const begun = await api.retryDocument(info.id);
      // The watched changes of the new generation may be here before this answer.
      if ((this.all.get(info.id)?.generation ?? begun.generation) < begun.generation) this.put(begun);
    });
  }

  private async loadCollections(): Promise<void> {
    await this.attempt(async () => {
      this.collections = (await api.collections()).collections;
      this.choose(collectionToShow(this.collection, this.collections.map((other) => other.name)));
    });
  }

  private async attempt(action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { sentence, detail } = errorSentence(error.code, error.message);
      this.notices.show(detail || sentence, 'error');
      return false;
    }
  }

  private showNone(): void {
    this.all = new Map();
    this.loaded = true;
  }

  private put(info: DocumentInfo): void {
    this.all = new Map(this.all).set(info.id, info);
  }

  private forget(id: string): void {
    const next = new Map(this.all);
    next.delete(id);
    this.all = next;
  }

  private receive(message: ServerMessage): void {
    if (message.type === 'documents') {
      this.all = new Map(message.documents.map((info) => [info.id, info]));
      this.loaded = true;
    } else if (message.type === 'document') {
      this.announceChange(message.document);
      this.put(message.document);
      if (!this.collections.some((other) => other.name === message.document.collection)) void this.loadCollections();
    } else if (message.type === 'document_removed') {
      this.forget(message.document);
    }
  }

  private announceChange(info: DocumentInfo): void {
    const before = this.all.get(info.id)?.state;
    if (before === info.state) return;
    if (info.state === 'ready') this.notices.announce(`${info.name} is ready`);
    if (info.state === 'failed') this.notices.announce(`${info.name} failed`);
  }
}
