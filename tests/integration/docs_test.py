#!/usr/bin/env python3
"""Runs what a page of the documentation tells to paste, in the repository's root, as it stands there.

    docs_test.py --root DIR --bin DIR --page docs/PAGE.md --section TITLE EXPECTED…

The commands are the indented lines below the heading. Each EXPECTED must be part of a line of what
they print, in this order. The programs are those of --bin, which the page calls
$PWD/build/release/bin. A cluster that scripts/cluster has started is stopped in any case. Exit code
77: something that a user has to have is not installed here.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

TIMEOUT_S = 150
PROGRAMS = ["redis-server", "redis-cli"]


def commands_of(page, section):
    """The indented lines between the heading and the next one."""
    lines = page.splitlines()
    begin = lines.index(f"## {section}") + 1
    end = next((i for i in range(begin, len(lines)) if lines[i].startswith("## ")), len(lines))
    return [line[4:] for line in lines[begin:end] if line.startswith("    ")]


def first_missing(expected, output):
    """What is expected behind all that was found; None if nothing is."""
    left = list(expected)
    for line in output.splitlines():
        if left and left[0] in line:
            left.pop(0)
    return left[0] if left else None


def run(options, folder):
    with open(os.path.join(options.root, options.page), encoding="utf-8") as page:
        commands = commands_of(page.read(), options.section)
    script = "\n".join(commands).replace("$PWD/build/release/bin", options.bin)
    # A list of clusters of its own, so that `scripts/cluster stop` means the one begun here.
    environment = dict(os.environ, TMPDIR=folder, CAIRN_BIN=options.bin)

    def bash(text):
        return subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", text], cwd=options.root,
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S, check=False)

    try:
        return bash(script)
    finally:
        bash("scripts/cluster stop || true")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("--root", "--bin", "--page", "--section"):
        parser.add_argument(option, required=True)
    parser.add_argument("expected", nargs="+")
    options = parser.parse_args()
    for program in PROGRAMS:
        if shutil.which(program) is None:
            print(f"{program} is not installed")
            return 77
    with tempfile.TemporaryDirectory(prefix="cairn-docs-") as folder:
        ran = run(options, folder)
    print(ran.stdout)
    missing = first_missing(options.expected, ran.stdout)
    if missing is not None:
        print(f"{options.page}: '{missing}' was expected behind what came before it")
    if ran.returncode != 0:
        print(f"{options.page}: the commands ended with {ran.returncode}")
    return 1 if missing is not None or ran.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
