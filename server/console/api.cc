#include "server/console/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "server/console/agents.h"
#include "server/console/alerts.h"
#include "server/console/query.h"

namespace cairn::console {
namespace {

constexpr uint64_t kMaxSeq = uint64_t{1} << 53;

HttpResponse JsonResponse(const Json& json, int status = 200) {
  HttpResponse response{.status = status, .type = "application/json", .body = ToText(json)};
  response.headers = {{"Cache-Control", "no-store"}};
  return response;
}

HttpResponse RefuseWith(const grpc::Status& status) {
  return JsonResponse(ErrorJson(status), HttpStatusOf(status));
}

Caller CallerOf(const HttpRequest& request) {
  return {.authorization = request.Header("authorization"),
          .deadline = std::chrono::system_clock::now() + Api::kAnswerWithin};
}

bool Contains(const LogView& log, const std::string& part) {
  return log.name.find(part) != std::string::npos;
}

const LogView* FindLog(const ClusterView& view, const std::string& name) {
  const auto found = std::find_if(view.logs.begin(), view.logs.end(),
                                  [&](const LogView& log) { return log.name == name; });
  return found == view.logs.end() ? nullptr : &*found;
}

// Held leases of `log`, as rows that name it.
void AddLeases(const v1::DescribeLogResponse& log, Json& rows) {
  for (const v1::LeaseState& lease : log.leases()) {
    if (lease.holder().empty()) continue;
    Json row = ToJson(lease);
    row["log"] = log.name();
    rows.push_back(std::move(row));
  }
}

// The body of a transfer; nullopt: it is not that.
std::optional<v1::TransferLeadershipRequest> ParseTransfer(const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("log") || !json["log"].is_string()) return std::nullopt;
  v1::TransferLeadershipRequest request;
  request.set_log(json["log"].get<std::string>());
  if (request.log().empty()) return std::nullopt;
  if (!json.contains("to_node_id")) return request;
  if (!json["to_node_id"].is_string()) return std::nullopt;
  const std::string id = json["to_node_id"].get<std::string>();
  uint64_t node = 0;
  const auto [at, error] = std::from_chars(id.data(), id.data() + id.size(), node);
  if (error != std::errc() || at != id.data() + id.size()) return std::nullopt;
  request.set_to_node_id(node);
  return request;
}

}  // namespace

HttpResponse RefuseWith(int status, const std::string& message) {
  const char* reason = status == 400 ? "INVALID" : status == 503 ? "BUSY" : "";
  return JsonResponse({{"error", {{"reason", reason}, {"message", message}}}}, status);
}

HttpResponse Api::Answer(const HttpRequest& request) {
  using Handler = HttpResponse (Api::*)(const HttpRequest&);
  static const auto* const kHandlers = new std::map<std::string, Handler>{
      {"GET cluster", &Api::Cluster},   {"GET logs", &Api::Logs},
      {"GET log", &Api::Log},           {"GET leases", &Api::Leases},
      {"GET agents", &Api::Agents},     {"GET records", &Api::Records},
      {"POST transfer", &Api::Transfer}};
  const std::string name = request.path.substr(std::string_view(kPrefix).size());
  const auto found = kHandlers->find(request.method + " " + name);
  if (found != kHandlers->end()) return (this->*found->second)(request);
  std::vector<std::string> known;
  for (const auto& [call, handler] : *kHandlers) known.push_back(call);
  return RefuseWith(404, fmt::format("there is no {} {}{} here: expected {}", request.method,
                                     kPrefix, name.substr(0, 255), fmt::join(known, ", ")));
}

HttpResponse Api::Cluster(const HttpRequest& request) {
  if (auto wrong = Query(request).Wrong()) return RefuseWith(400, *wrong);
  const Survey::Result survey = survey_.Take(CallerOf(request));
  if (!survey.status.ok()) return RefuseWith(survey.status);
  const ClusterView& view = *survey.view;
  Json nodes = Json::array();
  for (const NodeView& node : view.nodes) nodes.push_back(ToJson(node));
  Json alerts = Json::array();
  for (const Alert& alert : JudgeCluster(view)) alerts.push_back(ToJson(alert));
  return JsonResponse({{"cluster_id", view.cluster_id},
                       {"self_node_id", fmt::format("{}", view.self_node_id)},
                       {"nodes", std::move(nodes)},
                       {"alerts", std::move(alerts)},
                       {"logs", view.logs.size()},
                       {"logs_cut", view.logs_cut},
                       {"took_us", view.took_us}});
}

HttpResponse Api::Logs(const HttpRequest& request) {
  Query query(request);
  const std::string part = query.Text("contains");
  const uint64_t offset = query.Number("offset", 0, 0, Survey::kMaxLogs);
  const uint64_t limit = query.Number("limit", 25, 1, 200);
  if (auto wrong = query.Wrong()) return RefuseWith(400, *wrong);
  const Survey::Result survey = survey_.Take(CallerOf(request));
  if (!survey.status.ok()) return RefuseWith(survey.status);
  Json rows = Json::array();
  uint64_t matching = 0;
  for (const LogView& log : survey.view->logs) {
    if (!Contains(log, part)) continue;
    if (matching >= offset && matching < offset + limit) rows.push_back(ToJson(log));
    ++matching;
  }
  return JsonResponse({{"logs", std::move(rows)},
                       {"offset", offset},
                       {"matching", matching},
                       {"logs_cut", survey.view->logs_cut}});
}

