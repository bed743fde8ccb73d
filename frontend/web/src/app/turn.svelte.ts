// One question and its answer on the page. Events change `latest` at once and the page once per frame, so that a
// fast stream costs one rendering per frame and not one per token.
import type { Resumed, StreamEvent } from '../protocol/messages.ts';
import { type Answer, applyEvent, applyResumed, newAnswer } from '../state/answer.ts';

export class Turn {
  stream = $state('');
  answer = $state.raw<Answer | null>(null);
  problem = $state('');
  stopping = $state(false);
  // A resume was sent and not answered yet; events that leave a gap are ignored until it is.
  resuming = false;
  // The event after which a resume asked last; asking again from there would bring the same answer.
  private askedAfter = -1;
  private latest: Answer | null = null;
  private frame = 0;

  constructor(
    readonly key: string,
    readonly question: string,
    public conversation: string, // empty until the server names a new one
  ) {}

  get live(): boolean {
    return this.latest !== null && this.latest.status === 'streaming';
  }

  get waiting(): boolean {
    return this.problem === '' && (this.answer === null || this.answer.status === 'streaming');
  }

  get seq(): number {
    return this.latest?.seq ?? 0;
  }

  begin(stream: string): void {
    this.stream = stream;
    this.set(newAnswer(stream));
  }

  set(answer: Answer): void {
    this.stream = answer.stream;
    this.latest = answer;
    this.flush();
  }

  fail(code: string, message: string): void {
    const answer = this.latest ?? newAnswer(this.stream);
    this.set({ ...answer, status: 'failed', error: { code, message } });
  }

  // True when events are missing and the caller has to resume.
  apply(event: StreamEvent): boolean {
    if (this.latest === null) return false;
    const { answer, gap } = applyEvent(this.latest, event);
    if (gap) return !this.resuming;
    this.latest = answer;
    if (answer.status !== 'streaming') this.flush();
    else if (this.frame === 0) this.frame = requestAnimationFrame(() => this.flush());
    return false;
  }

  resumed(message: Resumed): void {
    this.resuming = false;
    if (this.latest !== null) this.set(applyResumed(this.latest, message));
  }

  // Before a resume that shall close a gap: what did not help once is answered by taking the answer from its start.
  prepareResume(): void {
    if (this.askedAfter === this.seq) this.latest = newAnswer(this.stream);
    this.askedAfter = this.seq;
  }

  private flush(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.answer = this.latest;
  }
}
