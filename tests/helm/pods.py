"""Rendered pods as processes of this machine.

Each container's command, arguments and environment are taken as they are rendered, and rewritten
in these places and no others:

  $(NAME)                                the container's environment, as the kubelet does it
  POD.SERVICE.NAMESPACE.svc.DOMAIN:PORT  localhost and a free port, one for each pod and port
  0.0.0.0:PORT                           127.0.0.1 and the same port, of the pod itself
  a path below a mounted volume          a directory of the test's; a ConfigMap's has its files
  the first word of the command          the program that was built, or the one in PATH
  memcached, as root                     is also told -u root, which it wants to be told

Threads: one. Lifetime: World.stop ends, by their ids, all processes that it started.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import chart

STOP_S = 15
POD_ADDRESS = re.compile(r"\b([a-z0-9-]+)\.[a-z0-9-]+\.[a-z0-9-]+\.svc\.[a-z0-9.-]+:(\d+)")
OWN_ADDRESS = re.compile(r"\b0\.0\.0\.0:(\d+)")
VARIABLE = re.compile(r"\$\(([A-Z_]+)\)")


class World:
    """Pods of rendered objects: their ports, volumes and processes."""

    def __init__(self, objects):
        self._objects = objects
        self._root = pathlib.Path(tempfile.mkdtemp(prefix="cairn-helm-"))
        self._ports = {}  # By pod and the port that it has in the chart.
        self._processes = []

    def pods(self, stateful_set):
        return [Pod(self, stateful_set, number)
                for number in range(stateful_set["spec"]["replicas"])]

    def port(self, pod_name, port):
        key = (pod_name, int(port))
        if key not in self._ports:
            self._ports[key] = self._free_port()
        return self._ports[key]

    def _free_port(self):
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            if port not in self._ports.values():
                return port

    def volume(self, pod_name, volume):
        """The directory of a pod's volume, made at the first use."""
        directory = self._root / pod_name / volume["name"]
        if not directory.exists():
            directory.mkdir(parents=True)
            self._fill(pod_name, directory, volume)
        return directory

    def _fill(self, pod_name, directory, volume):
        wanted = volume.get("configMap", {}).get("name")
        for one in chart.of_kind(self._objects, "ConfigMap"):
            if chart.name_of(one) == wanted:
                for name, text in one["data"].items():
                    (directory / name).write_text(text)

    def start(self, argv, environment, log_name):
        with open(self._root / log_name, "ab") as log:
            process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log)
        self._processes.append(process)
        return process

    def logs(self):
        return "".join(f"== {path.name}\n{path.read_text(errors='replace')[-2000:]}\n"
                       for path in sorted(self._root.glob("*.log")))

    def stop(self):
        """Ends what was started last first, so that agents hand over while nodes are there."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        codes = [process.returncode for process in self._processes]
        shutil.rmtree(self._root)
        return codes


class Pod:
    """One pod of a StatefulSet."""

    def __init__(self, world, stateful_set, number):
        self._world = world
        self._set = stateful_set
        self.name = f"{chart.name_of(stateful_set)}-{number}"
        self.containers = {one["name"]: one for one in chart.containers_of(stateful_set)}

    def argv(self, container):
        """What the container runs, rewritten."""
        words = container["command"] + container.get("args", [])
        argv = [self._rewrite(container, word) for word in words]
        if argv[0] == "memcached" and os.geteuid() == 0:
            argv += ["-u", "root"]
        return argv

    def environment(self, container):
        """Its variables, rewritten, and a PATH to the programs that were built."""
        found = {"PATH": f"{chart.PROGRAMS}:{os.environ['PATH']}"}
        for variable in container.get("env", []):
            found[variable["name"]] = self._addresses(self._value(variable))
        return found

    def start(self):
        """Starts its containers, sidecars first."""
        return [self._world.start(self._found(self.argv(one)), self.environment(one),
                                  f"{self.name}-{one['name']}.log")
                for one in self.containers.values()]

    def run(self, container, command, timeout_s):
        """Runs a command in the container, as a hook does."""
        return subprocess.run(self._found(command), env=self.environment(container), text=True,
                              capture_output=True, timeout=timeout_s)

    def address(self, container, port_name):
        port = next(one["containerPort"] for one in container["ports"] if one["name"] == port_name)
        return f"127.0.0.1:{self._world.port(self.name, port)}"

    def is_ready(self, container):
        probe = container["readinessProbe"]["httpGet"]
        url = f"http://{self.address(container, probe['port'])}{probe['path']}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def _found(self, argv):
        own = chart.PROGRAMS / argv[0]
        return [str(own) if own.exists() else argv[0], *argv[1:]]

    def _value(self, variable):
        if "value" in variable:
            return variable["value"]
        path = variable["valueFrom"]["fieldRef"]["fieldPath"]
        if path == "metadata.name":
            return self.name
        label = re.fullmatch(r"metadata\.labels\['(.+)'\]", path).group(1)
        return self._set["spec"]["template"]["metadata"]["labels"].get(label, "")

    def _rewrite(self, container, word):
        environment = self.environment(container)
        word = VARIABLE.sub(lambda found: environment[found.group(1)], word)
        return self._paths(container, self._addresses(word))

    def _addresses(self, text):
        def local(host, pod_name, port):
            return f"{host}:{self._world.port(pod_name, port)}"

        # A name stays one: who connects has to look it up.
        text = POD_ADDRESS.sub(lambda found: local("localhost", *found.groups()), text)
        return OWN_ADDRESS.sub(lambda found: local("127.0.0.1", self.name, found.group(1)), text)

    def _paths(self, container, word):
        for mount in container.get("volumeMounts", []):
            word = re.sub(rf"{mount['mountPath']}(?=/|$)", lambda _: str(self._directory(mount)),
                          word)
        return word

    def _directory(self, mount):
        volumes = chart.pod_of(self._set).get("volumes", [])
        named = [one for one in volumes if one["name"] == mount["name"]]
        return self._world.volume(self.name, named[0] if named else {"name": mount["name"]})


def await_true(seconds, condition):
    """Asks every 50 ms; false when time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
