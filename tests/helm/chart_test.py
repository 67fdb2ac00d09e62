"""The chart without running anything: helm lint, what the schema refuses, that the schema knows the
programs' options, and that what refers to something refers to what is there. Without helm it is
skipped.
"""
import json
import re
import subprocess
import unittest

import yaml

import chart
import fake_api

# Everything switched to what it is not by default.
MUCH = {
    "antiAffinity": "preferred", "zoneSpread": "DoNotSchedule", "priorityClassName": "high",
    "nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "a", "operator": "Exists"}],
    "podLabels": {"team": "a"}, "podAnnotations": {"note": "b"},
    "image": {"tag": "9", "pullSecrets": ["registry"]},
    "securityContext": {"runAsUser": 1000680000, "fsGroup": 1000680000},
    "config": {"max-logs": 1000000, "cache-bytes": 3 << 30, "lease-reads": True},
    "persistence": {"storageClass": "fast", "whenDeleted": "Delete"},
    "networkPolicy": {"clients": [{"namespaceSelector": {}}], "scrapers": [{"podSelector": {}}]},
    "tls": {"secretName": "node", "clientSecretName": "client", "clientAuth": "require"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboards": {"enabled": True},
    "caches": {
        "a": {"engine": "redis", "tls": {"secretName": "t", "requireClientCertificate": True},
              "auth": {"secretName": "p"}, "clients": [{"podSelector": {}}],
              "options": {"durability": "async", "store": "s3://bucket/a"},
              "envFrom": [{"secretRef": {"name": "s"}}]},
        "b": {"engine": "memcached", "persistence": {"enabled": True}, "memoryMi": 2000000},
    },
}

VALUES = {"default": None, "much": MUCH,
          **{name: yaml.safe_load(path.read_text()) for name, path in chart.EXAMPLES.items()}}

REFUSED = [
    ({"replicaCount": 0}, "replicaCount: Must be greater than or equal to 1"),
    ({"founders": 4}, "expected at most as many founders as nodes"),
    ({"replicas": 3}, "Additional property replicas is not allowed"),
    ({"antiAffinity": "soft"}, 'must be one of the following: "required", "preferred", "none"'),
    ({"config": {"name": "n1"}}, "Additional property name is not allowed"),
    ({"config": {"tick-ms": 2}}, "config.tick-ms: Must be greater than or equal to 5"),
    ({"config": {"cache-bytes": "1GB"}}, "config.cache-bytes: Does not match pattern"),
    ({"persistence": {"enabled": False}}, "Additional property enabled is not allowed"),
    ({"tls": {"enabled": True}}, "Additional property enabled is not allowed"),
    ({"tls": {"secretName": "t"}, "caches": {"a": {"engine": "redis"}}},
     "tls.clientSecretName is required with caches"),
    ({"caches": {"a": {}}}, "engine is required"),
    ({"caches": {"a": {"engine": "mongo"}}}, 'must be one of the following: "redis", "memcached"'),
    ({"caches": {"A": {"engine": "redis"}}}, "Does not match pattern"),
    ({"caches": {"a": {"engine": "redis", "options": {"mode": "write-behind"}}}},
     "Additional property mode is not allowed"),
    ({"caches": {"a": {"engine": "memcached", "tls": {"secretName": "t"}}}},
     "caches.a: tls and auth are for Redis"),
]

# Options that the chart sets itself, or that have no place in it.
NODE_SET = {"config", "check-config", "version", "help", "name", "data-dir", "listen", "advertise",
            "http-listen", "initial-cluster", "join", "zone", "tls-cert-file", "tls-key-file", "tls-ca-file",
            "tls-client-auth", "peer-tls-ca-file", "peer-tls-name", "http-tls",
            "http-tls-ca-file", "root-token-file", "audit-file"}
AGENT_SET = {"config", "check-config", "version", "help", "log", "cache", "shard", "ring",
             "endpoints", "engine", "engine-cmd", "keep-engine", "engine-user", "adopt",
             "engine-password-file", "listen", "advertise", "tls-cert", "tls-key", "tls-ca",
             "tls-listen", "peer-tls-ca", "sentinel-listen", "data-dir", "metrics-listen"}


def options_of(*command):
    """The options in a program's --help, with the (lowest, highest) of whole numbers, else None."""
    told = subprocess.run([chart.PROGRAMS / command[0], *command[1:], "--help"], text=True,
                          capture_output=True, check=True).stdout
    lines = re.findall(r"^  (?:-h,)?--([a-z-]+)(?: TEXT)? (.*)$", told, re.M)
    number = re.compile(r"\[(?:a whole number|milliseconds) in (\d+) … (\d+)")
    return {name: tuple(map(int, found.groups())) if (found := number.search(text)) else None
            for name, text in lines}


def selects(selector, labels):
    return selector.items() <= labels.items()


class ChartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rendered = {name: chart.render(values) for name, values in VALUES.items()}

    def for_each_values(self, check):
        for name, objects in self.rendered.items():
            with self.subTest(values=name):
                check(objects)

    def sets(self, objects):
        """The StatefulSets, and the labels of their pods by name."""
        found = chart.of_kind(objects, "StatefulSet")
        return found, {chart.name_of(one): one["spec"]["template"]["metadata"]["labels"]
                       for one in found}

    def test_lint_has_nothing_to_say(self):
        for name, values in VALUES.items():
            done = chart.helm("lint", "--strict", chart.CHART, values=values or {})
            self.assertEqual(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}")

    def test_wrong_values_are_refused_with_a_sentence(self):
        for values, sentence in REFUSED:
            with self.subTest(values=values), self.assertRaises(ValueError) as refused:
                chart.render(values)
            self.assertIn(sentence, str(refused.exception))

    def test_every_value_is_in_the_schema_and_documented(self):
        text = (chart.CHART / "values.yaml").read_text()
        schema = json.loads((chart.CHART / "values.schema.json").read_text())
        values = yaml.safe_load(text)
        self.assertEqual(set(values) | {"global"}, set(schema["properties"]))
        self.assertEqual(set(values["cacheDefaults"]),
                         set(schema["properties"]["cacheDefaults"]["properties"]))
        self.assertEqual(set(values["cacheDefaults"]),
                         set(schema["definitions"]["cache"]["properties"]))

    def test_the_schema_knows_the_options_of_the_programs(self):
        schema = json.loads((chart.CHART / "values.schema.json").read_text())
        definitions = schema["definitions"]
        for command, own, offered in [
                (["cairnd"], NODE_SET, schema["properties"]["config"]),
                (["cairn-agent", "redis"], AGENT_SET, definitions["redisOptions"]),
                (["cairn-agent", "memcached"], AGENT_SET, definitions["memcachedOptions"])]:
            ranges = {name: (rule["minimum"], rule["maximum"]) if "minimum" in rule else None
                      for name, rule in offered["properties"].items()}
            told = {name: rule for name, rule in options_of(*command).items() if name not in own}
            self.assertEqual(ranges, told, command)

    def test_selectors_select_the_pods_of_one_stateful_set(self):
        def check(objects):
            _, labels = self.sets(objects)
            for kind in ("StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"):
                for one in chart.of_kind(objects, kind):
                    self.assert_selects_one(one, self.selector_of(one), labels)
            for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
                self.assertGreaterEqual(len(chart.of_kind(objects, kind)), len(labels), kind)

        self.for_each_values(check)

    @staticmethod
    def selector_of(one):
        spec = one["spec"]
        found = spec.get("selector") or spec.get("podSelector")
        return found.get("matchLabels", found)

    def assert_selects_one(self, one, selector, labels):
        found = [name for name, pod in labels.items() if selects(selector, pod)]
        base = re.sub("-(members|agents)$", "", chart.name_of(one))
        self.assertEqual(found, [base], f"{one['kind']} {chart.name_of(one)}")

    def test_pods_keep_away_from_their_own_kind(self):
        def check(objects):
            for one in chart.of_kind(objects, "StatefulSet"):
                pod, labels = chart.pod_of(one), one["spec"]["template"]["metadata"]["labels"]
                affinity, = pod["affinity"]["podAntiAffinity"].values()
                term = affinity[0].get("podAffinityTerm", affinity[0])
                self.assertEqual(term["topologyKey"], "kubernetes.io/hostname")
                spread, = pod["topologySpreadConstraints"]
                for rule in (term, spread):
                    self.assertTrue(selects(rule["labelSelector"]["matchLabels"], labels))

        self.for_each_values(check)

    def test_ports_are_those_of_containers(self):
        def check(objects):
            sets, labels = self.sets(objects)
            ports = {chart.name_of(one): {port["name"] for each in chart.containers_of(one)
                                          for port in each.get("ports", [])} for one in sets}
            for one in chart.of_kind(objects, "Service") + chart.of_kind(objects, "NetworkPolicy"):
                target, = [n for n, pod in labels.items() if selects(self.selector_of(one), pod)]
                self.assertLessEqual(self.ports_of(one), ports[target], chart.name_of(one))

        self.for_each_values(check)

    @staticmethod
    def ports_of(one):
        if one["kind"] == "Service":
            return {port["targetPort"] for port in one["spec"]["ports"]}
        return {port["port"] for rule in one["spec"]["ingress"] for port in rule["ports"]}

    def test_agents_and_clients_reach_the_nodes(self):
        def check(objects):
            _, labels = self.sets(objects)
            policy = next(one for one in chart.of_kind(objects, "NetworkPolicy")
                          if chart.name_of(one) == "prod-cairn")
            peers = [peer["podSelector"]["matchLabels"]
                     for peer in policy["spec"]["ingress"][0]["from"] if peer.get("podSelector")]
            doctor, = chart.of_kind(objects, "Pod")
            for pod in [*labels.values(), doctor["metadata"]["labels"], {"cairn/client": "true"}]:
                self.assertTrue(any(selects(peer, pod) for peer in peers), pod)
            self.assertFalse(any(selects(peer, {"app": "other"}) for peer in peers))

        self.for_each_values(check)

    def test_the_service_monitor_finds_each_pod_once(self):
        objects = self.rendered["much"]
        monitor, = chart.of_kind(objects, "ServiceMonitor")
        found = [one for one in chart.of_kind(objects, "Service")
                 if selects(self.selector_of(monitor), one["metadata"]["labels"])]
        self.assertEqual(sorted(map(chart.name_of, found)),
                         ["prod-cairn-a-agents", "prod-cairn-b-agents", "prod-cairn-members"])
        for one in found:
            self.assertIn("http", [port["name"] for port in one["spec"]["ports"]])

    def test_rules_and_dashboards_are_those_of_the_files(self):
        objects = self.rendered["much"]
        rule, = chart.of_kind(objects, "PrometheusRule")
        files = chart.CHART / "monitoring"
        self.assertEqual(rule["spec"], yaml.safe_load((files / "rules.yaml").read_text()))
        boards, = (one for one in chart.of_kind(objects, "ConfigMap")
                   if chart.name_of(one).endswith("-dashboards"))
        self.assertEqual({name: json.loads(text) for name, text in boards["data"].items()},
                         {f"cairn-{path.name}": json.loads(path.read_text())
                          for path in files.glob("*.json")})

    def test_pods_mount_what_there_is_and_may_do_little(self):
        def check(objects):
            config_maps = {chart.name_of(one) for one in chart.of_kind(objects, "ConfigMap")}
            for one in chart.of_kind(objects, "StatefulSet"):
                self.assert_volumes(one, config_maps)
                self.assertIs(chart.pod_of(one)["securityContext"]["runAsNonRoot"], True)
                for container in chart.containers_of(one):
                    rules = container["securityContext"]
                    self.assertIs(rules["readOnlyRootFilesystem"], True)
                    self.assertIs(rules["allowPrivilegeEscalation"], False)
                    self.assertEqual(rules["capabilities"], {"drop": ["ALL"]})

        self.for_each_values(check)

    def assert_volumes(self, one, config_maps):
        volumes = chart.pod_of(one)["volumes"]
        claims = one["spec"].get("volumeClaimTemplates", [])
        names = {each["name"] for each in volumes} | {chart.name_of(each) for each in claims}
        mounted = {mount["name"] for each in chart.containers_of(one)
                   for mount in each["volumeMounts"]}
        self.assertEqual(names, mounted)
        used = {each["configMap"]["name"] for each in volumes if "configMap" in each}
        self.assertLessEqual(used, config_maps)

    def test_an_upgrade_cannot_change_the_members(self):
        formed, = chart.of_kind(self.rendered["default"], "StatefulSet")
        path = "/apis/apps/v1/namespaces/logs/statefulsets/prod-cairn"
        with fake_api.serving([formed], {path: formed}) as url:
            def upgrade(values):
                return chart.helm("template", "prod", chart.CHART, "--namespace", "logs",
                                  "--dry-run=server", "--kube-apiserver", url, values=values)
            self.assertEqual(upgrade({"config": {"workers": 2}}).returncode, 0)
            refused = upgrade({"replicaCount": 5})
            grown = upgrade({"replicaCount": 5, "founders": 3})
        self.assertEqual(grown.returncode, 0, grown.stderr)
        self.assertIn("--join=prod-cairn-0.", grown.stdout)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("members cannot be changed after the first start", refused.stderr)
        self.assertIn("set founders to 3", refused.stderr)

    def test_notes_name_every_cache(self):
        with fake_api.serving(self.rendered["much"]) as url:
            done = chart.helm("install", "prod", chart.CHART, "--namespace", "logs",
                              "--dry-run=client", "--disable-openapi-validation",
                              "--kube-apiserver", url, values=MUCH)
        self.assertEqual(done.returncode, 0, done.stderr)
        notes = done.stdout.partition("NOTES:")[2]
        for words in ("CAIRN_ENDPOINTS=prod-cairn.logs.svc.cluster.local:7400",
                      "prod-cairn-a.logs.svc.cluster.local:26379",
                      "prod-cairn-b.logs.svc.cluster.local:11211"):
            self.assertIn(words, notes)
        self.assertNotIn("WARNING", notes)


if __name__ == "__main__":
    chart.helm_program()
    unittest.main(verbosity=2)
