#!/usr/bin/env python3
"""What `scripts/soak --engine memcached` runs: a node, two agents of a memcached with an engine each,
and their snapshots, under a steady load; looks for what grows.

    tests/fault/cache_soak.py --bin DIR --dir NEW_DIR [--minutes 15] [--seed 1]

The load: clients of both agents that set, read, increment, touch, delete and let expire, over as many
keys as ever; each knows what its own keys hold. A snapshot is taken every 30 s and the log trimmed
behind it, so that log, view and store are level if nothing leaks. Samples of all processes and of
the agents' pages go to DIR/samples.csv, each two seconds. As in docs/testing.md ("Soak"), the last
third must not pass the middle one by more than the bound. Exit code 1 if a curve is not flat, or if a
reply was wrong.
"""
import argparse
import csv
import os
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

SECONDS_BETWEEN_SAMPLES = 2
CLIENTS = 4
KEYS_OF_A_CLIENT = 5_000
# As in drills (lab.cc): what a node keeps beside the log is soon as much as it ever gets.
NODE_FLAGS = ["--memtable-bytes", "2097152", "--segment-bytes", "4194304"]
# Suffix of a curve: by which share, and by how much beside, it may grow.
BOUNDS = {"rss_mib": (0.10, 8), "fds": (0.05, 4), "threads": (0.05, 2), "disk_mib": (0.10, 16),
          "view_mib": (0.10, 16), "engine_items": (0.05, 100)}


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Client(threading.Thread):
    """Owns its keys, so that each reply can be judged. Stops at the first wrong one."""

    def __init__(self, number, port, seed, stop):
        super().__init__(daemon=True)
        self.number, self.stop = number, stop
        self.random = random.Random(seed * 1000 + number)
        self.held = {}  # Key: value; keys with a time to live are not known.
        self.done, self.wrong = 0, None
        self.file = socket.create_connection(("127.0.0.1", port), timeout=60).makefile("rwb")

    def line(self, command):
        self.file.write(command.encode() + b"\r\n")
        self.file.flush()
        return self.file.readline().decode().rstrip("\r\n")

    def get(self, key):
        head = self.line(f"get {key}").split()
        if head[0] == "END":
            return None
        if head[0] != "VALUE":
            raise ValueError(" ".join(head))
        value = self.file.read(int(head[3]) + 2)[:-2].decode()
        self.file.readline()
        return value

    def expect(self, what, reply, *allowed):
        if reply not in allowed:
            raise ValueError(f"{what}: {reply!r} in place of {allowed}")

    def change(self, key):
        value = f"{key}:{self.done}:" + "x" * self.random.choice((20, 200, 2_000))
        kind = self.random.random()
        if kind < 0.6:
            self.expect("set", self.line(f"set {key} 0 0 {len(value)}\r\n{value}"), "STORED")
            self.held[key] = value
        elif kind < 0.7:
            self.expect("set", self.line(f"set {key} 0 2 {len(value)}\r\n{value}"), "STORED")
            self.held.pop(key, None)
        elif kind < 0.9:
            known = key in self.held
            self.expect("delete", self.line(f"delete {key}"), "DELETED", *([] if known else ["NOT_FOUND"]))
            self.held.pop(key, None)
        else:
            known = key in self.held
            self.expect("touch", self.line(f"touch {key} 0"), "TOUCHED", *([] if known else ["NOT_FOUND"]))

    def run(self):
        counter, count = f"n{self.number}", 0
        try:
            self.expect("set", self.line(f"set {counter} 0 0 1\r\n0"), "STORED")
            while not self.stop.is_set():
                key = f"c{self.number}-{self.random.randrange(KEYS_OF_A_CLIENT)}"
                if self.random.random() < 0.5:
                    value = self.get(key)
                    if key in self.held and value != self.held[key]:
                        raise ValueError(f"{key} holds {str(value)[:40]!r}")
                else:
                    self.change(key)
                if self.random.random() < 0.05:
                    count += 1
                    self.expect("incr", self.line(f"incr {counter} 1"), str(count))
                self.done += 1
        except (OSError, ValueError, IndexError) as error:
            self.wrong = f"client {self.number}: {error}"


