// An answer as text for elsewhere: what is shown, then the sources its marks name.
import type { Answer } from '../state/answer.ts';

export function answerAsPlainText(answer: Answer): string {
  const cited = new Set(answer.marks.map((mark) => mark.number));
  const sources = answer.sources.filter((source) => cited.has(source.number));
  const lines = sources.map((source) => `[${source.number}] ${source.name}, page ${source.page}`);
  return lines.length === 0 ? answer.text.trim() : `${answer.text.trim()}\n\n${lines.join('\n')}`;
}
