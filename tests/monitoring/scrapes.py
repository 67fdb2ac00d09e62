"""The /metrics pages of the programs as they are: one node with TLS, an agent of each kind that
serves, and an invalidator, started for the purpose on the loopback and stopped again.
"""
import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.request

SOURCES = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("CAIRN_BIN", SOURCES / "build/release/bin"))
READY_S = 30


def free_ports(count):
    """Ports that were free a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def page(port, path):
    """The page's text; None when it is not there, or not with a 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return None


def await_ready(process, port, log):
    give_up = time.monotonic() + READY_S
    while page(port, "/readyz") is None:
        if process.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError(f"{process.args} is not ready:\n{log.read_text()}")
        time.sleep(0.05)


class Programs:
    def __init__(self, directory, stack):
        self.directory = directory
        self.stack = stack
        self.pages = {}
        self.certificates = directory / "certs"
        for words in (["ca", self.certificates], ["node", self.certificates, "n1", "127.0.0.1"]):
            subprocess.run([SOURCES / "scripts/certs", *words], check=True, capture_output=True)
        self.environment = os.environ | {"CAIRN_CA_FILE": str(self.certificates / "ca.crt")}

    def start(self, name, *command, http):
        """Runs it until the end of the stack, and keeps its page when it is ready."""
        log = self.directory / f"{name}.log"
        output = self.stack.enter_context(log.open("w"))
        process = subprocess.Popen([PROGRAMS / command[0], *map(str, command[1:])],
                                   stdout=output, stderr=output, env=self.environment)
        self.stack.callback(stop, process)
        await_ready(process, http, log)
        self.pages[name] = page(http, "/metrics")


def stop(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def take():
    """The pages, by program."""
    grpc, *ports = free_ports(8)
    endpoints = f"127.0.0.1:{grpc}"
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        directory = pathlib.Path(scratch)
        programs = Programs(directory, stack)
        node = ["cairnd", "--name", "n1", "--data-dir", directory / "n1", "--listen", endpoints,
                "--http-listen", f"127.0.0.1:{ports[0]}", "--metrics-per-log", 5,
                "--tls-cert-file", programs.certificates / "n1.crt",
                "--tls-key-file", programs.certificates / "n1.key",
                "--tls-ca-file", programs.certificates / "ca.crt"]
        programs.start("cairnd", *node, http=ports[0])
        for kind, first in (("redis", 1), ("memcached", 3)):
            programs.start(f"agent {kind}", "cairn-agent", kind, "--log", kind, "--endpoints",
                           endpoints, "--data-dir", directory / kind, "--listen",
                           f"127.0.0.1:{ports[first]}", "--metrics-listen",
                           f"127.0.0.1:{ports[first + 1]}", http=ports[first + 1])
        programs.start("invalidator", "cairn-agent", "invalidate", "--log", "memcached",
                       "--endpoints", endpoints, "--targets", f"127.0.0.1:{ports[3]}",
                       "--state-dir", directory / "positions", "--metrics-listen",
                       f"127.0.0.1:{ports[5]}", http=ports[5])
        # Again, now that it leads logs and has leases.
        programs.pages["cairnd"] = page(ports[0], "/metrics")
        return programs.pages
