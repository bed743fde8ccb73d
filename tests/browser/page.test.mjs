// The page from the first file to a cited answer, in quoting mode: no language model is involved.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { addFiles, ask, cannotRun, document, dropFile, lastTurn, row, startBrowser, startFleet, waitAnswered, waitReady } from './fixture.mjs';

const skip = cannotRun();
const pdf = document('filings', 'MICROSOFT_2023_10K.pdf');
const skipData = skip || (pdf === null && 'the folder filings of the test data is absent');
// The name keeps runs against one server apart.
const run = Date.now().toString(36);
const notes = `notes-${run}-🎉-日本.md`;

let fleet;
let browser;

before(async () => {
  if (skip) return;
  fleet = await startFleet();
  browser = await startBrowser();
});

after(async () => {
  await browser?.stop();
  await fleet?.stop();
});

test('a dropped text becomes searchable and is cited word for word', { skip }, async () => {
  const { page, errors, close } = await browser.open(fleet.url);
  const text = `# Machines\n\nThe Zorblat ${run} engine needs 42 litres of oil 🎉 日本語 every winter.\n\nIt was painted blue in 1987.\n`;
  await dropFile(page, notes, 'text/markdown', Buffer.from(text));
  await waitReady(page, notes);
  await ask(page, `How many litres of oil does the Zorblat ${run} engine need?`);
  await waitAnswered(page);
  const turn = lastTurn(page);
  assert.match(await turn.locator('[data-testid=answer]').innerText(), /42 litres of oil 🎉 日本語/);
  await turn.locator('[data-testid=answer] button').first().click();
  const marked = page.locator('[data-testid=page] mark');
  await marked.waitFor();
  assert.match(await marked.innerText(), /42 litres of oil 🎉 日本語/);
  assert.match(await page.locator('section[aria-label^="Page 1 of"]').getAttribute('aria-label'), /notes-/);
  await page.keyboard.press('Escape');
  await marked.waitFor({ state: 'detached' });
  assert.deepEqual(errors, []);
  await close();
});

