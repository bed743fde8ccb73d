// Runs the page's unit tests with Node's own runner: esbuild turns each test and what it imports into plain
// JavaScript first, since Node 18 reads no TypeScript.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const tests = join(dirname(fileURLToPath(import.meta.url)), '../../../tests/unit/web');
const outdir = mkdtempSync(join(tmpdir(), 'answermill-web-'));
try {
  const entryPoints = readdirSync(tests)
    .filter((name) => name.endsWith('_test.ts'))
    .map((name) => join(tests, name));
  await build({
    entryPoints,
    outdir,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node18',
    sourcemap: 'inline',
    outExtension: { '.js': '.mjs' },
    logLevel: 'warning',
  });
  const files = readdirSync(outdir).map((name) => join(outdir, name));
  const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], { stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(outdir, { recursive: true, force: true });
}