class Cache:
    """All processes of it. stop() ends them."""

    def __init__(self, bin_dir, directory):
        node, *ports = free_ports(5)
        self.doors, self.pages = ports[:2], ports[2:]
        self.directory, self.processes = directory, {}
        (directory / "store").mkdir(parents=True)
        store = f"file://{directory}/store"
        self.start("node", [bin_dir / "cairnd", "--name", "n1", "--data-dir", directory / "node", "--listen",
                            f"127.0.0.1:{node}", "--advertise", f"127.0.0.1:{node}", *NODE_FLAGS])
        common = ["--log", "cache", "--endpoints", f"127.0.0.1:{node}", "--store", store]
        for i in range(2):
            self.start(f"agent{i}", [bin_dir / "cairn-agent", "memcached", *common, "--listen",
                                     f"127.0.0.1:{self.doors[i]}", "--metrics-listen", f"127.0.0.1:{self.pages[i]}",
                                     "--data-dir", directory / f"agent{i}", "--on-miss", "view"])
        self.wait(lambda: all(self.page(i) for i in range(2)))
        self.start("snapshots", [bin_dir / "cairn-agent", "snapshot", *common, "--work-dir", directory, "--every",
                                 "30s", "--trim", "keep-records=1000"])

    def start(self, name, argv):
        output = open(self.directory / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen([str(a) for a in argv], stdout=output, stderr=output)

    def wait(self, done, seconds=60):
        give_up = time.monotonic() + seconds
        while not done():
            if time.monotonic() > give_up:
                self.stop()
                sys.exit("cache_soak: the cache does not serve; see the logs in " + str(self.directory))
            time.sleep(0.1)

    def page(self, agent):
        """Metrics by name; empty while the agent is not ready."""
        address = f"http://127.0.0.1:{self.pages[agent]}"
        try:
            with urllib.request.urlopen(address + "/readyz", timeout=5):
                pass
            with urllib.request.urlopen(address + "/metrics", timeout=5) as page:
                lines = page.read().decode().splitlines()
        except OSError:
            return {}
        return {name: float(value) for name, value in (l.rsplit(" ", 1) for l in lines if l and l[0] != "#")}

    def stop(self):
        for process in reversed(self.processes.values()):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def of_process(name, pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    field = {l.split(":")[0]: l.split()[1] for l in status.splitlines() if len(l.split()) > 1}
    return {f"{name}_rss_mib": int(field["VmRSS"]) / 1024, f"{name}_threads": int(field["Threads"]),
            f"{name}_fds": len(os.listdir(f"/proc/{pid}/fd"))}


def disk_mib(directory):
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:  # It went meanwhile.
                pass
    return total / 2**20


def sample(cache, clients, began):
    row = {"seconds": time.monotonic() - began, "requests": sum(c.done for c in clients)}
    for name, process in cache.processes.items():
        if process.poll() is not None:
            sys.exit(f"cache_soak: {name} ended with {process.returncode}")
        row |= of_process(name, process.pid)
    row["node_disk_mib"] = disk_mib(cache.directory / "node")
    row["store_disk_mib"] = disk_mib(cache.directory / "store")
    for agent in range(2):
        page = cache.page(agent)
        row[f"agent{agent}_engine_items"] = page.get("cairn_agent_engine_items", 0)
        row[f"agent{agent}_view_mib"] = page.get("cairn_agent_view_disk_bytes", 0) / 2**20
    return row


def judge(rows):
    """Lines for the report, and whether a curve is not flat."""
    third, lines, grown = len(rows) // 3, [], False
    for curve in list(rows[0])[2:]:
        middle, last = (statistics.median(r[curve] for r in rows[a:a + third]) for a in (third, 2 * third))
        share, more = next(b for suffix, b in BOUNDS.items() if curve.endswith(suffix))
        bound = middle * (1 + share) + more
        grown |= last > bound
        lines.append(f"{curve:24} {middle:12.1f} {last:12.1f} {bound:12.1f}{' GROWS' if last > bound else ''}")
    return lines, grown


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    cache = Cache(arguments.bin.absolute(), arguments.dir.absolute() / "data")
    stop, rows, began = threading.Event(), [], time.monotonic()
    clients = [Client(i, cache.doors[i % 2], arguments.seed, stop) for i in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        with open(arguments.dir / "samples.csv", "w", newline="") as file:
            while time.monotonic() - began < arguments.minutes * 60 and not any(c.wrong for c in clients):
                time.sleep(SECONDS_BETWEEN_SAMPLES)
                rows.append(sample(cache, clients, began))
                writer = csv.DictWriter(file, rows[0])
                if len(rows) == 1:
                    writer.writeheader()
                writer.writerow(rows[-1])
                file.flush()
        stop.set()
        for client in clients:
            client.join(60)
    finally:
        cache.stop()
    lines, grown = judge(rows) if len(rows) >= 3 else ([], True)
    wrong = [client.wrong for client in clients if client.wrong]
    rate = rows[-1]["requests"] / rows[-1]["seconds"]
    verdict = [f"{rows[-1]['requests']} requests in {rows[-1]['seconds']:.0f} s, {rate:.0f} a second", *wrong,
               f"{'curve':24} {'middle third':>12} {'last third':>12} {'bound':>12}", *lines]
    (arguments.dir / "verdict.txt").write_text("\n".join(verdict) + "\n")
    print("\n".join(verdict))
    return 1 if grown or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
