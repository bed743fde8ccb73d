// The page before a server that wants an access token: what each token sees, and where the token is kept.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ask, cannotRun, lastTurn, row, startBrowser, startFleet, waitAnswered } from './fixture.mjs';

// A fleet of its own, since the first token closes the door for everybody else.
const skip = cannotRun({ url: '' });
let fleet;
let browser;
const tokens = {};

function command(...words) {
  const done = spawnSync(join(process.env.ANSWERMILL_BIN, 'answermill'), words, { encoding: 'utf8', timeout: 30_000 });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout.trim();
}
const newToken = (name, ...flags) => command('tokens', 'new', name, '--data', fleet.data, ...flags);
const call = (path, token, init = {}) => fetch(new URL(path, fleet.url), { ...init, headers: { Authorization: `Bearer ${token}`, ...init.headers } });

async function ingest(name, text, collection) {
  const added = await call(`/api/documents?name=${name}&collection=${collection}`, tokens.boss, { method: 'POST', body: text });
  assert.equal(added.status, 202);
  const [{ id }] = (await added.json()).documents;
  // Ends after the last change.
  assert.match(await (await call(`/api/documents/${id}/events`, tokens.boss)).text(), /"state":"ready"/);
}

// Frontends follow the file of tokens by themselves.
async function taken(name, token) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    if ((await (await call('/api/session', token)).json()).token === name) return;
  }
  throw new Error('the token was not taken up');
}

before(async () => {
  if (skip) return;
  fleet = await startFleet({ url: '' });
  browser = await startBrowser();
  tokens.boss = newToken('boss', '--scope', 'admin');
  tokens.reader = newToken('reader', '--scope', 'read', '--collection', 'law');
  tokens.asker = newToken('asker', '--scope', 'ask');
  tokens.alice = newToken('alice', '--scope', 'read,ask');
  tokens.sender = newToken('sender', '--scope', 'write');
  await taken('sender', tokens.sender);
  assert.equal((await call('/api/collections', tokens.boss, { method: 'POST', body: '{"name":"law"}' })).status, 201);
  await ingest('oil.txt', 'The Zorblat engine needs 42 litres of oil every winter.\n', 'default');
  await ingest('court.txt', 'The court sits in the harbour hall.\n', 'law');
});

after(async () => {
  await browser?.stop();
  await fleet?.stop();
});

const open = (path, ready) => browser.open(new URL(path, fleet.url).href, {}, ready);

