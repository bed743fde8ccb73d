// The state of the connection to the server, what it lets us do, and who hears its messages.
import { Connection } from '../protocol/connection.ts';
import { api, ApiError } from '../protocol/http.ts';
import type { ClientMessage, Fleet, ServerMessage, Welcome } from '../protocol/messages.ts';
import { errorSentence } from '../state/describe.ts';
import { rightsOf } from '../state/rights.ts';
import { takeTokenOutOfAddress } from './address.ts';

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
  // The server wants another access token than we have, and why.
  locked = $state(false);
  lockedWhy = $state('');
  may = $derived(rightsOf(this.welcome?.access));
  private readonly listeners: LinkListener[] = [];
  private readonly connection: Connection;
  private refusedAddress = takeTokenOutOfAddress();

  constructor() {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.connection = new Connection(`${scheme}//${location.host}/api/ws`, {
      onMessage: (message) => this.receive(message),
      onLost: (refused) => this.lost(refused),
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

  // The name of the access token; empty when none is needed.
  get token(): string {
    return this.welcome?.access?.token ?? '';
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
      this.locked = false;
      this.refusedAddress = false;
      for (const listener of this.listeners) listener.onWelcome?.();
      return;
    }
    if (message.type === 'fleet') this.fleet = message;
    for (const listener of this.listeners) listener.onMessage(message);
  }

  // Why the token does not open the door, or '' when it does.
  async enter(token: string): Promise<string> {
    if (!/^[\x21-\x7e]+$/.test(token)) return 'This is not a token: it has no spaces and only plain letters and digits.';
    const before = this.welcome?.access?.token ?? null;
    try {
      const rights = await api.enter(token);
      if (before !== null && before !== rights.token) this.startOver();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return error.code === 'unauthorized' ? 'This token is not valid here.' : errorSentence(error.code, error.message).sentence;
    }
    this.locked = false;
    this.connection.open();
    return '';
  }

  async leave(): Promise<void> {
    await api.leave();
    this.startOver();
  }

  // What this tab still knows belongs to the holder of the token before.
  private startOver(): void {
    this.connection.shut();
    sessionStorage.clear();
    location.replace(location.pathname);
  }

  private lost(refused: boolean): void {
    this.state = 'lost';
    for (const listener of this.listeners) listener.onLost?.();
    if (refused) void this.askWhy();
  }

  // A refused upgrade looks to scripts like any lost connection; plain HTTP says what is wrong.
  private async askWhy(): Promise<void> {
    const code = await api.session().then(
      () => '',
      (error: unknown) => (error instanceof ApiError ? error.code : ''),
    );
    if (code !== 'unauthorized') return;
    this.connection.shut();
    this.locked = true;
    if (this.welcome !== null) this.lockedWhy = 'Your access token is no longer valid: it was revoked.';
    else if (this.refusedAddress) this.lockedWhy = 'The token in the address is not valid here.';
  }
}
