"""A stock client through failovers: redis-py, as it comes; see ioredis_client.js for what it does.

  redis_py_client.py plain    HOST:PORT
  redis_py_client.py cluster  HOST:PORT,…
  redis_py_client.py sentinel HOST:PORT,… NAME
"""
import os
import signal
import sys
import time

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

PATIENCE_S = 1.0


def connect(mode, nodes, name):
    if mode == "cluster":
        startup = [ClusterNode(host, port) for host, port in nodes]
        return RedisCluster(startup_nodes=startup, socket_timeout=PATIENCE_S)
    if mode == "sentinel":
        sentinel = Sentinel(nodes, socket_timeout=PATIENCE_S)
        return sentinel.master_for(name, socket_timeout=PATIENCE_S)
    host, port = nodes[0]
    return redis.Redis(host=host, port=port, socket_timeout=PATIENCE_S)


def until(call, give_up=()):
    while True:
        try:
            return call()
        except give_up:
            raise
        except (redis.exceptions.RedisError, redis.exceptions.RedisClusterException) as error:
            if os.environ.get("VERBOSE"):
                print(repr(error), file=sys.stderr)
            time.sleep(0.02)


# RedisCluster of redis-py 4.3, as Debian has it, cannot look for the cluster again when a node is
# gone: it fails to copy a lock of its own. Its applications begin anew.
BROKEN = (TypeError, redis.exceptions.RedisClusterException)


class Store:
    """Sets and gets keys, each until it succeeds."""

    def __init__(self, mode, nodes, name):
        self._connect = lambda: until(lambda: connect(mode, nodes, name))
        self._client = self._connect()

    def set(self, key, value):
        self._do(lambda: self._client.set(key, value))

    def get(self, key):
        return self._do(lambda: self._client.get(key))

    def _do(self, call):
        while True:
            try:
                return until(call, give_up=BROKEN)
            except BROKEN:
                self._client = self._connect()


def main():
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    mode, addresses = sys.argv[1:3]
    name = sys.argv[3] if len(sys.argv) > 3 else ""
    nodes = [(host, int(port)) for host, port in (a.split(":") for a in addresses.split(","))]
    store = Store(mode, nodes, name)
    acked = 0
    while not ended:
        store.set(f"key:{acked + 1}", f"value:{acked + 1}")
        acked += 1
        print(f"acked {acked}", flush=True)
    missing = [i for i in range(1, acked + 1)
               if store.get(f"key:{i}") != f"value:{i}".encode()]
    for i in missing:
        print(f"missing key:{i}")
    if not missing:
        print(f"verified {acked}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
