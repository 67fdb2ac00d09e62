"""Herds of stock clients: pymemcache, as it comes; meta commands, which it has no calls for, go over
its own connections.

  memcache_herd.py PREFIX HOST:PORT,…

Many clients, each with a connection to one of the addresses, ask for the same key at the same
moment: one that is not there (N), one that will soon expire (R), and one that was invalidated but
may still be shown (I). Of each herd exactly one must be told to fetch the item anew (W), and all
others that somebody does (Z); an invalidated item is shown as stale (X) to all of them. Once it is
there again, nobody hears of it. Prints "herds N", or what was wrong, and ends with 1.
"""
import collections
import sys
import threading

from pymemcache.client.base import Client

CLIENTS = 32
KEYS = 12
PATIENCE_S = 20


def meta(client, line):
    """The first line of the reply, as its words."""
    # The call by which pymemcache sends its own rarer commands.
    return client._misc_cmd([line.encode() + b"\r\n"], b"meta", False)[0].decode().split()


def herd_of(clients, key, flags):
    """Each client's reply to the same question, asked at once."""
    replies = [None] * len(clients)
    together = threading.Barrier(len(clients))

    def ask(i):
        together.wait()
        replies[i] = meta(clients[i], f"mg {key} {flags}")

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def judge(kind, key, replies):
    """What is wrong with them; "" if nothing is."""
    told = collections.Counter()
    for reply in replies:
        if reply is None or reply[0] != "HD":
            return f"{kind} of {key}: {reply}"
        told.update(flag for flag in "WZX" if flag in reply[1:])
    others = len(replies) - 1
    stale = len(replies) if kind == "invalidation" else 0
    if (told["W"], told["Z"], told["X"]) == (1, others, stale):
        return ""
    return f"{kind} of {key}: {dict(told)}"


def quiet(key, replies):
    """As judge(), of an item that is there."""
    return "" if all(reply == ["HD"] for reply in replies) else f"{key} again: {replies}"


def main():
    prefix, addresses = sys.argv[1:3]
    nodes = [(host, int(port)) for host, port in (a.split(":") for a in addresses.split(","))]
    clients = [Client(nodes[i % len(nodes)], timeout=PATIENCE_S) for i in range(CLIENTS)]
    wrong = []
    herds = 0
    for i in range(KEYS):
        for kind, flags in (("miss", "N60"), ("recache", "R60"), ("invalidation", "")):
            key = f"{prefix}:{kind}:{i}"
            filler = clients[i % CLIENTS]
            if kind != "miss":
                filler.set(key, b"old", expire=30, noreply=False)
            if kind == "invalidation":
                meta(filler, f"md {key} I T60")
            wrong.append(judge(kind, key, herd_of(clients, key, flags)))
            clients[-1 - i].set(key, b"new", noreply=False)
            wrong.append(quiet(key, herd_of(clients, key, flags)))
            herds += 1
    wrong = [what for what in wrong if what]
    print("\n".join(wrong) if wrong else f"herds {herds}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
