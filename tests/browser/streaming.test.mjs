// Answers while they grow: stop, reload in the middle, the server away in the middle. A model server that gives a few
// tokens per second makes the middle long enough to act in.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, cannotRun, dropFile, lastTurn, startBrowser, startFleet, startModelServer, waitAnswered, waitReady } from './fixture.mjs';

const kTokens = 40;
const kTokensPerSecond = 8;
const skip = cannotRun({ url: '' });
const whole = Array.from({ length: kTokens }, (_, i) => `token${i + 1}`).join(' ');

let model;
let fleet;
let browser;

before(async () => {
  if (skip) return;
  model = await startModelServer();
  const environment = { OPENAI_API_KEY: 'test', OPENAI_BASE_URL: model.url, OPENAI_MODEL: `slow-${kTokensPerSecond}tps` };
  fleet = await startFleet({ environment, url: '' });
  browser = await startBrowser();
  const { page, close } = await browser.open(fleet.url);
  await dropFile(page, 'lamps.txt', 'text/plain', Buffer.from('The lamps of the harbour are lit at dusk by the keeper.'));
  await waitReady(page, 'lamps.txt');
  await close();
});

after(async () => {
  await browser?.stop();
  await fleet?.stop();
  await model?.stop();
});

const answer = (page) => lastTurn(page).locator('[data-testid=answer]');

async function askAndSee(page, token) {
  await ask(page, 'Who lights the lamps of the harbour?');
  await answer(page).getByText(token).waitFor();
}

test('tokens are shown as they come', { skip }, async () => {
  const { page, errors, close } = await browser.open(fleet.url);
  await askAndSee(page, 'token3');
  const early = (await answer(page).innerText()).trim();
  assert.ok(early.length < whole.length / 2, early);
  await waitAnswered(page);
  assert.equal((await answer(page).innerText()).trim(), whole);
  assert.deepEqual(errors, []);
  await close();
});

test('a running answer is stopped and stays as far as it came', { skip }, async () => {
  const { page, close } = await browser.open(fleet.url);
  await askAndSee(page, 'token4');
  await page.getByRole('button', { name: 'Stop the answer' }).click();
  await waitAnswered(page, 5_000);
  await lastTurn(page).getByText('Stopped', { exact: true }).waitFor();
  const text = (await answer(page).innerText()).trim();
  assert.ok(whole.startsWith(text) && text.length < whole.length, text);
  await close();
});

test('a reload in the middle of an answer loses nothing', { skip }, async () => {
  const { page, errors, close } = await browser.open(fleet.url);
  await askAndSee(page, 'token5');
  await page.reload();
  await answer(page).getByText('token5').waitFor();
  assert.equal(await page.locator('article').count(), 1);
  await waitAnswered(page);
  assert.equal((await answer(page).innerText()).trim(), whole);
  assert.deepEqual(errors, []);
  await close();
});

test('a second window sees the same answer grow', { skip }, async () => {
  const first = await browser.open(fleet.url);
  await askAndSee(first.page, 'token2');
  const second = await browser.open(first.page.url());
  await waitAnswered(second.page);
  assert.equal((await answer(second.page).innerText()).trim(), whole);
  await first.close();
  await second.close();
});

test('an answer goes on while another conversation is open', { skip }, async () => {
  const { page, close } = await browser.open(fleet.url);
  await askAndSee(page, 'token2');
  const address = page.url();
  await page.getByRole('button', { name: 'New conversation' }).click();
  assert.equal(await page.locator('article').count(), 0);
  await page.evaluate((url) => (location.hash = new URL(url).hash), address);
  await waitAnswered(page);
  assert.equal((await answer(page).innerText()).trim(), whole);
  await close();
});

test('the server goes away and comes back, and the page with it', { skip }, async () => {
  const { page, errors, close } = await browser.open(fleet.url);
  await askAndSee(page, 'token4');
  await fleet.restart(async () => {
    await page.getByText(/The server is away/).waitFor();
  });
  await page.getByText(/The server is away/).waitFor({ state: 'detached' });
  await waitAnswered(page);
  assert.equal((await answer(page).innerText()).trim(), whole);
  assert.deepEqual(errors, []);
  await close();
});
