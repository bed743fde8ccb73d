// Conversations, and the questions and answers of the one that is open. Answers keep growing while another
// conversation is shown, and are resumed after every reconnect and reload.
import { api, ApiError } from '../protocol/http.ts';
import {
  type ConversationInfo,
  type ErrorMessage,
  isStreamEvent,
  type MessageInfo,
  type ServerMessage,
  type Started,
} from '../protocol/messages.ts';
import { answerFromMessage } from '../state/answer.ts';
import { errorSentence } from '../state/describe.ts';
import type { Link } from './link.svelte.ts';
import type { Notices } from './notices.svelte.ts';
import { loadSession, type OpenAsk, saveSession } from './session.ts';
import { Turn } from './turn.svelte.ts';

const kResumeAgainMs = 1000;
const kGapMs = 250;
const kHash = /^#\/c\/(.+)$/;

export class Chat {
  conversations = $state.raw<ConversationInfo[]>([]);
  current = $state('');
  turns = $state.raw<Turn[]>([]);
  loading = $state(false);
  problem = $state('');
  private readonly asked = new Map<string, { ask: OpenAsk; turn: Turn }>();
  private readonly streams = new Map<string, Turn>();

  constructor(
    private readonly link: Link,
    private readonly notices: Notices,
    private readonly onCollection: (name: string) => void,
  ) {
    link.listen({
      onWelcome: () => this.catchUp(),
      onLost: () => {
        for (const turn of this.streams.values()) turn.resuming = false;
      },
      onMessage: (message) => this.receive(message),
    });
    window.addEventListener('hashchange', () => this.followHash());
  }

  // Takes up what the last load of this tab left.
  restore(): void {
    const session = loadSession();
    for (const open of session.streams) {
      const turn = new Turn(open.stream, open.question, open.conversation);
      turn.begin(open.stream);
      this.streams.set(open.stream, turn);
    }
    const conversation = kHash.exec(location.hash)?.[1] ?? '';
    for (const ask of session.asks) {
      const turn = new Turn(ask.id, ask.question, ask.conversation);
      this.asked.set(ask.id, { ask, turn });
      if (ask.conversation === '' && conversation === '') this.turns = [...this.turns, turn];
    }
    if (conversation !== '') void this.open(decodeURIComponent(conversation));
  }

  get busy(): boolean {
    return this.turns.some((turn) => turn.waiting);
  }

  ask(question: string, collection: string): void {
    const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    const ask: OpenAsk = { id, question, collection, conversation: this.current };
    const turn = new Turn(id, question, this.current);
    this.asked.set(id, { ask, turn });
    this.turns = [...this.turns.filter((other) => other.problem === '' || other.question !== question), turn];
    this.problem = '';
    this.save();
    this.sendAsk(ask);
  }

  // What is being typed: its passages are then at hand when it is asked. Nothing waits for the reply.
  prefetch(question: string, collection: string): void {
    this.link.send({ type: 'prefetch', id: 'prefetch', question, collection });
  }

  stop(turn: Turn): void {
    turn.stopping = true;
    if (turn.stream !== '') this.link.send({ type: 'cancel', stream: turn.stream });
  }

  startNew(): void {
    this.current = '';
    this.turns = [];
    this.problem = '';
    this.loading = false;
    if (location.hash !== '') history.pushState(null, '', location.pathname + location.search);
  }

  async open(id: string): Promise<void> {
    this.current = id;
    this.problem = '';
    this.turns = [];
    this.setHash(id);
    this.loading = true;
    try {
      const conversation = await api.conversation(id);
      if (this.current !== id) return;
      this.turns = this.turnsOf(conversation);
      this.onCollection(conversation.collection);
    } catch (error) {
      if (this.current !== id) return;
      this.turns = this.openTurns(id, new Set());
      const code = error instanceof ApiError ? error.code : 'internal';
      if (this.turns.length === 0) {
        this.problem = code === 'not_found' ? 'This conversation is no longer on the server.' : errorSentence(code, '').sentence;
      }
    } finally {
      if (this.current === id) this.loading = false;
    }
  }

  async remove(id: string): Promise<void> {
    try {
      await api.deleteConversation(id);
      if (this.current === id) this.startNew();
      this.conversations = this.conversations.filter((other) => other.id !== id);
      this.notices.show('Deleted the conversation');
    } catch (error) {
      const code = error instanceof ApiError ? error.code : 'internal';
      this.notices.show(errorSentence(code, '').sentence, 'error');
    }
  }

  async loadConversations(): Promise<void> {
    if (!this.link.may.ask) return;
    try {
      this.conversations = (await api.conversations()).conversations;
    } catch {
      // The list stays as it was; the next welcome or answer asks again.
    }
  }

  private setHash(id: string): void {
    const hash = `#/c/${encodeURIComponent(id)}`;
    if (location.hash !== hash) history.pushState(null, '', hash);
  }

  private followHash(): void {
    const id = decodeURIComponent(kHash.exec(location.hash)?.[1] ?? '');
    if (id === this.current) return;
    if (id === '') this.startNew();
    else void this.open(id);
  }

  private turnsOf(conversation: ConversationInfo): Turn[] {
    const turns: Turn[] = [];
    const streams = new Set<string>();
    let question: MessageInfo | null = null;
    for (const message of conversation.messages ?? []) {
      if (message.role === 'user') {
        if (question !== null) this.pushUnanswered(turns, streams, question, conversation.id);
        question = message;
        continue;
      }
      turns.push(this.turnOf(message, question?.text ?? '', conversation.id));
      if (message.stream) streams.add(message.stream);
      question = null;
    }
    if (question !== null) this.pushUnanswered(turns, streams, question, conversation.id);
    return [...turns, ...this.openTurns(conversation.id, streams)];
  }

