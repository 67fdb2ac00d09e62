"""pymemcache, as it comes, at one address or at two of the same cache.

  pymemcache_client.py PREFIX WRITE_AT READ_AT

Every call that the library has for items, with what it must return from a memcached; what is written
at one address is read at the other. Prints "passed N", or what was wrong, and ends with 1.
"""
import sys

from pymemcache.client.base import Client
from pymemcache.client.hash import HashClient

PATIENCE_S = 20


def connect(address, **options):
    host, port = address.split(":")
    return Client((host, int(port)), timeout=PATIENCE_S, connect_timeout=PATIENCE_S, **options)


class Check:
    def __init__(self):
        self.passed = 0

    def same(self, what, got, wanted):
        if got != wanted:
            sys.exit(f"{what}: got {got!r}, expected {wanted!r}")
        self.passed += 1


def storage(check, writer, reader, key):
    check.same("set", writer.set(key("a"), b"1", noreply=False), True)
    check.same("get", reader.get(key("a")), b"1")
    check.same("get of none", reader.get(key("none")), None)
    check.same("add of what is there", writer.add(key("a"), b"2", noreply=False), False)
    check.same("add", writer.add(key("b"), b"2", noreply=False), True)
    check.same("replace of none", writer.replace(key("c"), b"3", noreply=False), False)
    check.same("replace", writer.replace(key("b"), b"3", noreply=False), True)
    check.same("append", writer.append(key("b"), b"4", noreply=False), True)
    check.same("prepend", writer.prepend(key("b"), b"2", noreply=False), True)
    check.same("get of all that", reader.get(key("b")), b"234")
    check.same("flags", writer.set(key("f"), b"x", flags=77, noreply=False), True)
    check.same("an empty value", writer.set(key("e"), b"", noreply=False), True)
    check.same("get of that", reader.get(key("e")), b"")
    large = b"x" * 900_000
    check.same("a large value", writer.set(key("l"), large, noreply=False), True)
    check.same("get of that", reader.get(key("l")), large)


def tokens(check, writer, reader, key):
    writer.set(key("t"), b"1", noreply=False)
    value, token = reader.gets(key("t"))
    check.same("gets", value, b"1")
    check.same("cas", writer.cas(key("t"), b"2", token), True)
    check.same("cas with the old token", writer.cas(key("t"), b"3", token), False)
    check.same("cas of none", writer.cas(key("tn"), b"3", token), None)
    check.same("gets_many", sorted(reader.gets_many([key("t"), key("tn")])), [key("t")])


def numbers(check, writer, reader, key):
    writer.set(key("n"), b"41", noreply=False)
    check.same("incr", writer.incr(key("n"), 1), 42)
    check.same("decr", writer.decr(key("n"), 50), 0)
    check.same("incr of none", writer.incr(key("nn"), 1), None)
    check.same("get", reader.get(key("n")).strip(), b"0")


def several(check, writer, reader, key):
    items = {key(f"m{i}"): str(i).encode() for i in range(50)}
    check.same("set_many", writer.set_many(items, noreply=False), [])
    check.same("get_many", reader.get_many(list(items) + [key("none")]), items)
    check.same("delete_many", writer.delete_many(list(items)[:25], noreply=False), True)
    check.same("what is left", sorted(reader.get_many(items)), sorted(list(items)[25:]))
    pool = HashClient([writer.server], timeout=PATIENCE_S)
    check.same("HashClient", pool.set(key("h"), b"1", noreply=False), True)
    check.same("get", reader.get(key("h")), b"1")


def the_rest(check, writer, reader, key):
    writer.set(key("d"), b"1", noreply=False)
    check.same("touch", writer.touch(key("d"), expire=1000, noreply=False), True)
    check.same("touch of none", writer.touch(key("dn"), expire=1000, noreply=False), False)
    check.same("delete", writer.delete(key("d"), noreply=False), True)
    check.same("delete of none", writer.delete(key("d"), noreply=False), False)
    check.same("expired at once", writer.set(key("d"), b"1", expire=-1, noreply=False), True)
    check.same("get of that", reader.get(key("d")), None)
    # Behind calls without a reply, one with a reply is answered in its place.
    writer.set(key("q"), b"1", noreply=True)
    check.same("noreply", writer.get(key("q")), b"1")
    check.same("version", bool(writer.version()), True)
    check.same("stats", b"pid" in writer.stats(), True)
    check.same("flush_all", writer.flush_all(noreply=False), True)
    check.same("nothing is left", reader.get(key("q")), None)


def main():
    prefix, write_at, read_at = sys.argv[1:]
    check = Check()
    writer, reader = connect(write_at), connect(read_at)
    for part in (storage, tokens, numbers, several, the_rest):
        part(check, writer, reader, lambda name: f"{prefix}-{name}")
    print(f"passed {check.passed}")


main()
