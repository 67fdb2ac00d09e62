// The few lines that a Node program wants between itself and the API.
//
// Cluster   calls any node that answers; a follower passes what only a leader can do on.
// Refused   what Cairn refused, with its reason and facts; any other error came from the transport,
//           and then it is unknown whether a change was done.
// Producer  appends each request exactly once, however often it has to be sent.
//
// 64-bit numbers (seqs, ids, epochs) are decimal strings: ids do not fit into a Number.
'use strict';

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const kProto = path.resolve(__dirname, '../../../proto');
const kLoad = { keepCase: true, longs: String, enums: String };
const kDetails = 'grpc-status-details-bin';
const kErrorInfo = 'type.googleapis.com/cairn.v1.ErrorInfo';

const { LogService, LeaseService } = grpc.loadPackageDefinition(
  loader.loadSync(['cairn/v1/log.proto', 'cairn/v1/lease.proto'],
    { ...kLoad, includeDirs: [kProto], oneofs: true, defaults: true })).cairn.v1;
const types = new protobuf.Root().loadSync(
  [path.resolve(__dirname, '../google_status.proto'), path.join(kProto, 'cairn/v1/error.proto')],
  kLoad);
const Status = types.lookupType('cairn.examples.Status');
const ErrorInfo = types.lookupType('cairn.v1.ErrorInfo');

class Refused extends Error {
  constructor(info, message) {
    super(`${info.reason}: ${message}`);
    this.info = info;
  }

  because(reason) {
    return this.info.reason === `REASON_${reason}`;
  }
}

// The Refused that an error carries; null if it came from the transport.
function refusal(error) {
  const [status] = error.metadata?.get(kDetails) ?? [];
  const detail = status && Status.decode(status).details.find((any) => any.type_url === kErrorInfo);
  if (!detail) return null;
  const info = ErrorInfo.toObject(ErrorInfo.decode(detail.value), kLoad);
  return new Refused(info, error.details);
}

class Cluster {
  constructor(endpoints, patienceMs = 10_000) {
    const credentials = grpc.credentials.createInsecure();
    this.nodes = endpoints.map((endpoint) => ({
      logs: new LogService(endpoint, credentials),
      leases: new LeaseService(endpoint, credentials),
    }));
    this.at = 0;
    this.patienceMs = patienceMs;
  }

  get logs() {
    return this.nodes[this.at].logs;
  }

  get leases() {
    return this.nodes[this.at].leases;
  }

  // Calls until a node answers. `safe`: it may arrive twice without harm. A read may, and a request
  // of a producer; one with `if_last_seq` too, but if the first try was done the second is refused.
  // What is not safe is not sent again once it may have arrived.
  async call(method, request, { service = 'logs', safe = true } = {}) {
    const giveUp = Date.now() + this.patienceMs;
    for (;;) {
      try {
        return await new Promise((resolve, reject) => {
          this[service][method](request, { deadline: giveUp },
            (error, response) => (error ? reject(error) : resolve(response)));
        });
      } catch (error) {
        const refused = refusal(error);
        if (refused && error.code !== grpc.status.UNAVAILABLE) throw refused;
        // UNAVAILABLE with a reason: certainly not done.
        if (!refused && !safe) throw error;
        if (Date.now() > giveUp) throw refused ?? error;
        this.at = (this.at + 1) % this.nodes.length;
        await sleep(50);
      }
    }
  }

  close() {
    for (const { logs, leases } of this.nodes) {
      logs.close();
      leases.close();
    }
  }
}

// One request at a time; the service remembers the answer to the last ones.
class Producer {
  static async open(cluster, log, logId) {
    const { producer_id: id } = await cluster.call('RegisterProducer', { log, log_id: logId });
    return Object.assign(new Producer(), { cluster, log, logId, id, sequence: 0 });
  }

  append(...payloads) {
    this.sequence += 1;
    return this.cluster.call('Append', {
      log: this.log,
      log_id: this.logId,
      records: payloads.map((payload) => ({ payload: Buffer.from(payload) })),
      producer: { id: this.id, sequence: this.sequence },
    });
  }
}

module.exports = { Cluster, Producer, Refused };
