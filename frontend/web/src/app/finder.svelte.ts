// Searching without asking: what the page offers to a token that may read, but not ask.
import type { Passage, ServerMessage } from '../protocol/messages.ts';
import { errorSentence } from '../state/describe.ts';
import type { Link } from './link.svelte.ts';

const kPassages = 12;

export class Finder {
  query = $state('');
  hits = $state.raw<Passage[]>([]);
  searching = $state(false);
  problem = $state('');
  private collection = '';
  private number = 0;

  constructor(private readonly link: Link) {
    link.listen({
      onWelcome: () => {
        if (this.searching) this.send();
      },
      onMessage: (message) => this.receive(message),
    });
  }

  find(query: string, collection: string): void {
    this.query = query;
    this.collection = collection;
    this.hits = [];
    this.problem = '';
    this.searching = true;
    ++this.number;
    this.send();
  }

  private send(): void {
    this.link.send({ type: 'search', id: this.id, query: this.query, collection: this.collection, k: kPassages });
  }

  private get id(): string {
    return `search-${this.number}`;
  }

  private receive(message: ServerMessage): void {
    if (message.type === 'results' && message.id === this.id) {
      this.hits = message.hits;
      this.searching = false;
    } else if (message.type === 'error' && message.id === this.id) {
      this.problem = errorSentence(message.code, message.message).sentence;
      this.searching = false;
    }
  }
}
