// The page's pure parts, by node's own test runner: decoders, formats, rates. No browser.
//
//   PAGE=server/console/page node --test tests/console/page_test.mjs
import assert from 'node:assert/strict';
import {join, resolve} from 'node:path';
import {test} from 'node:test';
import {pathToFileURL} from 'node:url';

const page = (name) => import(pathToFileURL(join(resolve(process.env.PAGE), name)).href);
const {Decoder, asHex, asJson, asText, fromBase64, isText} = await page('decode.mjs');
const {RespDecoder, formatCommand} = await page('resp.mjs');
const format = await page('format.mjs');
const {Series, difference, merge, quantile, roundUp} = await page('rates.mjs');
const {pathOf} = await page('chart.mjs');

const utf8 = (text) => new TextEncoder().encode(text);
const lines = (commands) => commands.map(formatCommand);

test('commands may reach over the ends of records, wherever these are', () => {
  const stream = utf8(
    '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\nPING  now\r\n\r\n*0\r\n*2\r\n$3\r\nDEL\r\n$0\r\n\r\n',
  );
  for (let at = 0; at <= stream.length; ++at) {
    const decoder = new RespDecoder();
    const first = decoder.feed(stream.slice(0, at));
    const second = decoder.feed(stream.slice(at));
    assert.equal(first.error + second.error, '');
    assert.equal(second.open, 0);
    assert.deepEqual(
      lines([...first.commands, ...second.commands]),
      ['SET k "a\\r\\nb"', 'PING now', 'DEL ""'],
      `cut at ${at}`,
    );
  }
});

test('a foreign record does not hide the next', () => {
  for (const foreign of ['*1\r\n:5\r\n', '*x\r\n', '*1\r\n$-7\r\n', '*1\r\n$99999999999\r\n']) {
    const decoder = new RespDecoder();
    assert.match(decoder.feed(utf8(foreign)).error, /expected/);
    assert.deepEqual(lines(decoder.feed(utf8('*1\r\n$4\r\nPING\r\n')).commands), ['PING']);
  }
});

test('a command that never ends is given up at a bound', () => {
  const decoder = new RespDecoder();
  const piece = new Uint8Array(600_000).fill(0x61);
  assert.equal(decoder.feed(piece).error, '');
  assert.match(decoder.feed(piece).error, /1 MiB/);
  assert.equal(decoder.pending.length, 0);
});

test('what is printed can be told from what separates it', () => {
  assert.equal(formatCommand([utf8('SET'), utf8('a b'), utf8('')]), 'SET "a b" ""');
  assert.equal(formatCommand([Uint8Array.of(13, 10, 34, 1, 255, 92)]), '"\\r\\n\\"\\x01\\xff\\\\"');
});

test('text shows what does not show', () => {
  assert.equal(asText(utf8('a\tb\r\nc\u0000\u001b[31m\u202e!')).text, 'a\tb\nc␀␛[31m\ufffd!');
  assert.equal(asText(Uint8Array.of(0x61, 0xff)).text, 'a\ufffd');
  assert.equal(isText(utf8('grün\n')), true);
  assert.equal(isText(Uint8Array.of(0x61, 0xff)), false);
  assert.equal(isText(utf8('\u0001')), false);
});

test('hex has offsets, sixteen bytes a row, and what of them is ASCII', () => {
  const rows = asHex(Uint8Array.from({length: 18}, (_, i) => 0x3b + i)).text.split('\n');
  assert.deepEqual(rows, [
    '00000000  3b 3c 3d 3e 3f 40 41 42  43 44 45 46 47 48 49 4a  |;<=>?@ABCDEFGHIJ|',
    `00000010  4b 4c${' '.repeat(45)}|KL|`,
  ]);
  assert.equal(asHex(new Uint8Array(0)).text, '');
});

test('JSON is laid out; what is none is shown as text, and said to be none', () => {
  assert.equal(asJson(utf8('{"a":[1]}')).text, '{\n  "a": [\n    1\n  ]\n}');
  const broken = asJson(utf8('{"a":'));
  assert.equal(broken.text, '{"a":');
  assert.match(broken.note, /no JSON/);
});

test('a guess looks at the first bytes', () => {
  const decoder = new Decoder('auto');
  assert.equal(decoder.decode(utf8('*1\r\n$4\r\nPING\r\n')).text, 'PING');
  assert.equal(decoder.decode(utf8('[1]')).text, '[\n  1\n]');
  assert.equal(decoder.decode(utf8('plain')).text, 'plain');
  assert.match(decoder.decode(Uint8Array.of(0, 1)).text, /^00000000 {2}00 01/);
});

