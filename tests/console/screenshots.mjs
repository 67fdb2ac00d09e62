// Takes the pictures of docs/console.md, of a running cluster (scripts/console-screenshots). The
// last one is of a node that was killed for it.
//
//   node screenshots.mjs FOLDER
import {append, cairn, launch, openPage, pages, pids} from './browser.mjs';

const kHistoryMs = 100_000; // The charts are to show something.

const [folder] = process.argv.slice(2);
const browser = await launch();

async function shoot(page, name) {
  const session = await page.context().newCDPSession(page);
  await session.send('Animation.enable').catch(() => {});
  await page.screenshot({path: `${folder}/${name}.png`});
  if (page.wrong.length > 0) console.error(name, page.wrong);
}

async function fillTail(page) {
  const set = (key, value) =>
    `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`;
  cairn(['log', 'create', 'events']);
  const records = [];
  for (let i = 1; i <= 14; ++i) {
    records.push(
      JSON.stringify({order: 4200 + i, state: i % 3 === 0 ? 'paid' : 'placed', items: (i % 5) + 1}),
    );
    records.push(set(`session:${(i * 7919) % 1000}`, `user-${i}`));
    if (i % 4 === 0)
      records.push(Buffer.from(Array.from({length: 48}, (_, n) => (n * i * 37) % 256)));
    if (i % 5 === 0) records.push(`checkpoint ${i}, nothing to do`);
  }
  append('events', records);
  cairn(['lease', 'acquire', 'events', '--holder', 'billing-7f9c/3', '--ttl', '90s']);
  await page.goto(`${pages[0]}/#/tail/events/1`);
  await page.locator('ol.records li').nth(30).waitFor();
  await page.locator('ol.records li').nth(26).locator('summary').click();
  await page.locator('ol.records').evaluate((list) => list.scrollTo(0, list.scrollHeight));
}

const light = await openPage(browser, pages[0], {colorScheme: 'light'});
const dark = await openPage(browser, pages[1], {colorScheme: 'dark'});
const narrow = await openPage(browser, pages[0], {
  colorScheme: 'light',
  viewport: {width: 400, height: 860},
});
await light.waitForTimeout(kHistoryMs);
await shoot(light, 'light');
await shoot(narrow, 'narrow');
await dark.goto(`${pages[1]}/#/agents`);
await dark.locator('.card.cache').first().waitFor();
await shoot(dark, 'agents');
await dark.goto(`${pages[1]}/#/leases`);
await dark.locator('#leases tbody tr').first().waitFor();
await shoot(dark, 'leases');
await dark.goto(`${pages[1]}/#/overview`);
await dark.locator('table.map tbody tr').first().waitFor();
await shoot(dark, 'dark');
await fillTail(light);
await shoot(light, 'tail');

await light.goto(`${pages[0]}/#/overview`);
process.kill(pids[2], 'SIGKILL');
await light.locator('.alert.critical').waitFor();
await light.locator('.mark.lost').first().waitFor();
await light.waitForTimeout(12_000);
await shoot(light, 'fault');
await browser.close();
