// What the browser tests stand on: a fleet of real processes (or a server that runs already) and Chromium.
//
//   ANSWERMILL_BIN    folder of the programs; a fleet is started on a temporary data folder
//   ANSWERMILL_URL    a running server to use instead
//   ANSWERMILL_DATA   real documents, else ../shared/data beside the checkout
//   CHROMIUM          the browser, else /usr/bin/chromium
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const kStartMs = 60_000;
const kStopMs = 10_000;

export const browserPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const dataFolder = process.env.ANSWERMILL_DATA ?? join(root, '../shared/data');

// Why these tests cannot run here, or false.
export function cannotRun({ url = process.env.ANSWERMILL_URL } = {}) {
  if (!existsSync(browserPath)) return `no browser at ${browserPath}`;
  if (url) return false;
  if (!process.env.ANSWERMILL_BIN) return 'neither ANSWERMILL_URL nor ANSWERMILL_BIN is set';
  if (!existsSync(join(process.env.ANSWERMILL_BIN, 'answermill'))) return 'the programs are not built';
  return false;
}

export function document(...path) {
  const file = join(dataFolder, ...path);
  return existsSync(file) ? file : null;
}

// Resolves with what `match` makes of the first line of the child's output it likes.
function lineOf(child, match, what) {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (bytes) => (said = (said + bytes).slice(-4000)));
    const timer = setTimeout(() => reject(new Error(`${what} is not ready\n${said}`)), kStartMs);
    const failed = (code) => (clearTimeout(timer), reject(new Error(`${what} ended with ${code}\n${said}`)));
    child.once('error', failed);
    child.once('exit', failed);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = match(line);
      if (!found) return;
      clearTimeout(timer);
      child.off('exit', failed);
      resolve(found);
    });
  });
}

function stopped(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), kStopMs);
    child.once('exit', () => (clearTimeout(timer), resolve()));
    child.kill('SIGTERM');
  });
}

export async function startModelServer() {
  const child = spawn(process.execPath, [join(root, 'tests/fleet/model_server.mjs')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const url = await lineOf(child, (line) => /"base_url":\s*"([^"]+)"/.exec(line)?.[1], 'the model server');
  return { url, stop: () => stopped(child) };
}

// A fleet of its own with further `args` of `answermill up`, or the one that runs at `url`. A restart keeps data and port.
export async function startFleet({ environment = {}, scheme = '', args = [], url = process.env.ANSWERMILL_URL } = {}) {
  if (url) return { url, restart: null, stop: async () => {} };
  const data = mkdtempSync(join(tmpdir(), 'answermill-browser-'));
  // A developer's own model would make the answers depend on where the tests run.
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OPENAI|DEEPSEEK)_/.test(name)));
  const launch = async (listen) => {
    const program = join(process.env.ANSWERMILL_BIN, 'answermill');
    const child = spawn(program, ['up', '--data', data, '--listen', listen, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...clean, ...environment },
    });
    const ready = await lineOf(child, (line) => /^ready (https?:\S+)/.exec(line)?.[1], 'the fleet');
    return { child, ready };
  };
  let running = await launch(`${scheme}127.0.0.1:0`);
  const address = new URL(running.ready).host;
  return {
    url: running.ready,
    data,
    restart: async (whileDown) => {
      await stopped(running.child);
      await whileDown();
      running = await launch(scheme + address);
    },
    stop: async () => {
      await stopped(running.child);
      rmSync(data, { recursive: true, force: true });
    },
  };
}

// One browser for a file of tests; every page fails its test on script errors and on what the policy refuses.
export async function startBrowser(...flags) {
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-dev-shm-usage', ...flags] });
  return {
    stop: () => browser.close(),
    open: async (url, options = {}, ready = '#question') => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      context.setDefaultTimeout(30_000);
      const page = await context.newPage();
      const errors = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error' && /Content Security Policy|Uncaught/.test(message.text())) errors.push(message.text());
      });
      await page.goto(url);
      await page.waitForSelector(ready);
      return { page, errors, close: () => context.close() };
    },
  };
}

export async function addFiles(page, ...files) {
  await page.setInputFiles('[data-testid=chooser]', files);
}

// Drops a file as a person does, somewhere on the page.
export async function dropFile(page, name, type, bytes) {
  const transfer = await page.evaluateHandle(
    ([fileName, fileType, content]) => {
      const file = new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], fileName, { type: fileType });
      const data = new DataTransfer();
      data.items.add(file);
      return data;
    },
    [name, type, bytes.toString('base64')],
  );
  for (const event of ['dragenter', 'dragover', 'drop']) {
    await page.dispatchEvent('main', event, { dataTransfer: transfer });
  }
}

export const row = (page, name) => page.locator('ul[aria-label=Documents] > li').filter({ hasText: name });

export async function waitReady(page, name, timeout = 120_000) {
  await row(page, name).filter({ hasText: /\d+ pages? ·/ }).filter({ hasNotText: 'searchable' }).first().waitFor({ timeout });
}

export async function ask(page, question) {
  await page.fill('#question', question);
  await page.keyboard.press('Enter');
}

export const lastTurn = (page) => page.locator('article').last();

export async function waitAnswered(page, timeout = 60_000) {
  await page.locator('article:last-of-type[aria-busy=false]').waitFor({ timeout });
}
