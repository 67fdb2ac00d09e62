"""As much of a Kubernetes API as helm asks before it installs or upgrades: the version, which kinds
there are, and the objects that exist. Everything else is not found.

Threads: one of its own. Lifetime: the with statement's.
"""
import contextlib
import http.server
import json
import threading


def plural(kind):
    return kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"


def discovery(objects):
    """The answers, by path, that tell of the kinds of these objects."""
    kinds = {}
    for one in objects:
        kinds.setdefault(one["apiVersion"], set()).add(one["kind"])
    found = {"/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.0"},
             "/api": {"kind": "APIVersions", "versions": ["v1"]}}
    groups = []
    for api, names in kinds.items():
        group, _, version = api.rpartition("/")
        if group:
            groups.append({"name": group, "versions": [{"groupVersion": api, "version": version}]})
        found[f"/apis/{api}" if group else f"/api/{api}"] = {
            "kind": "APIResourceList", "groupVersion": api,
            "resources": [{"name": plural(kind), "namespaced": True, "kind": kind, "verbs": ["get"]}
                          for kind in sorted(names)]}
    return {**found, "/apis": {"kind": "APIGroupList", "groups": groups}}


@contextlib.contextmanager
def serving(kinds_of, existing=None):
    """Knows the kinds of the objects `kinds_of`. `existing`: objects by their path, as
    /apis/apps/v1/namespaces/logs/statefulsets/x. Yields the URL."""
    known = {**discovery(kinds_of), **(existing or {})}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = known.get(self.path.partition("?")[0])
            missing = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found or missing).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
