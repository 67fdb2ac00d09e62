"""The rules for Prometheus and the dashboards for Grafana (helm/cairn/monitoring): they parse, each
alert fires when it should and only then, and all that they and docs/monitoring.md speak of is what
the programs tell.

What the programs tell is asked of them: a node, and an agent of each kind, as processes. Without
promtool the tests are skipped.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

import scrapes

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / "helm/cairn/monitoring"
RULES = MONITORING / "rules.yaml"
DASHBOARDS = sorted(MONITORING.glob("*.json"))
PAGE = (ROOT / "docs/monitoring.md").read_text()

# Of histograms; a name in an expression may have them.
SUFFIXES = ("_bucket", "_sum", "_count")
METRIC = re.compile(r"\bcairn_[a-z0-9_]+")
RECORDED = re.compile(r"\bcairn:[a-z0-9_:]+")


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"]
            for rule in group["rules"]]


def expressions_of(dashboard):
    return [target["expr"] for panel in dashboard["panels"]
            for target in panel.get("targets", [])]


def metrics_in(text):
    """Names of metrics in expressions, histograms by their own names."""
    found = set()
    for name in METRIC.findall(text):
        suffix = next((s for s in SUFFIXES if name.endswith(s)), "")
        found.add(name.removesuffix(suffix))
    return found


def promtool(*command):
    done = subprocess.run(["promtool", *map(str, command)], text=True, capture_output=True)
    return done.returncode, done.stdout + done.stderr


class RulesTest(unittest.TestCase):
    def test_promtool_takes_the_rules(self):
        code, told = promtool("check", "rules", RULES)
        self.assertEqual(code, 0, told)

    def test_each_alert_fires_when_it_should_and_only_then(self):
        cases = yaml.safe_load((pathlib.Path(__file__).parent / "rules_test.yaml").read_text())
        # What an alert says would have to be repeated in every case; promtool has checked it.
        plain = yaml.safe_load(RULES.read_text())
        for group in plain["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)
        for case in cases["tests"]:
            del case["name"]
        with tempfile.TemporaryDirectory() as scratch:
            bare = pathlib.Path(scratch, "rules.yaml")
            bare.write_text(yaml.safe_dump(plain))
            cases["rule_files"] = [str(bare)]
            script = pathlib.Path(scratch, "cases.yaml")
            script.write_text(yaml.safe_dump(cases))
            code, told = promtool("test", "rules", script)
        self.assertEqual(code, 0, told)

    def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_not(self):
        cases = yaml.safe_load((pathlib.Path(__file__).parent / "rules_test.yaml").read_text())
        fires, quiet = set(), set()
        for case in cases["tests"]:
            for alert in case["alert_rule_test"]:
                (fires if alert.get("exp_alerts") else quiet).add(alert["alertname"])
        names = {rule["alert"] for rule in rules() if "alert" in rule}
        self.assertEqual(names - fires, set())
        self.assertEqual(names - quiet, set())
        self.assertEqual((fires | quiet) - names, set())

    def test_each_alert_says_what_it_is_and_where_to_read_on(self):
        headings = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
                    for line in PAGE.splitlines() if line.startswith("#")}
        for rule in rules():
            if "alert" not in rule:
                continue
            with self.subTest(alert=rule["alert"]):
                self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
                told = rule["annotations"]
                self.assertEqual(set(told), {"summary", "description", "runbook"})
                page, anchor = told["runbook"].split("#")
                self.assertEqual(page, "docs/monitoring.md")
                self.assertIn(anchor, headings)


class DashboardTest(unittest.TestCase):
    def for_each(self, check):
        self.assertEqual([path.name for path in DASHBOARDS], ["agents.json", "cluster.json"])
        for path in DASHBOARDS:
            with self.subTest(dashboard=path.name):
                check(json.loads(path.read_text()))

    def test_panels_have_ids_of_their_own_and_do_not_overlap(self):
        def check(dashboard):
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)))
            taken = set()
            for panel in dashboard["panels"]:
                at = panel["gridPos"]
                self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
                cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                         for y in range(at["y"], at["y"] + at["h"])}
                self.assertFalse(taken & cells, panel["title"])
                taken |= cells
        self.for_each(check)
        uids = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
        self.assertEqual(len(uids), len(set(uids)))

    def test_panels_say_what_they_show_and_in_which_unit(self):
        def check(dashboard):
            for panel in dashboard["panels"]:
                if panel["type"] == "row":
                    continue
                self.assertTrue(panel["description"], panel["title"])
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])
                self.assertTrue(panel["targets"], panel["title"])
        self.for_each(check)

    def test_prometheus_takes_each_expression(self):
        def check(dashboard):
            asked = [expr.replace("$__rate_interval", "5m").replace("$job", "cairn")
                     for expr in expressions_of(dashboard)]
            page = {"groups": [{"name": "panels", "rules": [
                {"record": f"panel:{i}", "expr": expr} for i, expr in enumerate(asked)]}]}
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as script:
                script.write(yaml.safe_dump(page))
                script.flush()
                code, told = promtool("check", "rules", script.name)
            self.assertEqual(code, 0, told)
        self.for_each(check)

    def test_what_is_computed_beforehand_is_computed(self):
        recorded = {rule["record"] for rule in rules() if "record" in rule}
        for path in (RULES, *DASHBOARDS):
            self.assertEqual(set(RECORDED.findall(path.read_text())) - recorded, set(), path.name)


class MetricsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pages = scrapes.take()
        cls.told = {}
        for program, text in cls.pages.items():
            names = set(re.findall(r"^# TYPE (\S+)", text, re.M))
            cls.told[program] = names
        cls.all = set().union(*cls.told.values())

    def test_promtool_takes_each_page(self):
        for program, text in self.pages.items():
            done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                  capture_output=True)
            # (Its exit code also speaks of style: names of ours are older than its advice.)
            self.assertNotIn("error while", done.stderr, program)

    def test_rules_and_dashboards_ask_for_what_is_told(self):
        for path in (RULES, *DASHBOARDS):
            if path == RULES:
                asked = " ".join(rule["expr"] for rule in rules())
            else:
                asked = " ".join(expressions_of(json.loads(path.read_text())))
            self.assertEqual(metrics_in(asked) - self.all, set(), path.name)

    def test_every_metric_is_documented_and_nothing_else_is(self):
        documented = set(re.findall(r"^\| `(cairn_[a-z0-9_]+)", PAGE, re.M))
        self.assertEqual(self.all - documented, set(), "not in docs/monitoring.md")
        self.assertEqual(documented - self.all, set(), "in docs/monitoring.md, and not told")


if __name__ == "__main__":
    if shutil.which("promtool") is None:
        print("skipped: promtool is not there (Debian: prometheus)")
        sys.exit(77)
    unittest.main()
