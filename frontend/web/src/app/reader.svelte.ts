// The page of a document shown beside the answer, with the cited span.
import { api, ApiError } from '../protocol/http.ts';
import type { PageText } from '../protocol/messages.ts';
import { errorSentence } from '../state/describe.ts';

export interface Span {
  page: number;
  begin: number; // code points of the page's text
  end: number;
}

export class Reader {
  open = $state(false);
  document = $state('');
  name = $state('');
  page = $state(1);
  label = $state('');
  span = $state.raw<Span | null>(null);
  text = $state.raw<PageText | null>(null);
  problem = $state('');
  // Names what is shown, so that the page scrolls to a span again when it is asked for again.
  request = $state(0);

  show(document: string, name: string, page: number, span: Span | null, label = ''): void {
    this.open = true;
    if (document !== this.document) this.text = null;
    this.document = document;
    this.name = name;
    this.span = span;
    this.label = label;
    void this.load(page);
  }

  turn(by: number): void {
    const total = this.text?.total_pages ?? 0;
    const page = this.page + by;
    if (page < 1 || (total > 0 && page > total)) return;
    void this.load(page);
  }

  close(): void {
    this.open = false;
  }

  private async load(page: number): Promise<void> {
    const request = ++this.request;
    this.page = page;
    this.problem = '';
    try {
      const text = await api.page(this.document, page);
      if (request === this.request) this.text = text;
    } catch (error) {
      if (request !== this.request) return;
      this.text = null;
      const code = error instanceof ApiError ? error.code : 'internal';
      this.problem =
        code === 'not_found' ? 'This page is not there: it is not processed yet, or the document was deleted.' : errorSentence(code, '').sentence;
    }
  }
}