  private pushUnanswered(turns: Turn[], streams: Set<string>, question: MessageInfo, conversation: string): void {
    if (!question.stream) return;
    turns.push(this.streamTurn(question.stream, question.text, conversation));
    streams.add(question.stream);
  }

  private turnOf(message: MessageInfo, question: string, conversation: string): Turn {
    if (message.status === 'streaming' && message.stream) {
      return this.streamTurn(message.stream, question, conversation);
    }
    const known = message.stream ? this.streams.get(message.stream) : undefined;
    const turn = known ?? new Turn(message.id, question, conversation);
    turn.set(answerFromMessage(message));
    if (message.stream) this.forget(message.stream);
    return turn;
  }

  private streamTurn(stream: string, question: string, conversation: string): Turn {
    const known = this.streams.get(stream);
    if (known !== undefined) return known;
    const turn = new Turn(stream, question, conversation);
    turn.begin(stream);
    this.streams.set(stream, turn);
    this.resume(turn);
    this.save();
    return turn;
  }

  private openTurns(conversation: string, known: ReadonlySet<string>): Turn[] {
    const live = [...this.streams.values()].filter((turn) => turn.conversation === conversation && !known.has(turn.stream));
    const asked = [...this.asked.values()].filter(({ ask }) => ask.conversation === conversation);
    return [...live, ...asked.map(({ turn }) => turn)];
  }

  private sendAsk({ id, question, collection, conversation }: OpenAsk): void {
    const ask = { type: 'ask', id, request_id: id, question, collection } as const;
    this.link.send(conversation === '' ? ask : { ...ask, conversation });
  }

  private resume(turn: Turn): void {
    if (!this.link.online) return;
    turn.resuming = true;
    this.link.send({ type: 'resume', id: turn.stream, stream: turn.stream, after_seq: turn.seq });
  }

  // Waits a little, so that a stream that cannot be healed costs little on both sides.
  private closeGap(turn: Turn): void {
    turn.resuming = true;
    window.setTimeout(() => {
      turn.resuming = false;
      if (!turn.live) return;
      turn.prepareResume();
      this.resume(turn);
    }, kGapMs);
  }

  private catchUp(): void {
    if (!this.link.may.ask) {
      this.conversations = [];
      return;
    }
    // It could not be opened before there was a connection, or a token.
    if (this.problem !== '' && this.current !== '') void this.open(this.current);
    for (const turn of this.streams.values()) {
      this.resume(turn);
      if (turn.stopping) this.link.send({ type: 'cancel', stream: turn.stream });
    }
    for (const { ask } of this.asked.values()) this.sendAsk(ask);
    void this.loadConversations();
  }

  private receive(message: ServerMessage): void {
    if (message.type === 'started') {
      this.started(message);
    } else if (message.type === 'resumed') {
      const turn = this.streams.get(message.stream);
      turn?.resumed(message);
      if (turn && !turn.live) this.finish(turn);
    } else if (message.type === 'error') {
      this.failed(message);
    } else if (isStreamEvent(message)) {
      const turn = this.streams.get(message.stream);
      if (turn === undefined) return;
      if (turn.apply(message)) this.closeGap(turn);
      if (!turn.live) this.finish(turn);
    }
  }

  private started(message: Started): void {
    const entry = message.id === undefined ? undefined : this.asked.get(message.id);
    if (entry === undefined) return;
    const { turn } = entry;
    this.asked.delete(entry.ask.id);
    turn.conversation = message.conversation;
    turn.begin(message.stream);
    this.streams.set(message.stream, turn);
    if (this.current === '' && this.turns.includes(turn)) {
      this.current = message.conversation;
      this.setHash(message.conversation);
    }
    if (turn.stopping) this.stop(turn);
    this.save();
    void this.loadConversations();
  }

  private failed(message: ErrorMessage): void {
    const { sentence, detail } = errorSentence(message.code, message.message);
    const entry = message.id === undefined ? undefined : this.asked.get(message.id);
    if (entry !== undefined) {
      entry.turn.problem = detail || sentence;
      this.asked.delete(entry.ask.id);
      this.save();
      this.notices.announce(entry.turn.problem);
      return;
    }
    const turn = this.streams.get(message.stream ?? message.id ?? '');
    if (turn === undefined) return;
    turn.resuming = false;
    // A resume is named after its stream; while the server is still starting it is worth another try.
    if (message.id === turn.stream && message.retryable) {
      window.setTimeout(() => turn.live && this.resume(turn), kResumeAgainMs);
      return;
    }
    turn.fail(message.code, message.message);
    this.finish(turn);
    if (message.code === 'not_found' && turn.conversation === this.current) void this.open(this.current);
  }

  private finish(turn: Turn): void {
    turn.stopping = false;
    this.forget(turn.stream);
    const status = turn.answer?.status ?? 'done';
    if (status === 'done') this.notices.announce(`Answer finished with ${turn.answer?.marks.length ?? 0} citations`);
    else this.notices.announce(status === 'cancelled' ? 'Answer stopped' : 'The answer failed');
    void this.loadConversations();
  }

  private forget(stream: string): void {
    this.streams.delete(stream);
    this.save();
  }

  private save(): void {
    saveSession({
      asks: [...this.asked.values()].map(({ ask }) => ask),
      streams: [...this.streams.values()].map(({ stream, conversation, question }) => ({ stream, conversation, question })),
    });
  }
}