HttpResponse Api::Log(const HttpRequest& request) {
  Query query(request);
  const std::string name = query.Required("log");
  if (auto wrong = query.Wrong()) return RefuseWith(400, *wrong);
  v1::DescribeLogResponse described;
  const grpc::Status status = client_->Describe(CallerOf(request), name, described);
  if (!status.ok()) return RefuseWith(status);
  return JsonResponse(ToJson(described));
}

// Goes on behind `after` until there are `limit` leases, enough logs were looked into, or the time
// is over; `next` says where it stopped. Logs that do not answer are counted.
HttpResponse Api::Leases(const HttpRequest& request) {
  Query query(request);
  const std::string part = query.Text("contains");
  const std::string after = query.Text("after");
  const uint64_t limit = query.Number("limit", 100, 1, 200);
  if (auto wrong = query.Wrong()) return RefuseWith(400, *wrong);
  const Caller caller = CallerOf(request);
  const Survey::Result survey = survey_.Take(caller);
  if (!survey.status.ok()) return RefuseWith(survey.status);
  Json rows = Json::array();
  std::string next;
  size_t looked = 0;
  size_t silent = 0;
  for (const LogView& log : survey.view->logs) {
    if (log.log_id == 0 || log.name <= after || !Contains(log, part)) continue;
    if (rows.size() >= limit || looked >= kMaxDescribed) break;
    v1::DescribeLogResponse described;
    if (client_->Describe(caller, log.name, described).ok()) {
      AddLeases(described, rows);
    } else {
      ++silent;
    }
    ++looked;
    next = log.name;
  }
  const bool is_last = survey.view->logs.back().name <= next || looked == 0;
  return JsonResponse({{"leases", std::move(rows)},
                       {"next", is_last ? "" : next},
                       {"logs_looked_into", looked},
                       {"logs_silent", silent}});
}

HttpResponse Api::Agents(const HttpRequest& request) {
  if (auto wrong = Query(request).Wrong()) return RefuseWith(400, *wrong);
  const Caller caller = CallerOf(request);
  const Survey::Result survey = survey_.Take(caller);
  if (!survey.status.ok()) return RefuseWith(survey.status);
  Json caches = Json::array();
  size_t silent = 0;
  for (const LogView& log : survey.view->logs) {
    const std::optional<std::string> cache = CacheOf(log.name);
    if (!cache || caches.size() >= kMaxCaches) continue;
    v1::DescribeLogResponse agents;
    v1::DescribeLogResponse described;
    if (client_->Describe(caller, log.name, agents).ok() &&
        client_->Describe(caller, *cache, described).ok()) {
      caches.push_back(CacheJson(described, agents, FindLog(*survey.view, *cache)));
    } else {
      ++silent;
    }
  }
  return JsonResponse({{"caches", std::move(caches)}, {"caches_silent", silent}});
}

grpc::Status Api::StartAtLast(const Caller& caller, uint64_t last, ReadPlan& plan) const {
  v1::DescribeLogResponse described;
  grpc::Status status = client_->Describe(caller, plan.log, described);
  if (!status.ok()) return status;
  const uint64_t from = described.last_seq() + 1 - std::min(last, described.last_seq());
  // What the nodes have no more may be in the archive.
  const uint64_t archived = described.archive().first_seq();
  const uint64_t first = described.first_seq();
  plan.from_seq = std::max(from, archived > 0 ? std::min(archived, first) : first);
  plan.log_id = described.log_id();
  return status;
}

HttpResponse Api::Records(const HttpRequest& request) {
  Query query(request);
  ReadPlan plan{.log = query.Required("log")};
  plan.log_id = query.Number("log_id", 0, 0, kMaxSeq);
  plan.from_seq = query.Number("from_seq", 0, 0, kMaxSeq);
  plan.max_records = query.Number("limit", 100, 1, 500);
  plan.max_bytes = kMaxPageBytes;
  const bool from_end = request.query.count("last") != 0;
  const uint64_t last = query.Number("last", 0, 0, 500);
  const uint64_t payload_bytes = query.Number("payload_bytes", 4096, 0, kMaxPageBytes);
  if (auto wrong = query.Wrong()) return RefuseWith(400, *wrong);
  if (from_end && plan.from_seq != 0) {
    return RefuseWith(400, "from_seq and last exclude each other: give one of them");
  }
  const Caller caller = CallerOf(request);
  if (from_end) {
    const grpc::Status status = StartAtLast(caller, last, plan);
    if (!status.ok()) return RefuseWith(status);
  }
  RecordPage page;
  const grpc::Status status = client_->Read(caller, plan, page);
  if (!status.ok()) return RefuseWith(status);
  Json json = ToJson(page, payload_bytes);
  json["log_id"] = plan.log_id;
  return JsonResponse(json);
}

HttpResponse Api::Transfer(const HttpRequest& request) {
  if (auto wrong = Query(request).Wrong()) return RefuseWith(400, *wrong);
  const auto transfer = ParseTransfer(request.body);
  if (!transfer) {
    return RefuseWith(
        400,
        "expected {\"log\": \"name\", \"to_node_id\": \"id\"}; without to_node_id the best "
        "follower is taken");
  }
  v1::TransferLeadershipResponse response;
  const grpc::Status status = client_->Transfer(CallerOf(request), *transfer, response);
  if (!status.ok()) return RefuseWith(status);
  return JsonResponse({{"transferred", response.transferred()}});
}

}  // namespace cairn::console
