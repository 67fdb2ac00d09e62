// The console in a headless Chromium, on a real cluster of three nodes that has a log `orders` and
// 500 more. The last tests kill nodes, so their order matters.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {append, cairn, launch, openPage, pages, pids} from './browser.mjs';

const kHostile = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';
const kWaitMs = 30_000;

let browser;
let page;

before(async () => {
  browser = await launch();
  page = await openPage(browser, pages[0]);
  page.setDefaultTimeout(kWaitMs);
});

after(() => browser?.close());

const row = (log) =>
  page
    .locator('table.map tbody tr')
    .filter({has: page.getByRole('button', {name: log, exact: true})});

async function go(view) {
  await page.goto(`${new URL(page.url()).origin}/#/${view}`);
}

async function filter(text) {
  await go('overview');
  await page.getByLabel('Filter logs by name').fill(text);
}

// All that is wanted of a tail's rows, once they are there.
async function tailOf(log, decode, count) {
  await page.getByLabel('Log', {exact: true}).fill(log);
  await page.getByLabel('From seq').fill('1');
  await page.getByLabel('Decode').selectOption(decode);
  await page.getByRole('button', {name: 'Follow', exact: true}).click();
  const records = page.locator('ol.records li');
  await records.nth(count - 1).waitFor();
  return records.locator('pre').evaluateAll((all) => all.map((one) => one.textContent));
}

