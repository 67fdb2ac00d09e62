// Console: the page of a node, and the API that it is made of, as HttpPages::other.
//
//   request -> Guard -> a file of the page, or Api -> NodeClient -> the node's services
//
// Threads: any. Bounds: kMaxCalls requests of the API at a time, so that threads are left for
//   /metrics and /readyz; 503 with Retry-After beyond that.
// Lifetime: destroyed before the node's gRPC server.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/http_server.h"
#include "server/console/api.h"
#include "server/console/guard.h"
#include "server/console/node_client.h"

namespace cairn::console {

class Console {
 public:
  static constexpr int kMaxCalls = 4;

  // `names`: by which people may reach this node (guard.h).
  Console(std::shared_ptr<grpc::Channel> local, NodeClient::ChannelTo channel_to,
          const std::vector<std::string>& names);

  HttpResponse Answer(const HttpRequest& request);

 private:
  HttpResponse AnswerCall(const HttpRequest& request);
  HttpResponse Route(const HttpRequest& request);

  const NodeClient client_;
  const Guard guard_;
  Api api_{&client_};
  std::atomic<int> calls_{0};
};

}  // namespace cairn::console
