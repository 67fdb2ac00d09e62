"""The few lines that a Python program wants between itself and the generated stubs.

Cluster   calls any node that answers; a follower passes what only a leader can do on.
Refused   what Cairn refused, with its reason and facts; anything else that gRPC raises came from
          the transport, and then it is unknown whether a change was done.
Producer  appends each request exactly once, however often it has to be sent.
"""

import itertools
import time

import grpc
from google.protobuf import any_pb2

from cairn.v1 import error_pb2, lease_pb2_grpc, log_pb2, log_pb2_grpc
from google_status_pb2 import Status

DETAILS = "grpc-status-details-bin"


class Refused(Exception):
    def __init__(self, info, message):
        super().__init__(f"{error_pb2.Reason.Name(info.reason)}: {message}")
        self.info = info

    def because(self, reason):
        return self.info.reason == error_pb2.Reason.Value(f"REASON_{reason}")


def refusal(error):
    """The Refused that an RpcError carries; None if it came from the transport."""
    for key, value in error.trailing_metadata() or ():
        if key != DETAILS:
            continue
        for detail in Status.FromString(value).details:
            info = error_pb2.ErrorInfo()
            if detail.Unpack(info):
                return Refused(info, error.details())
    return None


class Cluster:
    def __init__(self, endpoints, patience_s=10):
        self._channels = [grpc.insecure_channel(endpoint) for endpoint in endpoints]
        self._next = itertools.cycle(range(len(self._channels)))
        self._at = next(self._next)
        self._patience_s = patience_s

    @property
    def logs(self):
        return log_pb2_grpc.LogServiceStub(self._channels[self._at])

    @property
    def leases(self):
        return lease_pb2_grpc.LeaseServiceStub(self._channels[self._at])

    def call(self, method, request, service="logs", safe=True):
        """Calls until a node answers. `safe`: it may arrive twice without harm. A read may, and a
        request of a producer; one with `if_last_seq` too, but if the first try was done the second
        is refused. What is not safe is not sent again once it may have arrived."""
        give_up = time.monotonic() + self._patience_s
        while True:
            try:
                return getattr(getattr(self, service), method)(request, timeout=self._patience_s)
            except grpc.RpcError as error:
                refused = refusal(error)
                if refused and error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise refused from error
                # UNAVAILABLE with a reason: certainly not done.
                if not refused and not safe:
                    raise
                if time.monotonic() > give_up:
                    raise refused or error from error
                self._at = next(self._next)
                time.sleep(0.05)


class Producer:
    """One request at a time; the service remembers the answer to the last ones."""

    def __init__(self, cluster, log, log_id):
        self._cluster, self._log, self._log_id = cluster, log, log_id
        registration = log_pb2.RegisterProducerRequest(log=log, log_id=log_id)
        self._id = cluster.call("RegisterProducer", registration).producer_id
        self._sequence = 0

    def append(self, *payloads):
        self._sequence += 1
        request = log_pb2.AppendRequest(log=self._log, log_id=self._log_id)
        request.producer.id, request.producer.sequence = self._id, self._sequence
        for payload in payloads:
            request.records.add(payload=payload)
        return self._cluster.call("Append", request)