// Playwright's own waitForFunction evaluates a string, which the page forbids.
async function until(says, argument) {
  const end = Date.now() + kWaitMs;
  while (!(await page.evaluate(says, argument))) {
    assert.ok(Date.now() < end, String(says));
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

test('the page shows the cluster, from its own origin, without an error', async () => {
  await page.getByText('All is well: 3 nodes').waitFor();
  assert.equal(await page.locator('.card.node.ready').count(), 3);
  await filter('orders');
  await row('orders').locator('.mark.leader').waitFor();
  assert.equal(await row('orders').locator('.mark').count(), 3);
  assert.deepEqual(page.wrong, []);
});

test('500 logs are shown a page at a time', async () => {
  await filter('many/');
  await page.getByText('1–25 of 500').waitFor();
  await page.getByRole('button', {name: 'Next'}).click();
  await page.getByText('26–50 of 500').waitFor();
  assert.equal(await page.locator('table.map tbody tr').count(), 25);
  assert.ok((await page.evaluate(() => document.querySelectorAll('*').length)) < 2000);
  await page.getByLabel('Filter logs by name').fill('many/499');
  await page.getByText('1–1 of 1').waitFor();
  await page.getByLabel('Filter logs by name').fill('none such');
  await page.getByText('No log has that in its name').waitFor();
});

test('the tail decodes, and follows', async () => {
  cairn(['log', 'create', 'mixed']);
  append('mixed', [
    '*2\r\n$3\r\nDEL\r\n$1',
    '\r\nk\r\n',
    'plain text',
    '{"a": [1]}',
    Buffer.from([0, 255, 10]),
  ]);
  await go('tail');
  assert.match((await tailOf('mixed', 'text', 5))[2], /^plain text$/);
  assert.equal((await tailOf('mixed', 'json', 5))[3], '{\n  "a": [\n    1\n  ]\n}');
  assert.match((await tailOf('mixed', 'resp', 5))[1], /^DEL k$/);
  assert.match((await tailOf('mixed', 'hex', 5))[4], /^00000000 {2}00 ff 0a /);
  append('mixed', ['one more']);
  await page.locator('ol.records li').nth(5).waitFor();
  await page.getByRole('button', {name: 'Pause'}).click();
  await page.getByText('Paused at seq 6').waitFor();
  append('mixed', ['unseen']);
  await page.getByRole('button', {name: 'Resume'}).click();
  await page.locator('ol.records li').nth(6).waitFor();
});

test('a tail of what is not there says so', async () => {
  await page.getByLabel('Log', {exact: true}).fill('nosuch');
  await page.getByRole('button', {name: 'Follow', exact: true}).click();
  await page.locator('.status.wrong', {hasText: 'nosuch'}).waitFor();
  page.wrong = page.wrong.filter((text) => !text.includes('404')); // The browser's own line.
});

test('a tail keeps no more than it says', async () => {
  cairn(['log', 'create', 'long']);
  append(
    'long',
    Array.from({length: 1200}, (_, i) => `record ${i + 1}`),
  );
  await page.getByLabel('Log', {exact: true}).fill('long');
  await page.getByLabel('From seq').fill('1');
  await page.getByLabel('Decode').selectOption('text');
  await page.getByRole('button', {name: 'Follow', exact: true}).click();
  await page.locator('ol.records li', {hasText: 'record 1200'}).waitFor();
  assert.equal(await page.locator('ol.records li').count(), 500);
});

test('hostile payloads, leases and holders stay text', async () => {
  cairn(['log', 'create', 'hostile']);
  append('hostile', [
    kHostile,
    JSON.stringify({[kHostile]: kHostile}),
    `*1\r\n$${kHostile.length}\r\n${kHostile}\r\n`,
  ]);
  cairn(['lease', 'acquire', 'hostile', '--lease', kHostile, '--holder', kHostile, '--ttl', '60s']);
  for (const decode of ['auto', 'text', 'json', 'resp', 'hex']) {
    const shown = await tailOf('hostile', decode, 4);
    if (decode !== 'hex') assert.ok(shown[0].includes('<img src=x') || decode === 'resp', decode);
    assert.ok(shown[3].includes(kHostile));
  }
  await go('leases');
  await page.locator('td.holder', {hasText: '<img src=x'}).waitFor();
  await filter('hostile');
  await page.getByRole('button', {name: 'hostile', exact: true}).click();
  await page.locator('dialog', {hasText: '<img src=x'}).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.locator('main img, main script').count(), 0);
  assert.deepEqual(page.wrong, []);
});

test('leases count down', async () => {
  cairn([
    'lease',
    'acquire',
    'orders',
    '--lease',
    'counted',
    '--holder',
    'somebody',
    '--ttl',
    '40s',
  ]);
  await go('leases');
  await page.getByLabel('Filter leases by the name of their log').fill('orders');
  const left = page.locator('tr', {hasText: 'counted'}).locator('td.left span');
  await left.waitFor();
  const seconds = async () => parseFloat(await left.textContent());
  const first = await seconds();
  assert.ok(first > 0 && first <= 40, String(first));
  await until((was) => {
    const cell = [...document.querySelectorAll('#leases tr')].find((one) =>
      one.textContent.includes('counted'),
    );
    return parseFloat(cell.querySelector('td.left span').textContent) < was - 0.5;
  }, first);
});

test('no agent is an invitation to start one', async () => {
  await go('agents');
  await page.getByText('No agent has announced itself').waitFor();
});

test('the keyboard is enough', async () => {
  await go('overview');
  await page.reload();
  await page.locator('.card.node').first().waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  for (const [key, view] of [
    ['2', 'leases'],
    ['3', 'agents'],
    ['4', 'tail'],
    ['1', 'overview'],
  ]) {
    await page.keyboard.press(key);
    await page.locator(`#${view}`).waitFor({state: 'visible'});
    assert.equal(await page.locator('main > section:visible').count(), 1);
  }
  await page.keyboard.press('/');
  await page.keyboard.type('orders');
  await page.getByText('1–1 of 1').waitFor();
  await page.keyboard.press('Tab');
  while ((await page.evaluate(() => document.activeElement.textContent)) !== 'orders') {
    await page.keyboard.press('Tab');
    assert.notEqual(await page.evaluate(() => document.activeElement), null);
  }
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'where the focus is has to be seen');
  await page.keyboard.press('Enter');
  await page.locator('dialog[open]', {hasText: 'Archived'}).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog[open]').waitFor({state: 'detached'});
  await page.locator('body').press('?');
  await page.locator('dialog[open]', {hasText: 'Pause or resume'}).waitFor();
  await page.keyboard.press('Escape');
});

