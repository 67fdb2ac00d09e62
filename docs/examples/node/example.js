#!/usr/bin/env node
// Append, compare-and-append, tail and election against a cluster of Cairn.
//
//   node example.js host:port,host:port,… [log]
//
// Wants @grpc/grpc-js and @grpc/proto-loader; the API is read from proto/ as it is. The log must be
// new. Each step says what it saw, and the program ends with 0 if that is what a cluster must show.
'use strict';

const { randomUUID } = require('node:crypto');
const { setTimeout: sleep } = require('node:timers/promises');
const { Cluster, Producer, Refused } = require('./cairn_calls.js');

function check(condition, what) {
  if (!condition) throw new Error(`unexpected: ${what}`);
  console.log(what);
}

// What the call was refused for; it must be.
async function refusedBy(call) {
  try {
    await call;
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error('unexpected: it was not refused');
}

// Records from `startSeq` through `through`; ends the stream when it has them.
async function* tail(cluster, log, startSeq, through) {
  const stream = cluster.logs.Tail({ log, start_seq: startSeq });
  try {
    for await (const { batches } of stream) {
      for (const batch of batches) {
        let seq = BigInt(batch.first_seq);
        for (const record of batch.records) {
          yield record;
          if (seq === BigInt(through)) return;
          seq += 1n;
        }
      }
    }
  } finally {
    stream.on('error', () => {});  // That it was cancelled.
    stream.cancel();
  }
}

async function appendExactlyOnce(cluster, log, logId) {
  const producer = await Producer.open(cluster, log, logId);
  const { first_seq: first, last_seq: last } = await producer.append('one', 'two');
  check(first === '1' && last === '2', 'appended 1 … 2');
}

// Adds a record only where nobody else has; who loses looks at the log again.
async function compareAndAppend(cluster, log, logId) {
  const appendBehind = (lastSeq) => cluster.call('Append', {
    log,
    log_id: logId,
    records: [{ payload: Buffer.from('three') }],
    condition: { if_last_seq: lastSeq },
  });
  const refused = await refusedBy(appendBehind(1));
  check(refused.because('CONDITION_FAILED') && refused.info.last_seq === '2',
    'refused: the log is at 2');
  const { last_seq: last } = await appendBehind(refused.info.last_seq);
  check(last === '3', 'appended 3 behind 2');
}

async function follow(cluster, log) {
  const payloads = [];
  for await (const record of tail(cluster, log, 1, 3)) payloads.push(record.payload.toString());
  check(payloads.join() === 'one,two,three', 'tailed one, two, three');
}

// Renews three times in a TTL until it is stopped; a real holder ceases to act when it cannot.
function keepAlive(cluster, log, logId, epoch) {
  let stopped = false;
  const renewing = (async () => {
    while (!stopped) {
      await cluster.call('Renew', { log, log_id: logId, epoch }, { service: 'leases' });
      await sleep(300);
    }
  })();
  return () => {
    stopped = true;
    return renewing;
  };
}

async function elect(cluster, log, logId) {
  const acquire = async () => {
    const request = { log, log_id: logId, ttl_ms: 1000, holder: `example/${randomUUID()}` };
    return (await cluster.call('Acquire', request, { service: 'leases', safe: false })).epoch;
  };
  const appendUnder = async (epoch) => (await cluster.call('Append', {
    log,
    log_id: logId,
    records: [{ payload: Buffer.from('from the leader') }],
    condition: { if_lease_epoch: epoch },
  }, { safe: false })).last_seq;

  const epoch = await acquire();
  check(epoch === '4', 'elected, epoch 4');
  const stop = keepAlive(cluster, log, logId, epoch);
  check((await refusedBy(acquire())).because('LEASE_HELD'), 'nobody else is elected');
  check(await appendUnder(epoch) === '5', 'appended 5 as the leader');
  await stop();
  await cluster.call('Release', { log, log_id: logId, epoch }, { service: 'leases' });
  const successor = await acquire();
  check(successor === '7', 'the next one is elected, epoch 7');
  check((await refusedBy(appendUnder(epoch))).because('LEASE_LOST'), 'the old leader is fenced');
  check(await appendUnder(successor) === '8', 'appended 8 as the leader');
}

async function main([endpoints, log = 'examples/node']) {
  if (!endpoints) throw new Error('usage: node example.js host:port,host:port,… [log]');
  const cluster = new Cluster(endpoints.split(','));
  try {
    const { log_id: logId } = await cluster.call('CreateLog', { name: log });
    await appendExactlyOnce(cluster, log, logId);
    await compareAndAppend(cluster, log, logId);
    await follow(cluster, log);
    await elect(cluster, log, logId);
    console.log('done');
  } finally {
    cluster.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
