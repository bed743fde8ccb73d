// What the text of an answer needs to know to show its citation marks.
import type { Mark } from '../state/answer.ts';

export interface MarkView {
  mark(index: number): Mark | undefined;
  describe(mark: Mark): string;
  open(mark: Mark): void;
}
