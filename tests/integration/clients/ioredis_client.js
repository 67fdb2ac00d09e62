// A stock client through failovers: ioredis, as it comes.
//
//   node ioredis_client.js plain    HOST:PORT
//   node ioredis_client.js cluster  HOST:PORT,…
//   node ioredis_client.js sentinel HOST:PORT,… NAME
//
// Writes keys one after another, each until it is acknowledged, and prints "acked N" for each. Asked
// to end (SIGTERM), it reads all of them back and prints "verified N", or ends with 1.
// Nothing is done about errors but what an application does: the same call again.
'use strict';
const Redis = require('ioredis');

const [mode, addresses, name] = process.argv.slice(2);
const nodes = addresses.split(',').map((address) => {
  const [host, port] = address.split(':');
  return {host, port: Number(port)};
});

// An application's own patience: ioredis by itself waits for a silent server without end.
const patience = {commandTimeout: 2000, connectTimeout: 1000, maxRetriesPerRequest: 1};

function connect() {
  if (mode === 'cluster') {
    return new Redis.Cluster(nodes, {redisOptions: patience, clusterRetryStrategy: () => 50});
  }
  if (mode === 'sentinel') {
    return new Redis({
      sentinels: nodes,
      name,
      sentinelRetryStrategy: () => 50,
      retryStrategy: () => 50,
      ...patience,
    });
  }
  return new Redis({...nodes[0], ...patience});
}

const client = connect();
client.on('error', () => {});  // Each call tells its own.

async function until(call) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (process.env.VERBOSE) console.error(error.message);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function main() {
  let ended = false;
  process.on('SIGTERM', () => {
    ended = true;
  });
  let acked = 0;
  while (!ended) {
    await until(() => client.set(`key:${acked + 1}`, `value:${acked + 1}`));
    ++acked;
    console.log(`acked ${acked}`);
  }
  let missing = 0;
  for (let i = 1; i <= acked; ++i) {
    if (await until(() => client.get(`key:${i}`)) === `value:${i}`) continue;
    console.log(`missing key:${i}`);
    ++missing;
  }
  if (missing === 0) console.log(`verified ${acked}`);
  client.disconnect();
  process.exit(missing === 0 ? 0 : 1);
}

main();
