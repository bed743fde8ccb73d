// The page at an https:// address: files, WebSocket (wss) and cookies through TLS.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ask, cannotRun, dropFile, lastTurn, startBrowser, startFleet, waitAnswered, waitReady } from './fixture.mjs';

const skip = cannotRun({ url: '' });
let folder;
let fleet;
let browser;

// A certificate for this machine; what the browser needs to take this one and no other.
function makeCertificate() {
  const [cert, key] = [join(folder, 'mill.pem'), join(folder, 'mill.key')];
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
    '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', cert, '-keyout', key], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const spki = new X509Certificate(readFileSync(cert)).publicKey.export({ type: 'spki', format: 'der' });
  return { cert, key, pin: createHash('sha256').update(spki).digest('base64') };
}

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), 'answermill-https-'));
  const { cert, key, pin } = makeCertificate();
  fleet = await startFleet({ url: '', scheme: 'https://', args: ['--tls-cert', cert, '--tls-key', key] });
  browser = await startBrowser(`--ignore-certificate-errors-spki-list=${pin}`);
});

after(async () => {
  await browser?.stop();
  await fleet?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test('upload, question and citation over https and wss', { skip }, async () => {
  assert.match(fleet.url, /^https:/);
  const { page, errors, close } = await browser.open('about:blank', {}, 'html');
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket.url()));
  await page.goto(fleet.url);
  await page.waitForSelector('#question');
  assert.equal(await page.evaluate(() => window.isSecureContext), true);
  // More than one window of the upload's flow control.
  const filler = 'Nothing to see on this line of the ledger.\n'.repeat(20_000);
  await dropFile(page, 'ledger.txt', 'text/plain', Buffer.from(`The harbour master Quandt collects 17 crowns for each barge.\n\n${filler}`));
  await waitReady(page, 'ledger.txt');
  await ask(page, 'How many crowns does the harbour master collect for each barge?');
  await waitAnswered(page);
  assert.match(await lastTurn(page).locator('[data-testid=answer]').innerText(), /17 crowns/);
  await lastTurn(page).locator('[data-testid=answer] button').first().click();
  assert.match(await page.locator('[data-testid=page] mark').innerText(), /17 crowns/);
  assert.deepEqual(sockets, [fleet.url.replace('https:', 'wss:').replace(/\/?$/, '/api/ws')]);
  assert.deepEqual(errors, []);
  await close();
});

test('another certificate is not taken', { skip }, async () => {
  const stranger = await startBrowser();
  await assert.rejects(stranger.open(fleet.url), /ERR_CERT_AUTHORITY_INVALID/);
  await stranger.stop();
});
