// A headless Chromium with the console in it, and the tool beside it. For browser_test.mjs and
// screenshots.mjs.
//
// Environment: CAIRN_MODULES, where npm put playwright-core; CAIRN_BIN, where the tool is;
// CAIRN_ENDPOINTS, as the tool takes them; CAIRN_HTTP, the nodes' pages; CAIRN_PIDS, their
// processes.
import {execFileSync} from 'node:child_process';
import {createRequire} from 'node:module';

const require = createRequire(`${process.env.CAIRN_MODULES}/`);
const {chromium} = require('playwright-core');

export const pages = process.env.CAIRN_HTTP.split(',').map((address) => `http://${address}`);
export const pids = (process.env.CAIRN_PIDS ?? '').split(',').map(Number);

// What the tool prints; `input` is its stdin.
export function cairn(args, input = '') {
  return execFileSync(`${process.env.CAIRN_BIN}/cairn`, args, {
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

// Records of any bytes, each behind its length.
export function append(log, records) {
  const parts = records.flatMap((record) => {
    const bytes = Buffer.from(record);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  cairn(['append', log, '--length-prefixed'], Buffer.concat(parts));
}

export function launch() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

// A page that notes whatever must not happen: errors, and requests to somebody else.
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({viewport: {width: 1360, height: 900}, ...options});
  const page = await context.newPage();
  const origin = new URL(url).origin;
  page.wrong = [];
  page.on('console', (message) => {
    if (message.type() === 'error') page.wrong.push(message.text());
  });
  page.on('pageerror', (error) => page.wrong.push(String(error)));
  page.on('dialog', (dialog) => {
    page.wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) page.wrong.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  return page;
}