test('a real PDF shows its stages and can be asked while it is processed', { skip: skipData }, async () => {
  const { page, errors, close } = await browser.open(fleet.url);
  const name = `filing-${run}.pdf`;
  // A fast machine is through with a stage in less than a look from outside takes: the page itself keeps record.
  await page.evaluate(() => {
    window.seen = new Set();
    const look = () => {
      for (const meter of window.document.querySelectorAll('[role=progressbar]')) window.seen.add(meter.getAttribute('aria-label'));
      for (const line of window.document.body.innerText.match(/[1-9][\d,]* of [\d,]+ pages searchable/g) ?? []) window.seen.add(line);
    };
    new MutationObserver(look).observe(window.document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  await dropFile(page, name, 'application/pdf', readFileSync(pdf));
  await page.waitForFunction(() => [...window.seen].some((text) => /pages searchable/.test(text)), null, { timeout: 60_000 });
  const seen = await page.evaluate(() => [...window.seen]);
  for (const stage of ['Extract', 'Embed', 'Index']) assert.ok(seen.some((label) => label.includes(stage)), `${stage} in ${seen}`);
  await ask(page, 'How did revenue from Azure and other cloud services grow?');
  await waitAnswered(page);
  assert.ok((await lastTurn(page).locator('[data-testid=answer]').innerText()).length > 20);
  await waitReady(page, name);
  await ask(page, 'What was total revenue in fiscal year 2023?');
  await waitAnswered(page);
  const source = lastTurn(page).locator('section[aria-label=Sources] button').first();
  await source.click();
  await page.locator('[data-testid=page] mark').waitFor();
  const heading = page.locator('section.panel header p');
  const before = await heading.innerText();
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.waitForFunction((old) => window.document.querySelector('section.panel header p')?.textContent !== old, before);
  await page.getByText(/Back to the cited page/).click();
  await page.locator('[data-testid=page] mark').waitFor();
  assert.deepEqual(errors, []);
  await close();
});

test('a file that cannot be read says why and can be tried again and deleted', { skip }, async () => {
  const { page, errors, close } = await browser.open(fleet.url);
  const empty = `empty-${run}.txt`;
  await dropFile(page, empty, 'text/plain', Buffer.alloc(0));
  await row(page, empty).getByText('This file is empty.').waitFor();
  await row(page, empty).getByRole('button', { name: /Try .* again/ }).click();
  await row(page, empty).getByText('This file is empty.').waitFor();
  const office = `letter-${run}.docx`;
  await dropFile(page, office, '', Buffer.from('PK\u0003\u0004 not really'));
  await row(page, office).getByText('This kind of file is not supported.').waitFor();
  for (const name of [empty, office]) {
    await row(page, name).getByRole('button', { name: `Delete ${name}` }).click({ force: true });
    await row(page, name).getByRole('button', { name: 'Delete', exact: true }).click();
    await row(page, name).waitFor({ state: 'detached' });
  }
  assert.deepEqual(errors, []);
  await close();
});

test('a collection is created, holds its own documents, and goes with them', { skip }, async () => {
  const { page, errors, close } = await browser.open(fleet.url);
  const name = `col-${run}`;
  await page.getByRole('button', { name: /^Collection/ }).click();
  await page.getByLabel('Name of a new collection').fill('not a name!');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByText(/Only letters, digits/).waitFor();
  await page.getByLabel('Name of a new collection').fill(name);
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('button', { name: new RegExp(`^Collection ${name}`) }).waitFor();
  await addFiles(page, { name: `own-${run}.txt`, mimeType: 'text/plain', buffer: Buffer.from('The gate opens at seven in the morning.') });
  await waitReady(page, `own-${run}.txt`);
  await page.getByRole('button', { name: /^Collection/ }).click();
  await page.getByRole('button', { name: `Delete the collection ${name}` }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('button', { name: /^Collection default/ }).waitFor();
  assert.deepEqual(errors, []);
  await close();
});

test('conversations are kept, opened again by address, and deleted', { skip }, async () => {
  const { page, errors, close } = await browser.open(fleet.url);
  const question = `Where is the ${run} lamp?`;
  await ask(page, question);
  await waitAnswered(page);
  const answer = await lastTurn(page).locator('[data-testid=answer]').innerText();
  await ask(page, 'And who lit it?');
  await waitAnswered(page);
  assert.match(page.url(), /#\/c\//);
  await page.reload();
  await page.locator('article').nth(1).waitFor();
  assert.equal(await page.locator('article [data-testid=answer]').first().innerText(), answer);
  await page.getByRole('tab', { name: /Conversations/ }).click();
  const entry = page.locator('ul[aria-label=Conversations] > li').filter({ hasText: question });
  await entry.getByRole('button', { name: /^Delete/ }).click({ force: true });
  await entry.getByRole('button', { name: 'Delete', exact: true }).click();
  await entry.waitFor({ state: 'detached' });
  assert.equal(await page.locator('article').count(), 0);
  assert.deepEqual(errors, []);
  await close();
});

test('quoting mode says so and how to connect a model', { skip }, async () => {
  const { page, close } = await browser.open(fleet.url);
  await page.getByText(/Quoting mode/).waitFor();
  await page.getByRole('button', { name: 'Connect a model' }).click();
  await page.getByText('OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=llama3.2 ./dev up').waitFor();
  await page.keyboard.press('Escape');
  await close();
});

test('nothing overflows on a phone, and the page of a citation is a sheet', { skip }, async () => {
  const { page, close } = await browser.open(fleet.url, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  await ask(page, `How many litres of oil does the Zorblat ${run} engine need?`);
  await waitAnswered(page);
  assert.equal(await page.evaluate(() => window.document.documentElement.scrollWidth), 360);
  await lastTurn(page).locator('[data-testid=answer] button').first().click();
  await page.locator('[data-testid=page] mark').waitFor();
  const box = await page.locator('section.panel').boundingBox();
  assert.equal(Math.round(box.width), 360);
  assert.ok(box.y > 100);
  await page.getByRole('button', { name: 'Close the page' }).last().click();
  await page.getByRole('button', { name: 'Open the menu' }).click();
  await row(page, notes).waitFor();
  await close();
});

test('the keyboard reaches everything', { skip }, async () => {
  const { page, close } = await browser.open(fleet.url);
  await page.getByRole('tab', { name: /Documents/ }).press('/');
  assert.equal(await page.evaluate(() => window.document.activeElement?.id), 'question');
  await page.keyboard.type('first line');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('second');
  assert.equal(await page.inputValue('#question'), 'first line\nsecond');
  assert.equal(await page.locator('article').count(), 0);
  await page.getByRole('tab', { name: /Documents/ }).focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.getByRole('tab', { name: /Conversations/ }).getAttribute('aria-selected'), 'true');
  await close();
});
