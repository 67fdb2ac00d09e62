#!/usr/bin/env python3
"""How many keys change their node when a memcached node comes or goes, under the two usual ways of
clients to spread keys: ketama (a ring with 160 points a node) and the remainder of a hash.

    bench/ketama_share.py [KEYS]        # default 200,000; prints a Markdown table
"""
import bisect
import hashlib
import struct
import sys

POINTS_PER_NODE = 160


def ring(nodes):
    """Sorted (point, node): four points of each MD5, as libketama makes them."""
    points = []
    for node in nodes:
        for i in range(POINTS_PER_NODE // 4):
            digest = hashlib.md5(f"{node}-{i}".encode()).digest()
            points += [(point, node) for point in struct.unpack("<4I", digest)]
    return sorted(points)


def by_ring(nodes, hashes):
    points = ring(nodes)
    values = [point for point, _ in points]
    return [points[bisect.bisect_left(values, h) % len(points)][1] for h in hashes]


def by_remainder(nodes, hashes):
    return [nodes[h % len(nodes)] for h in hashes]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    hashes = [
        struct.unpack("<I", hashlib.md5(f"key:{i}".encode()).digest()[:4])[0] for i in range(count)
    ]
    print("| nodes | keys that move: ketama | keys that move: remainder | ideal | fullest node, ketama |")
    print("|---|---:|---:|---:|---:|")
    for before, after in ((3, 4), (4, 3), (10, 11), (11, 10)):
        nodes = [f"10.0.0.{i + 1}:11211" for i in range(max(before, after))]
        shares = []
        for spread in (by_ring, by_remainder):
            old, new = spread(nodes[:before], hashes), spread(nodes[:after], hashes)
            shares.append(sum(a != b for a, b in zip(old, new)) / count)
        fullest = max(map(by_ring(nodes[:after], hashes).count, nodes[:after])) * after / count
        print(
            f"| {before} to {after} | {shares[0]:.0%} | {shares[1]:.0%} "
            f"| {1 / max(before, after):.0%} | {fullest:.2f} × its share |"
        )


main()
