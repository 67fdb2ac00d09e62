// memcached of npm, as it comes, at one address or at two of the same cache.
//
//   node memcached_client.js PREFIX WRITE_AT READ_AT
//
// Every call that the library has for items, with what it must return from a memcached; what is
// written at one address is read at the other. Prints "passed N", or what was wrong, and ends with 1.
'use strict';
const assert = require('assert').strict;
const Memcached = require('memcached');
const {promisify} = require('util');

const [prefix, writeAt, readAt] = process.argv.slice(2);
const key = (name) => `${prefix}-${name}`;

function connect(address) {
  const client = new Memcached(address, {timeout: 20000, retries: 0});
  const calls = {};
  for (const name of ['set', 'get', 'getMulti', 'gets', 'cas', 'add', 'replace', 'append',
                      'prepend', 'incr', 'decr', 'touch', 'del', 'version', 'flush', 'stats']) {
    calls[name] = promisify(client[name].bind(client));
  }
  calls.end = () => client.end();
  return calls;
}

let passed = 0;
function same(what, got, wanted) {
  assert.deepEqual(got, wanted, what);
  passed += 1;
}
// What the library makes an error of a reply that says no.
async function refused(what, call) {
  await assert.rejects(call, undefined, what);
  passed += 1;
}

async function main() {
  const writer = connect(writeAt);
  const reader = connect(readAt);
  same('set', await writer.set(key('a'), 'one', 0), true);
  same('get', await reader.get(key('a')), 'one');
  same('get of none', await reader.get(key('none')), undefined);
  await refused('add of what is there', writer.add(key('a'), 'x', 0));
  same('add', await writer.add(key('b'), '2', 0), true);
  await refused('replace of none', writer.replace(key('c'), 'x', 0));
  same('replace', await writer.replace(key('b'), '3', 0), true);
  same('append', await writer.append(key('b'), '4'), true);
  same('prepend', await writer.prepend(key('b'), '2'), true);
  same('get of all that', await reader.get(key('b')), '234');
  // Its flags tell objects and buffers apart.
  same('an object', await writer.set(key('o'), {deep: [1, 2]}, 0), true);
  same('get of that', await reader.get(key('o')), {deep: [1, 2]});
  same('a buffer', await writer.set(key('f'), Buffer.from([0, 13, 10, 255]), 0), true);
  same('get of that', await reader.get(key('f')), Buffer.from([0, 13, 10, 255]));
  const large = 'x'.repeat(900000);
  same('a large value', await writer.set(key('l'), large, 0), true);
  same('get of that', await reader.get(key('l')), large);
  same('getMulti', await reader.getMulti([key('a'), key('b'), key('none')]),
       {[key('a')]: 'one', [key('b')]: '234'});
  const told = await reader.gets(key('a'));
  same('cas', await writer.cas(key('a'), 'two', told.cas, 0), true);
  same('cas with the old token', await writer.cas(key('a'), 'three', told.cas, 0), false);
  same('get', await reader.get(key('a')), 'two');
  await writer.set(key('n'), '41', 0);
  same('incr', await writer.incr(key('n'), 1), 42);
  same('decr', await writer.decr(key('n'), 50), 0);
  same('incr of none', await writer.incr(key('nn'), 1), false);
  same('touch', await writer.touch(key('a'), 1000), true);
  same('del', await writer.del(key('a')), true);
  same('del of none', await writer.del(key('a')), false);
  same('get of none', await reader.get(key('a')), undefined);
  same('version', (await writer.version()).length, 1);
  same('flush', await writer.flush(), [true]);
  same('nothing is left', await reader.get(key('b')), undefined);
  console.log(`passed ${passed}`);
  writer.end();
  reader.end();
}

main().catch((error) => {
  console.log(String(error && error.stack || error));
  process.exit(1);
});
