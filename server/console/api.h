// Api: the console's JSON under /api/v1 (docs/console.md). Any node answers for the cluster.
//
//   GET  cluster                         nodes with counters, alerts
//   GET  logs?contains&offset&limit      who leads which log, replicas, lags
//   GET  log?log                         one log: settings, leases, snapshots
//   GET  leases?contains&after&limit     held leases with the time they have left
//   GET  agents                          caches with their agents
//   GET  records?log&log_id&from_seq|last&limit&payload_bytes
//   POST transfer {"log", "to_node_id"}  moves a leadership
//
// Threads: any; a request blocks for at most kAnswerWithin. Bounds: those of each parameter, and
//   kMaxPageBytes of payload an answer. Lifetime: `client` outlives it.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/http_server.h"
#include "server/console/json_views.h"
#include "server/console/node_client.h"
#include "server/console/survey.h"

namespace cairn::console {

class Api {
 public:
  static constexpr std::chrono::seconds kAnswerWithin{2};
  static constexpr uint64_t kMaxPageBytes = 1 << 20;
  // Logs that one request for leases looks into.
  static constexpr size_t kMaxDescribed = 500;
  static constexpr size_t kMaxCaches = 100;

  explicit Api(const NodeClient* client) : client_(client), survey_(client) {}

  // `request.path` begins with kPrefix.
  HttpResponse Answer(const HttpRequest& request);

  static constexpr char kPrefix[] = "/api/v1/";

 private:
  HttpResponse Cluster(const HttpRequest& request);
  HttpResponse Logs(const HttpRequest& request);
  HttpResponse Log(const HttpRequest& request);
  HttpResponse Leases(const HttpRequest& request);
  HttpResponse Agents(const HttpRequest& request);
  HttpResponse Records(const HttpRequest& request);
  HttpResponse Transfer(const HttpRequest& request);

  // Turns "the last N" into a seq to start at.
  grpc::Status StartAtLast(const Caller& caller, uint64_t last, ReadPlan& plan) const;

  const NodeClient* const client_;
  Survey survey_;
};

// A refusal that the console makes itself: reason INVALID with 400, BUSY with 503, else none.
HttpResponse RefuseWith(int status, const std::string& message);

}  // namespace cairn::console
