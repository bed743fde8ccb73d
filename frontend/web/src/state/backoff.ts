// How long to wait before attempt number `attempt` (from 0) to reach the server: doubling with full jitter, so that
// many pages do not come back in the same instant. `random` is in [0, 1).
const kFirstMs = 250;
const kCapMs = 8000;

export function backoffMs(attempt: number, random: number): number {
  const ceiling = Math.min(kCapMs, kFirstMs * 2 ** Math.min(attempt, 16));
  return Math.round(kFirstMs / 2 + random * ceiling);
}
