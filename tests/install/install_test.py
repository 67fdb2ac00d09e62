"""What `cmake --install` leaves is used as somebody else would: the node that it installed takes a
record from a program that was built against the client library that it installed, once by
pkg-config and once by CMake; and an example in C, built in both ways too, goes on with all that
was acknowledged when the node that leads its log is killed. And the Debian packages that CPack makes of it are looked into.

  install_test.py BUILD_DIR
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

BUILD = None
HERE = pathlib.Path(__file__).resolve().parent
CONSUMER = HERE / "consumer"
START_S = 30


def run(*words, environment=None):
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True,
                          env={**os.environ, **(environment or {})}, timeout=90)
    if done.returncode != 0:
        raise AssertionError(f"{words[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Scratch(unittest.TestCase):
    """Tests with a directory of their own."""

    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="cairn-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)


class InstallTest(Scratch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = cls.dir / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)

    def test_programs_build_against_the_library_and_reach_the_node(self):
        endpoint = self.start_node()
        for seq, build in enumerate([self.build_by_pkg_config, self.build_by_cmake], start=1):
            told = run(build(), environment={"CAIRN_ENDPOINTS": endpoint})
            self.assertEqual(told, f"{seq}\n")
        told = run(self.prefix / "bin/cairn", "read", "installed", "--endpoints", endpoint)
        self.assertEqual(told, "hello\nhello\n")

    def start_node(self):
        """Returns when it is ready, which it says in its first line."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            endpoint = f"127.0.0.1:{probe.getsockname()[1]}"
        node = subprocess.Popen([self.prefix / "bin/cairnd", "--name", "n1", "--data-dir",
                                 self.dir / "data", "--listen", endpoint, "--log-level", "error"],
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, node)
        self.assertIn("is ready", node.stdout.readline())
        return endpoint

    def test_a_cache_in_c_survives_the_leaders_death(self):
        cluster = Cluster(self.prefix / "bin", self.dir / "cluster")
        self.addCleanup(cluster.stop)
        for log, build in (("by-pkg-config", self.build_c_by_pkg_config),
                           ("by-cmake", self.build_c_by_cmake)):
            cache = Cache(build(), cluster.endpoints(), log)
            self.addCleanup(cache.stop)
            self.assertEqual(cache.line(), "leads")
            before = [cache.ask(f"set key{i} {log} {i}") for i in range(100)]
            killed = cluster.kill_leader(log)
            after = [cache.ask(f"set key{i} {log} {i}") for i in range(100, 200)]
            seqs = [int(told.removeprefix("stored ")) for told in before + after]
            self.assertEqual(seqs, sorted(set(seqs)))
            for i in (0, 99, 100, 199):
                self.assertEqual(cache.ask(f"get key{i}"), f"value {log} {i}")
            self.assertEqual(cache.ask("get nothing"), "none")
            cache.stop()
            self.assertEqual(cluster.count_records(log), 200)
            cluster.start(killed)


    def stop(self, node):
        node.send_signal(signal.SIGTERM)
        self.assertEqual(node.wait(START_S), 0)
        node.stdout.close()

    def build_by_pkg_config(self):
        path, = {found.parent for found in self.prefix.rglob("cairn.pc")}
        flags = run("pkg-config", "--cflags", "--libs", "cairn",
                    environment={"PKG_CONFIG_PATH": str(path)}).split()
        program = self.dir / "by-pkg-config"
        run("c++", "-std=c++20", CONSUMER / "append_one.cc", "-o", program, *flags)
        return program

    def build_by_cmake(self):
        folder = self.dir / "by-cmake"
        run("cmake", "-S", CONSUMER, "-B", folder, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", folder)
        return folder / "append_one"

    def build_c_by_pkg_config(self):
        path, = {found.parent for found in self.prefix.rglob("cairn-c.pc")}
        flags = run("pkg-config", "--cflags", "--libs", "cairn-c",
                    environment={"PKG_CONFIG_PATH": str(path)}).split()
        program = self.dir / "c-by-pkg-config"
        run("cc", "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", self.c_example(), "-o",
            program, *flags, f"-Wl,-rpath,{path.parent}")
        return program

    def build_c_by_cmake(self):
        folder = self.dir / "c-by-cmake"
        run("cmake", "-S", CONSUMER.parent / "consumer_c", "-B", folder,
            f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DSOURCE={self.c_example()}")
        run("cmake", "--build", folder)
        return folder / "event_loop_cache"

    def c_example(self):
        example, = self.prefix.rglob("event_loop_cache.c")
        return example

    def test_the_c_library_shows_its_own_names_only(self):
        library, = self.prefix.rglob("libcairn_c.so.0")
        shown = {line.split()[-1].partition("@")[0]
                 for line in run("nm", "-D", "--defined-only", library).splitlines()}
        header = (self.prefix / "include/cairn/cairn.h").read_text()
        declared = set(re.findall(r"\b(cairn_\w+)\((?!\*)", re.sub(r"//.*", "", header)))
        self.assertEqual(shown - {"CAIRN_0"}, declared)
        self.assertIn("libcairn_c.so.0", run("readelf", "-d", library))

    def test_no_file_names_the_folder_that_it_was_built_in(self):
        sources = str(HERE.parents[1])
        for path in self.prefix.rglob("*"):
            if path.suffix in (".cmake", ".pc", ".service", ".h"):
                self.assertNotIn(sources, path.read_text(), path)


class Cluster:
    """Three nodes on the loopback."""

    def __init__(self, bin_dir, folder):
        self.bin = bin_dir
        self.folder = folder
        self.nodes = {}
        with contextlib.ExitStack() as stack:
            probes = [stack.enter_context(socket.socket()) for _ in range(3)]
            for probe in probes:
                probe.bind(("127.0.0.1", 0))
            self.addresses = {f"n{i}": f"127.0.0.1:{probe.getsockname()[1]}"
                              for i, probe in enumerate(probes, start=1)}
        for name in self.addresses:
            self.start(name, wait=False)
        for node in self.nodes.values():
            assert "is ready" in node.stdout.readline()

    def endpoints(self):
        return ",".join(self.addresses.values())

    def start(self, name, wait=True):
        members = ",".join(f"{name}={address}" for name, address in self.addresses.items())
        node = subprocess.Popen(
            [self.bin / "cairnd", "--name", name, "--data-dir", self.folder / name, "--listen",
             self.addresses[name], "--initial-cluster", members, "--log-level", "error"],
            stdout=subprocess.PIPE, text=True)
        self.nodes[name] = node
        if wait:
            assert "is ready" in node.stdout.readline()

    def kill_leader(self, log):
        told = json.loads(self.tool("log", "describe", log))
        name, = [name for name, address in self.addresses.items()
                 if address == told["leader"]]
        node = self.nodes.pop(name)
        node.kill()
        node.wait(START_S)
        node.stdout.close()
        return name

    def count_records(self, log):
        told = self.tool("read", log).splitlines()
        return sum(json.loads(line)["kind"] == "data" for line in told)

    def tool(self, *words):
        return run(self.bin / "cairn", *words, "-o", "json", "--endpoints", self.endpoints())

    def stop(self):
        for node in self.nodes.values():
            node.kill()
            node.wait(START_S)
            node.stdout.close()


class Cache:
    """The example in C, by its standard input and output."""

    def __init__(self, program, endpoints, log):
        self.process = subprocess.Popen([program, log, "cache"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1,
                                        env={**os.environ, "CAIRN_ENDPOINTS": endpoints})

    def line(self):
        """The next one; empty if none comes in time."""
        timer = threading.Timer(START_S, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline().rstrip("\n")
        finally:
            timer.cancel()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.line()

    def stop(self):
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        assert self.process.wait(START_S) == 0
        self.process.stdout.close()


class DebianTest(Scratch):
    WANTED = {
        "cairn": ["usr/bin/cairnd", "usr/bin/cairn", "usr/lib/systemd/system/cairnd.service",
                  "usr/lib/sysusers.d/cairn-node.conf",
                  "usr/share/bash-completion/completions/cairn",
                  "usr/share/doc/cairn/copyright"],
        "cairn-agent": ["usr/bin/cairn-agent", "usr/lib/systemd/system/cairn-agent@.service",
                        "usr/lib/sysusers.d/cairn-agent.conf"],
        "libcairn-dev": ["usr/include/cairn/client.h", "usr/lib/libcairn_client.a",
                         "usr/lib/pkgconfig/cairn.pc", "usr/lib/cmake/Cairn/CairnConfig.cmake",
                         "usr/share/cairn/proto/cairn/v1/log.proto"],
        "libcairn-c0": ["usr/lib/libcairn_c.so.0"],
        "libcairn-c-dev": ["usr/include/cairn/cairn.h", "usr/lib/libcairn_c.so",
                           "usr/lib/pkgconfig/cairn-c.pc",
                           "usr/lib/cmake/CairnC/CairnCConfig.cmake",
                           "usr/share/doc/libcairn-c-dev/examples/event_loop_cache.c"],
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run("cpack", "-G", "DEB", "--config", f"{BUILD}/CPackConfig.cmake", "-B", cls.dir)
        cls.packages = {path.name.partition("_")[0]: path for path in cls.dir.glob("*.deb")}

    def test_packages_have_what_they_should(self):
        self.assertEqual(set(self.packages), set(self.WANTED))
        seen = set()
        for name, wanted in self.WANTED.items():
            files = self.files(self.packages[name])
            self.assertLessEqual(set(wanted), set(files), name)
            self.assertFalse(seen & set(files), "a file of two packages")
            seen |= set(files)

    @staticmethod
    def files(package):
        """Paths of its files; all of them root's."""
        lines = [line.split(maxsplit=5) for line in run("dpkg-deb", "-c", package).splitlines()]
        assert all(owner == "root/root" for _, owner, *_ in lines), lines
        return [path.removeprefix("./").partition(" -> ")[0]
                for mode, *_, path in lines if not mode.startswith("d")]

    def test_packages_say_what_they_need(self):
        needs = {name: run("dpkg-deb", "-f", path, "Depends")
                 for name, path in self.packages.items()}
        for library in ("libc6", "libgrpc++", "librocksdb"):
            self.assertIn(library, needs["cairn"])
        self.assertIn("libgrpc++-dev", needs["libcairn-dev"])
        self.assertIn("libgrpc++", needs["libcairn-c0"])
        self.assertRegex(needs["libcairn-c-dev"], r"^libcairn-c0 \(= [\d.]+\)$")
        for path in self.packages.values():
            version = run("dpkg-deb", "-f", path, "Version").strip()
            self.assertTrue(re.fullmatch(r"\d+\.\d+\.\d+", version), version)

    def test_their_programs_run(self):
        """Unpacked beside the system, since a test must not change the machine."""
        for name in ("cairn", "cairn-agent"):
            run("dpkg-deb", "-x", self.packages[name], self.dir / "root")
            told = run("dpkg-deb", "-I", self.packages[name], "postinst")
            self.assertIn("systemd-sysusers cairn-", told)
        for program in ("cairnd", "cairn", "cairn-agent redis"):
            first, *more = program.split()
            self.assertRegex(run(self.dir / "root/usr/bin" / first, *more, "--version"), r"\d\.\d")


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