test('without a token the page asks for one, and keeps it out of address and storage', { skip }, async () => {
  const { page, errors, close } = await open('/', '#token');
  assert.equal(await page.locator('#question').count(), 0);
  await page.fill('#token', 'am_wrong');
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByText('This token is not valid here.').waitFor();
  await page.fill('#token', ` ${tokens.alice} `);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#question');
  await row(page, 'oil.txt').waitFor();
  const kept = await page.evaluate(() => [location.href, document.cookie, ...Object.values({ ...localStorage }), ...Object.values({ ...sessionStorage })].join('\n'));
  assert.ok(!kept.includes(tokens.alice));
  await page.reload();
  await row(page, 'oil.txt').waitFor();
  await page.getByText('alice', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Forget token' }).click();
  await page.waitForSelector('#token');
  assert.deepEqual(errors, []);
  await close();
});

test('a token in the address is gone from it and from the history at once', { skip }, async () => {
  const { page, close } = await open(`/?token=${tokens.alice}`);
  await row(page, 'oil.txt').waitFor();
  assert.equal(page.url(), new URL('/', fleet.url).href);
  await page.goBack().catch(() => null); // to the empty page before, if to anything
  assert.ok(!page.url().includes('am_'));
  await close();
  const wrong = await open('/?token=am_wrong#/c/x', '#token');
  await wrong.page.getByText('The token in the address is not valid here.').waitFor();
  assert.equal(wrong.page.url(), new URL('/#/c/x', fleet.url).href);
  await wrong.close();
});

test('who may read and ask sees nothing to add or delete', { skip }, async () => {
  const { page, errors, close } = await open(`/?token=${tokens.alice}`);
  await row(page, 'oil.txt').hover();
  for (const name of [/Add documents/, /^Delete/, /Connect a model/, 'Create']) {
    assert.equal(await page.getByRole('button', { name }).count(), 0, String(name));
  }
  assert.equal(await page.locator('[data-testid=chooser]').count(), 0);
  await page.getByRole('button', { name: /^Collection/ }).click();
  assert.equal(await page.getByLabel('Name of a new collection').count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Delete the collection law' }).count(), 0);
  await ask(page, 'How many litres of oil does the Zorblat engine need?');
  await waitAnswered(page);
  await lastTurn(page).locator('[data-testid=answer] button').first().click();
  assert.match(await page.locator('[data-testid=page] mark').innerText(), /42 litres/);
  await page.keyboard.press('Escape');
  await page.getByRole('tab', { name: /Conversations/ }).click();
  await page.locator('ul[aria-label=Conversations] > li').first().hover();
  assert.equal(await page.getByRole('button', { name: /^Delete/ }).count(), 0);
  assert.deepEqual(errors, []);
  await close();
});

test('who may only read searches, in his collections alone', { skip }, async () => {
  const { page, errors, close } = await open(`/?token=${tokens.reader}`);
  await row(page, 'court.txt').waitFor();
  assert.equal(await row(page, 'oil.txt').count(), 0);
  assert.ok(await page.getByRole('button', { name: 'Collection law' }).isDisabled());
  assert.equal(await page.getByRole('tab', { name: /Conversations/ }).count(), 0);
  await page.getByText('may search and read, but not ask').waitFor();
  await page.fill('#question', 'harbour hall');
  await page.keyboard.press('Enter');
  await page.locator('section[aria-label="Search results"] button').first().click();
  assert.match(await page.locator('[data-testid=page] mark').innerText(), /harbour hall/);
  assert.deepEqual(errors, []);
  await close();
});

test('who may only ask gets answers, and no documents', { skip }, async () => {
  const { page, errors, close } = await open(`/?token=${tokens.asker}`);
  await page.getByRole('tab', { name: /Conversations/ }).waitFor();
  await page.getByRole('tab', { name: /Documents/ }).waitFor({ state: 'detached' });
  await ask(page, 'How many litres of oil does the Zorblat engine need?');
  await waitAnswered(page);
  assert.match(await lastTurn(page).locator('[data-testid=answer]').innerText(), /42 litres/);
  await lastTurn(page).locator('[data-testid=answer] button').first().click();
  assert.equal(await page.locator('section.panel').count(), 0);
  assert.ok(await lastTurn(page).locator('section[aria-label=Sources] button').first().isDisabled());
  assert.deepEqual(errors, []);
  await close();
});

test('who may only write adds documents', { skip }, async () => {
  const { page, errors, close } = await open(`/?token=${tokens.sender}`, 'text=Add documents');
  await page.locator('#question').waitFor({ state: 'detached' });
  await page.setInputFiles('[data-testid=chooser]', { name: 'sent.txt', mimeType: 'text/plain', buffer: Buffer.from('Sent.') });
  await page.getByText('Added sent.txt').first().waitFor();
  assert.deepEqual(errors, []);
  await close();
});

test('a revoked token locks the page, and another one opens it again', { skip }, async () => {
  const leaver = newToken('leaver', '--scope', 'read,ask');
  await taken('leaver', leaver);
  const { page, errors, close } = await open(`/?token=${leaver}`);
  await row(page, 'oil.txt').waitFor();
  await page.fill('#question', 'a secret draft');
  command('tokens', 'revoke', 'leaver', '--data', fleet.data);
  await page.getByText('Your access token is no longer valid').waitFor();
  assert.equal(await page.locator('ul[aria-label=Documents]').count(), 0);
  await page.fill('#token', tokens.alice);
  await page.keyboard.press('Enter');
  await page.getByText('alice', { exact: true }).waitFor();
  assert.equal(await page.inputValue('#question'), '', 'what the holder of the other token typed is gone');
  assert.deepEqual(errors, []);
  await close();
});
