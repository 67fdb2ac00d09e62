"""What the chart tells pods to run is run: rendered commands as processes on the loopback
(pods.py). Three nodes must form a cluster that takes records and has them everywhere, and caches
must serve. Needs helm, redis-server and memcached; without helm it is skipped.
"""
import contextlib
import socket
import unittest

import chart
import pods

READY_S = 25


def talk(address, request, ends):
    """Sends and reads until the answer ends with one of `ends`."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while not answer.endswith(ends):
            piece = connection.recv(4096)
            if not piece:
                break
            answer += piece
    return answer.decode()


@contextlib.contextmanager
def running(test, objects):
    """Starts the pods of all StatefulSets, nodes first, and yields them by StatefulSet's name."""
    world = pods.World(objects)
    try:
        sets = sorted(chart.of_kind(objects, "StatefulSet"), key=chart.name_of)
        by_name = {chart.name_of(one): world.pods(one) for one in sets}
        for group in by_name.values():
            for pod in group:
                pod.start()
        for group in by_name.values():
            for pod in group:
                main = list(pod.containers.values())[-1]
                test.assertTrue(pods.await_true(READY_S, lambda: pod.is_ready(main)),
                                f"{pod.name} is not ready\n{world.logs()}")
        yield by_name
    finally:
        codes = world.stop()
    test.assertEqual(set(codes), {0}, "a process did not end in order")


class PodsTest(unittest.TestCase):
    def run_in(self, pod, command, container="cairnd"):
        done = pod.run(pod.containers[container], command, 20)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_each_rendered_command_is_a_valid_configuration(self):
        for name, files in {"default": [], **{n: [p] for n, p in chart.EXAMPLES.items()}}.items():
            objects = chart.render(files=files)
            world = pods.World(objects)
            self.addCleanup(world.stop)
            for stateful_set in chart.of_kind(objects, "StatefulSet"):
                for pod in world.pods(stateful_set):
                    with self.subTest(values=name, pod=pod.name):
                        self.check_config(pod)

    def check_config(self, pod):
        container = list(pod.containers.values())[-1]
        done = pod.run(container, pod.argv(container) + ["--check-config"], 10)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_three_nodes_form_a_cluster_and_have_what_was_appended(self):
        with running(self, chart.render()) as by_name:
            nodes = by_name["prod-cairn"]
            self.assertEqual(len(nodes), 3)
            self.run_in(nodes[0], ["cairn", "log", "create", "orders"])
            self.run_in(nodes[1], ["sh", "-c", "seq 1 500 | cairn append orders"])
            for node in nodes:
                address = node.address(node.containers["cairnd"], "grpc")
                read = self.run_in(node, ["cairn", "read", "orders", "--node", address])
                self.assertEqual(read.split(), [str(number) for number in range(1, 501)])
            self.run_in(nodes[0], ["cairn", "doctor"])
            hook = nodes[2].containers["cairnd"]["lifecycle"]["preStop"]["exec"]["command"]
            self.run_in(nodes[2], hook)

    def test_a_redis_and_its_agents_serve(self):
        with running(self, chart.render(files=[chart.EXAMPLES["redis"]])) as by_name:
            agents = by_name["prod-cairn-sessions"]
            self.assertTrue(pods.await_true(10, lambda: self.primary_of(agents)), "no primary")
            primary = self.primary_of(agents)
            replica = next(pod for pod in agents if pod is not primary)
            told = talk(self.address(primary, "client"), b"SET k v\r\n", b"\r\n")
            self.assertEqual(told, "+OK\r\n")
            self.assertTrue(pods.await_true(10, lambda: "v" in talk(
                self.address(replica, "client"), b"GET k\r\n", b"\r\n")))

    def test_a_memcached_and_its_agents_serve(self):
        with running(self, chart.render(files=[chart.EXAMPLES["memcached"]])) as by_name:
            one, other = by_name["prod-cairn-pages"]
            self.assertEqual(talk(self.address(one, "client"), b"set k 0 0 1\r\nv\r\n", b"\r\n"),
                             "STORED\r\n")
            self.assertEqual(talk(self.address(other, "client"), b"get k\r\n", b"END\r\n"),
                             "VALUE k 0 1\r\nv\r\nEND\r\n")

    def primary_of(self, agents):
        """Whom the second agent names when it is asked as a Sentinel; None if nobody."""
        told = talk(self.address(agents[1], "sentinel"),
                    b"SENTINEL get-master-addr-by-name sessions\r\n", b"\r\n")
        ports = {self.address(pod, "client").rpartition(":")[2]: pod for pod in agents}
        return next((pod for port, pod in ports.items() if port in told.split()), None)

    @staticmethod
    def address(pod, port_name):
        return pod.address(pod.containers["agent"], port_name)


if __name__ == "__main__":
    chart.helm_program()
    unittest.main(verbosity=2)