test('markup stays text in every decode', () => {
  const hostile = '<img src=x onerror=alert(1)>';
  for (const mode of ['auto', 'text', 'json']) {
    assert.ok(new Decoder(mode).decode(utf8(hostile)).text.includes(hostile));
  }
});

test('base64 is bytes, not text', () => {
  assert.deepEqual([...fromBase64('/wA=')], [255, 0]);
});

test('numbers, bytes and times as people read them', () => {
  assert.equal(format.bytes(0), '0 B');
  assert.equal(format.bytes(1536), '1.5 KiB');
  assert.equal(format.bytes(5 * 2 ** 40), '5 TiB');
  assert.equal(format.count(1234567), '1\u2009234\u2009567');
  assert.equal(format.short(950), '950');
  assert.equal(format.short(1234), '1.2 k');
  assert.equal(format.short(1000), '1 k');
  assert.equal(format.seconds(85e-6), '85 µs');
  assert.equal(format.seconds(0.0012), '1.2 ms');
  assert.equal(format.seconds(null), '–');
  assert.equal(format.span(3_725_000), '1 h 2 min');
  assert.equal(format.left(2400), '2.4 s');
  assert.equal(format.left(-5), '0.0 s');
  assert.equal(format.plural(1, 'entry', 'entries'), '1 entry');
  const archive = {on: true, archived_seq: 0, first_seq: 0, location: '', trouble: ''};
  assert.equal(format.archived(null, 5), 'no');
  assert.equal(format.archived(archive, 5), 'nothing yet');
  archive.archived_seq = 4;
  assert.equal(format.archived(archive, 5), 'up to record 4, 1 record behind');
  const log = {first_seq: 3, last_seq: 5, archive};
  assert.equal(format.firstSeq({...log, archive: null}), 3);
  assert.equal(format.firstSeq(log), 3, 'the node has not looked yet');
  archive.first_seq = 1;
  assert.equal(format.firstSeq(log), 1);
  archive.first_seq = 4;
  assert.equal(format.firstSeq(log), 3, 'the archive began later');
  Object.assign(archive, {on: false, trouble: 'no\nspace'});
  assert.equal(
    format.archived(archive, 4),
    'no longer; up to record 4, 0 records behind; held up: no␊space',
  );
  assert.equal(format.visible('a\n\u202eb'), 'a␊\ufffdb');
});

test('quantiles lie within the bucket that holds them', () => {
  const bounds = [1, 2, 4];
  assert.equal(quantile(bounds, [0, 0, 0, 0], 0.5), null);
  assert.equal(quantile(bounds, [10, 0, 0, 0], 0.5), 0.5);
  assert.equal(quantile(bounds, [0, 10, 10, 0], 0.75), 3);
  assert.equal(quantile(bounds, [0, 0, 0, 3], 0.99), 4);
});

function answer(uptime_ms, appends, counts) {
  return {
    answered: true,
    uptime_ms,
    counters: {
      append_requests: appends,
      append_refused: 0,
      append_records: appends,
      append_bytes: 10 * appends,
      store_syncs: appends,
      append_seconds: {upper_bounds_s: [1], counts},
      store_turn_seconds: {upper_bounds_s: [1], counts},
    },
  };
}

test('rates are differences of one life of a process', () => {
  const first = answer(1000, 100, [100, 0]);
  const later = answer(3000, 300, [300, 0]);
  const point = merge([difference(first, later), difference(first, later)]);
  assert.equal(point.appends, 200);
  assert.equal(point.bytes, 2000);
  assert.equal(point.appendP50, 0.5);
  assert.equal(difference(later, first), null, 'the process has started anew');
  assert.equal(difference(first, first), null, 'the same answer again');
  assert.equal(difference(first, {answered: false}), null);
  assert.equal(difference(undefined, first), null);
  assert.equal(merge([]), null);
});

test('a series keeps the last points, and an axis ends at a round number', () => {
  const series = new Series(2);
  for (const x of [1, 2, 3]) series.add({x});
  assert.deepEqual(series.of('x'), [2, 3]);
  assert.deepEqual(
    [0, 0.7, 1, 3, 12, 50].map((n) => roundUp(n)),
    [1, 1, 1, 5, 20, 50],
  );
  assert.deepEqual(
    [3, 1500, 3 * 2 ** 20].map((n) => roundUp(n, 1024)),
    [5, 2048, 5 * 2 ** 20],
  );
});

test('a line has gaps where nothing is known', () => {
  assert.equal(pathOf([null, 0, null, 1], 1, 4).match(/M/g).length, 2);
  assert.equal(pathOf([], 1, 4), '');
});
