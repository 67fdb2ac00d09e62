"""The container image, as far as it can be checked without a container engine: the Dockerfile fits
the sources, the packages and the chart, and the node runs as it does in a container of it: with no
root, no capability, and a file system of which only the data directory can be written.

  image_test.py BUILD_DIR

The second needs user namespaces; without them it is skipped, alone or, if asked for alone, with 77.
"""
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import yaml

BUILD = None
SOURCES = pathlib.Path(__file__).resolve().parents[2]
STOP_S = 30

# Makes every file system read-only but $1, gives up root, and becomes the rest of its words.
CONFINE = """
writable=$1 user=$2; shift 2
mount --bind "$writable" "$writable" && mount -o remount,bind,ro / || exit 77
awk '{ print $2 }' /proc/mounts | while read -r point; do
  case $point in
    / | "$writable" | /proc* | /sys* | /dev*) ;;
    *) mount -o remount,bind,ro "$point" ;;
  esac
done
exec unshare --user --map-user="$user" --map-group="$user" "$@"
"""


def instructions():
    """(name, words) of the Dockerfile, with continued lines joined."""
    text = (SOURCES / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def values():
    return yaml.safe_load((SOURCES / "helm/cairn/values.yaml").read_text())


def confined(directory, *command):
    """The command line that runs `command` as the image does."""
    user = str(values()["securityContext"]["runAsUser"])
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", CONFINE, "sh",
            str(directory), user, *map(str, command)]


class DockerfileTest(unittest.TestCase):
    def one(self, name):
        found = [words for each, words in instructions() if each == name]
        return found[-1]

    def test_it_copies_what_there_is(self):
        for name, words in instructions():
            if name == "COPY":
                for path in words.split()[:-1]:
                    self.assertTrue((SOURCES / path).exists(), path)

    def test_it_ends_as_the_user_of_the_chart(self):
        rules = values()["securityContext"]
        self.assertEqual(self.one("USER"), f"{rules['runAsUser']}:{rules['fsGroup']}")

    def test_it_exposes_the_ports_of_the_chart(self):
        self.assertEqual(self.one("EXPOSE").split(), [str(n) for n in values()["ports"].values()])

    def test_it_builds_what_is_installed_and_configures_the_release(self):
        built, = re.findall(r"--target ([a-z_ -]+?) +&&", "\n".join(w for _, w in instructions()))
        installed = (SOURCES / "cmake/CairnInstall.cmake").read_text()
        wanted = {name for names in re.findall(r"install\(TARGETS ([a-z_ -]+) (?:RUNTIME|EXPORT)",
                                               installed) for name in names.split()}
        # What the library is linked with is built with it.
        self.assertEqual(set(built.split()), wanted - {"cairn_grpc", "cairn_proto", "cairn_base"})

    def test_its_version_is_that_of_the_sources(self):
        project = (SOURCES / "CMakeLists.txt").read_text()
        version, = re.findall(r"project\(cairn VERSION (\S+)", project)
        chart = yaml.safe_load((SOURCES / "helm/cairn/Chart.yaml").read_text())
        self.assertEqual({chart["appVersion"], chart["version"]}, {version})
        self.assertIn(f"## {version}", (SOURCES / "CHANGELOG.md").read_text())


class ConfinedTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cairn-image-"))
        self.addCleanup(shutil.rmtree, self.dir)
        done = subprocess.run(confined(self.dir, "true"), text=True, capture_output=True,
                              timeout=30)
        if done.returncode != 0:
            self.skipTest(f"no user namespaces here: {done.stderr}")

    def test_nothing_else_can_be_written(self):
        told = subprocess.run(confined(self.dir, "sh", "-c", "id -u; touch /var/tmp/x"), text=True,
                              capture_output=True, timeout=30)
        self.assertEqual(told.stdout, f"{values()['securityContext']['runAsUser']}\n")
        self.assertIn("Read-only file system", told.stderr)

    def test_a_node_starts_works_and_stops(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        words = ["--name", "n1", "--data-dir", self.dir / "node", "--listen", address]
        node = subprocess.Popen(confined(self.dir, BUILD / "bin/cairnd", *words), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self.assertIn("is ready", node.stdout.readline())
            self.tool("log", "create", "a", "--endpoints", address)
            self.tool("append", "a", "--endpoints", address, text="one\ntwo\n")
            self.assertEqual(self.tool("read", "a", "--endpoints", address), "one\ntwo\n")
        finally:
            node.terminate()
            code = node.wait(STOP_S)
            node.stdout.close()
        self.assertEqual(code, 0)

    def tool(self, *words, text=""):
        command = confined(self.dir, BUILD / "bin/cairn", *words)
        done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    program = unittest.main(verbosity=2, exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
