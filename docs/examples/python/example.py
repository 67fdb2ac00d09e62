#!/usr/bin/env python3
"""Append, compare-and-append, tail and election against a cluster of Cairn.

    python3 example.py host:port,host:port,… [log]

The log must be new. Each step says what it saw, and the program ends with 0 if that is what a
cluster must show.
"""

import sys
import threading
import uuid

import grpc

from cairn_calls import Cluster, Producer, Refused
from cairn.v1 import lease_pb2, log_pb2


def check(condition, what):
    if not condition:
        sys.exit(f"unexpected: {what}")
    print(what, flush=True)


def tail(cluster, log, start_seq, through):
    """Payloads of the records [start_seq, through]; ends the stream when it has them."""
    stream = cluster.logs.Tail(log_pb2.TailRequest(log=log, start_seq=start_seq))
    for response in stream:
        for batch in response.batches:
            for seq, record in enumerate(batch.records, batch.first_seq):
                # Records of leases have a kind, and no payload.
                yield seq, record.kind, record.payload
                if seq == through:
                    stream.cancel()
                    return


def append_exactly_once(cluster, log, log_id):
    producer = Producer(cluster, log, log_id)
    first = producer.append(b"one", b"two")
    check((first.first_seq, first.last_seq) == (1, 2), "appended 1 … 2")


def compare_and_append(cluster, log, log_id):
    """Adds a record only where nobody else has; who loses looks at the log again."""
    request = log_pb2.AppendRequest(log=log, log_id=log_id)
    request.records.add(payload=b"three")
    request.condition.if_last_seq = 1
    try:
        cluster.call("Append", request)
        sys.exit("unexpected: an append behind 1")
    except Refused as refused:
        check(refused.because("CONDITION_FAILED") and refused.info.last_seq == 2,
              "refused: the log is at 2")
        request.condition.if_last_seq = refused.info.last_seq
    check(cluster.call("Append", request).last_seq == 3, "appended 3 behind 2")


def follow(cluster, log):
    payloads = [payload for _, _, payload in tail(cluster, log, 1, 3)]
    check(payloads == [b"one", b"two", b"three"], "tailed one, two, three")


def keep_alive(cluster, log, log_id, epoch, stop):
    """Renews three times in a TTL until `stop`; a real holder ceases to act when it cannot."""
    request = lease_pb2.RenewRequest(log=log, log_id=log_id, epoch=epoch)
    while True:
        cluster.call("Renew", request, "leases")
        if stop.wait(0.3):
            return


def elect(cluster, log, log_id):
    def acquire():
        request = lease_pb2.AcquireRequest(log=log, log_id=log_id, ttl_ms=1000,
                                           holder=f"example/{uuid.uuid4()}")
        return cluster.call("Acquire", request, "leases", safe=False).epoch

    def append_under(epoch):
        request = log_pb2.AppendRequest(log=log, log_id=log_id)
        request.records.add(payload=b"from the leader")
        request.condition.if_lease_epoch = epoch
        return cluster.call("Append", request, safe=False).last_seq

    epoch = acquire()
    check(epoch == 4, "elected, epoch 4")
    stop = threading.Event()
    renewing = threading.Thread(target=keep_alive, args=(cluster, log, log_id, epoch, stop))
    renewing.start()
    try:
        acquire()
        sys.exit("unexpected: two leaders")
    except Refused as refused:
        check(refused.because("LEASE_HELD"), "nobody else is elected")
    check(append_under(epoch) == 5, "appended 5 as the leader")
    stop.set()
    renewing.join()
    cluster.call("Release", lease_pb2.ReleaseRequest(log=log, log_id=log_id, epoch=epoch), "leases")
    successor = acquire()
    check(successor == 7, "the next one is elected, epoch 7")
    try:
        append_under(epoch)
        sys.exit("unexpected: an append of the old leader")
    except Refused as refused:
        check(refused.because("LEASE_LOST"), "the old leader is fenced")
    check(append_under(successor) == 8, "appended 8 as the leader")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    cluster = Cluster(sys.argv[1].split(","))
    log = sys.argv[2] if len(sys.argv) == 3 else "examples/python"
    try:
        log_id = cluster.call("CreateLog", log_pb2.CreateLogRequest(name=log)).log_id
        append_exactly_once(cluster, log, log_id)
        compare_and_append(cluster, log, log_id)
        follow(cluster, log)
        elect(cluster, log, log_id)
    except Refused as refused:
        sys.exit(str(refused))
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
    print("done")


if __name__ == "__main__":
    main()
