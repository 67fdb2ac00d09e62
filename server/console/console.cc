#include "server/console/console.h"

#include <utility>

#include "server/console/assets.h"

namespace cairn::console {

Console::Console(std::shared_ptr<grpc::Channel> local, NodeClient::ChannelTo channel_to,
                 const std::vector<std::string>& names)
    : client_(std::move(local), std::move(channel_to)), guard_(names) {}

HttpResponse Console::AnswerCall(const HttpRequest& request) {
  HttpResponse response;
  if (calls_.fetch_add(1, std::memory_order_relaxed) < kMaxCalls) {
    response = api_.Answer(request);
  } else {
    response = RefuseWith(503, "many pages are asking this node: try again in a second");
    response.headers.emplace_back("Retry-After", "1");
  }
  calls_.fetch_sub(1, std::memory_order_relaxed);
  return response;
}

HttpResponse Console::Route(const HttpRequest& request) {
  if (auto refusal = guard_.Refusal(request)) return RefuseWith(403, *refusal);
  if (request.path.rfind(Api::kPrefix, 0) == 0) return AnswerCall(request);
  const Asset* asset = request.method == "GET" ? FindAsset(request.path) : nullptr;
  if (asset != nullptr) return Serve(*asset, request);
  return RefuseWith(404, "there is no such page: the console is at /, its API at /api/v1/");
}

HttpResponse Console::Answer(const HttpRequest& request) {
  HttpResponse response = Route(request);
  Guard::Protect(response);
  return response;
}

}  // namespace cairn::console