// Contrast of each text against what lies behind it, as WCAG computes it.
function poorContrasts() {
  const parse = (color) => {
    const canvas = document.createElement('canvas').getContext('2d');
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, below) =>
    [0, 1, 2].map((i) => (top[i] * top[3]) / 255 + below[i] * (1 - top[3] / 255)).concat(255);
  const ground = (element) => {
    const own =
      element === null ? [255, 255, 255, 255] : parse(getComputedStyle(element).backgroundColor);
    return own[3] === 255 ? own : over(own, ground(element.parentElement));
  };
  const luminance = (color) =>
    color
      .slice(0, 3)
      .map((c) => c / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const says = [...element.childNodes].some(
      (node) => node.nodeType === 3 && node.textContent.trim() !== '',
    );
    const exempt = element.closest(':disabled, noscript, option, .skip, svg');
    const unseen =
      element.getClientRects().length === 0 || getComputedStyle(element).fontSize === '0px';
    if (!says || exempt || unseen) continue;
    const below = ground(element);
    const [a, b] = [
      luminance(over(parse(getComputedStyle(element).color), below)),
      luminance(below),
    ];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5)
      poor.push(
        `${element.className} "${element.textContent.slice(0, 30)}" ${contrast.toFixed(2)}`,
      );
  }
  return poor;
}

// Controls and pictures that a screen reader could not name.
function nameless() {
  const named = (element) =>
    element.getAttribute('aria-label') ||
    element.getAttribute('aria-labelledby') ||
    (element.id !== '' && document.querySelector(`label[for="${element.id}"]`) !== null) ||
    (element.matches('button, a') && element.textContent.trim() !== '');
  return [...document.querySelectorAll('button, a, input, select, meter, [role=img]')]
    .filter((element) => element.getClientRects().length > 0 && !named(element))
    .map((element) => element.outerHTML.slice(0, 80));
}

for (const theme of ['light', 'dark']) {
  test(`everything can be read and has a name: ${theme}`, async () => {
    await page.emulateMedia({colorScheme: theme});
    for (const view of ['overview', 'leases', 'agents', 'tail']) {
      await go(view);
      await page.locator(`#${view}`).waitFor({state: 'visible'});
      assert.deepEqual(await page.evaluate(poorContrasts), [], view);
      assert.deepEqual(await page.evaluate(nameless), [], view);
    }
  });
}

test('the switch overrules the system, also after a reload', async () => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({colorScheme: 'dark'});
  const dark = await ground();
  await page.getByRole('button', {name: 'Switch theme'}).click();
  const light = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await ground(), light);
  await page.getByRole('button', {name: 'Switch theme'}).click();
  assert.equal(await ground(), dark);
});

test('it fits 400 pixels', async () => {
  await page.setViewportSize({width: 400, height: 800});
  for (const view of ['overview', 'leases', 'agents', 'tail']) {
    await go(view);
    await page.locator(`#${view}`).waitFor({state: 'visible'});
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 400, view);
  }
  await page.setViewportSize({width: 1360, height: 900});
});

test('a killed leader is told, and who leads now', async () => {
  await filter('orders');
  const leader = row('orders').locator('td.leader');
  await leader.waitFor();
  const old = await leader.textContent();
  const killed = Number(old.slice(1)) - 1;
  const survivor = (killed + 1) % 3;
  await page.goto(pages[survivor]);
  await filter('orders');
  await leader.waitFor();
  process.kill(pids[killed], 'SIGKILL');
  await page.locator('.alert.critical', {hasText: `${old} at`}).waitFor();
  await until((was) => {
    const cell = document.querySelector('table.map td.leader');
    return /^n[123]$/.test(cell.textContent) && cell.textContent !== was;
  }, old);
  await row('orders').locator('.mark.lost').waitFor();
  assert.equal(await page.locator('.card.node.lost').count(), 1);
  assert.deepEqual(await page.evaluate(poorContrasts), []);
  const second = [0, 1, 2].find((node) => node !== killed && node !== survivor);
  process.kill(pids[second], 'SIGKILL');
  await page.locator('.alert.critical', {hasText: 'no quorum'}).waitFor();
  await go('tail');
  await tailOf('mixed', 'text', 5); // What is committed can still be read.
  process.kill(pids[survivor], 'SIGKILL');
  await until(() => document.querySelector('#pulse').textContent === 'Lost');
});
