// The state of the connection to the server, and who hears its messages.
import { Connection } from '../protocol/connection.ts';
import type { ClientMessage, Fleet, ServerMessage, Welcome } from '../protocol/messages.ts';

export type LinkState = 'connecting' | 'online' | 'lost';

export interface LinkListener {
  onWelcome?(): void;
  onLost?(): void;
  onMessage(message: ServerMessage): void;
}

export class Link {
  state = $state<LinkState>('connecting');
  welcome = $state.raw<Welcome | null>(null);
  fleet = $state.raw<Fleet | null>(null);
  unauthorized = $state(false);
  private readonly listeners: LinkListener[] = [];
  private readonly connection: Connection;

  constructor() {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.connection = new Connection(`${scheme}//${location.host}/api/ws`, {
      onMessage: (message) => this.receive(message),
      onLost: () => this.lost(),
      onTrying: () => {
        if (this.state !== 'lost') this.state = 'connecting';
      },
    });
  }

  listen(listener: LinkListener): void {
    this.listeners.push(listener);
  }

  open(): void {
    this.connection.open();
  }

  send(message: ClientMessage): void {
    this.connection.send(message);
  }

  sendBinary(bytes: Uint8Array<ArrayBuffer>): void {
    this.connection.sendBinary(bytes);
  }

  retryNow(): void {
    this.connection.retryNow();
  }

  get online(): boolean {
    return this.state === 'online';
  }

  // Follows the fleet: a worker with another model may join at any time.
  get mode(): string {
    return this.fleet?.mode || this.welcome?.mode || '';
  }

  get model(): string {
    return this.fleet?.model || this.welcome?.model || '';
  }

  get quoting(): boolean {
    return this.mode === 'quoting';
  }

  private receive(message: ServerMessage): void {
    if (message.type === 'welcome') {
      this.welcome = message;
      this.state = 'online';
      this.unauthorized = false;
      for (const listener of this.listeners) listener.onWelcome?.();
      return;
    }
    if (message.type === 'fleet') this.fleet = message;
    for (const listener of this.listeners) listener.onMessage(message);
  }

  private lost(): void {
    this.state = 'lost';
    for (const listener of this.listeners) listener.onLost?.();
    if (this.welcome === null) void this.askWhy();
  }

  // A refused upgrade looks to scripts like any lost connection; plain HTTP says what is wrong.
  private async askWhy(): Promise<void> {
    const response = await fetch('/api/status').catch(() => null);
    this.unauthorized = response?.status === 401;
  }
}
