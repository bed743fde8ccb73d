// The page's one WebSocket: opens it, opens it again with backoff for as long as the page lives, and notices a
// connection that has gone silent. It knows nothing of what the messages mean.
import { backoffMs } from '../state/backoff.ts';
import type { ClientMessage, ServerMessage } from './messages.ts';

const kPingMs = 20_000;
const kSilenceMs = 45_000;
const kPolicyViolation = 1008;

export interface ConnectionEvents {
  onMessage(message: ServerMessage): void;
  // `refused`: it was never open, or the server closed it for what this client may not do.
  onLost(refused: boolean): void;
  onTrying(): void;
}

export class Connection {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private retryTimer = 0;
  private heardAt = 0;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly events: ConnectionEvents,
  ) {
    window.setInterval(() => this.beat(), kPingMs);
    window.addEventListener('online', () => this.retryNow());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.retryNow();
    });
    window.addEventListener('pagehide', () => this.shut());
    window.addEventListener('pageshow', (event) => {
      if (event.persisted) this.open();
    });
  }

  open(): void {
    this.closed = false;
    window.clearTimeout(this.retryTimer);
    this.events.onTrying();
    const socket = new WebSocket(this.url, 'answermill.v1');
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onmessage = (event) => {
      this.heardAt = Date.now();
      this.attempt = 0;
      if (typeof event.data === 'string') this.receive(event.data);
    };
    let opened = false;
    socket.onopen = () => (opened = true);
    socket.onclose = (event) => {
      if (this.socket === socket) this.lost(!opened || event.code === kPolicyViolation);
    };
    this.heardAt = Date.now();
  }

  get isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(message: ClientMessage): void {
    if (this.isOpen) this.socket?.send(JSON.stringify(message));
  }

  sendBinary(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.isOpen) this.socket?.send(bytes);
  }

  retryNow(): void {
    if (!this.closed && this.socket === null) this.open();
  }

  private receive(data: string): void {
    let message: ServerMessage;
    try {
      message = JSON.parse(data) as ServerMessage;
    } catch {
      return; // not ours; the server's later messages still count
    }
    this.events.onMessage(message);
  }

  private lost(refused: boolean): void {
    this.socket = null;
    if (this.closed) return;
    const wait = backoffMs(this.attempt++, Math.random());
    this.events.onLost(refused);
    this.retryTimer = window.setTimeout(() => this.open(), wait);
  }

  private beat(): void {
    const socket = this.socket;
    if (socket === null || socket.readyState !== WebSocket.OPEN) return;
    if (Date.now() - this.heardAt > kSilenceMs) {
      this.socket = null;
      socket.onclose = null;
      socket.close();
      this.lost(false);
      return;
    }
    this.send({ type: 'ping' });
  }

  // Until open() is called again.
  shut(): void {
    this.closed = true;
    window.clearTimeout(this.retryTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }
}
