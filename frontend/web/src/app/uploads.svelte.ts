// Files on their way to the server: drives one upload machine per file, a few at a time, over the link.
import type { ServerMessage } from '../protocol/messages.ts';
import { errorSentence, fileSize } from '../state/describe.ts';
import { newUpload, type Upload, type UploadAction, type UploadEvent, uploadIsOpen, uploadStep } from '../state/upload.ts';
import type { Link } from './link.svelte.ts';
import type { Notices } from './notices.svelte.ts';

const kAtOnce = 3;

export class UploadItem {
  machine = $state.raw<Upload>(newUpload(0));
  problem = $state('');
  // Grows at every start over, so that a chunk read for an earlier attempt is not sent in this one.
  attempt = 0;
  work: Promise<void> = Promise.resolve();

  constructor(
    readonly id: string,
    readonly file: File,
    readonly collection: string,
  ) {
    this.machine = newUpload(file.size);
  }

  get fraction(): number {
    return this.file.size === 0 ? 1 : this.machine.received / this.file.size;
  }
}

export class Uploads {
  items = $state.raw<UploadItem[]>([]);

  constructor(
    private readonly link: Link,
    private readonly notices: Notices,
  ) {
    link.listen({
      onWelcome: () => this.startWaiting(),
      onLost: () => {
        for (const item of this.items) this.step(item, { type: 'disconnected' });
      },
      onMessage: (message) => this.receive(message),
    });
  }

  add(files: Iterable<File>, collection: string): void {
    const limit = this.link.welcome?.limits?.upload_bytes ?? 0;
    const added: UploadItem[] = [];
    for (const file of files) {
      const item = new UploadItem(crypto.randomUUID?.() ?? String(Math.random()).slice(2), file, collection);
      if (limit > 0 && file.size > limit) {
        item.problem = `It has ${fileSize(file.size)}; this server accepts files up to ${fileSize(limit)}.`;
        item.machine = { ...item.machine, phase: 'failed' };
      }
      added.push(item);
    }
    if (added.length === 0) return;
    this.items = [...this.items, ...added];
    this.notices.announce(added.length === 1 ? `Adding ${added[0]?.file.name}` : `Adding ${added.length} files`);
    this.startWaiting();
  }

  again(item: UploadItem): void {
    item.problem = '';
    item.machine = newUpload(item.file.size);
    this.startWaiting();
  }

  remove(item: UploadItem): void {
    if (uploadIsOpen(item.machine) && item.machine.phase !== 'waiting') this.link.send({ type: 'upload_abort', id: item.id });
    ++item.attempt;
    this.items = this.items.filter((other) => other !== item);
    this.startWaiting();
  }

  private startWaiting(): void {
    if (!this.link.online) return;
    let active = this.items.filter((item) => !['waiting', 'done', 'failed'].includes(item.machine.phase)).length;
    for (const item of this.items) {
      if (active >= kAtOnce) return;
      if (item.machine.phase !== 'waiting') continue;
      this.step(item, { type: 'connected' });
      ++active;
    }
  }

  private receive(message: ServerMessage): void {
    if (!('id' in message) || message.id === undefined) return;
    const item = this.items.find((other) => other.id === message.id);
    if (item === undefined) return;
    switch (message.type) {
      case 'upload_ready':
        this.step(item, {
          type: 'ready',
          number: message.upload,
          chunkBytes: message.chunk_bytes,
          windowBytes: message.window_bytes,
        });
        break;
      case 'upload_ack':
        this.step(item, { type: 'ack', received: message.received });
        break;
      case 'uploaded':
        this.step(item, { type: 'uploaded' });
        if (!this.link.may.read) this.notices.show(`Added ${item.file.name}`);
        this.items = this.items.filter((other) => other !== item);
        this.startWaiting();
        break;
      case 'error': {
        const { sentence, detail } = errorSentence(message.code, message.message);
        item.problem = detail === '' ? sentence : `${sentence} ${detail}`;
        this.step(item, { type: 'refused' });
        this.notices.announce(`${item.file.name}: ${item.problem}`);
        this.startWaiting();
        break;
      }
    }
  }

  private step(item: UploadItem, event: UploadEvent): void {
    if (event.type === 'connected' || event.type === 'disconnected') ++item.attempt;
    const { upload, actions } = uploadStep(item.machine, event);
    item.machine = upload;
    const attempt = item.attempt;
    for (const action of actions) {
      item.work = item.work.then(() => this.perform(item, attempt, action));
    }
  }

  private async perform(item: UploadItem, attempt: number, action: UploadAction): Promise<void> {
    if (item.attempt !== attempt || item.machine.phase === 'failed') return;
    if (action.type === 'begin') {
      const { name, size, type } = item.file;
      const begin = { type: 'upload_begin', id: item.id, name, size, collection: item.collection } as const;
      this.link.send(type === '' ? begin : { ...begin, content_type: type });
    } else if (action.type === 'end') {
      this.link.send({ type: 'upload_end', id: item.id });
    } else {
      await this.sendChunk(item, attempt, action.from, action.to);
    }
  }

  private async sendChunk(item: UploadItem, attempt: number, from: number, to: number): Promise<void> {
    let bytes: ArrayBuffer;
    try {
      bytes = await item.file.slice(from, to).arrayBuffer();
    } catch {
      item.problem = 'The file changed or cannot be read any more.';
      this.link.send({ type: 'upload_abort', id: item.id });
      this.step(item, { type: 'refused' });
      return;
    }
    if (item.attempt !== attempt) return;
    const frame = new Uint8Array(4 + bytes.byteLength);
    new DataView(frame.buffer).setUint32(0, item.machine.number);
    frame.set(new Uint8Array(bytes), 4);
    this.link.sendBinary(frame);
  }
}
