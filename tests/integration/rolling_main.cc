// rolling: restarts every node of a cluster of real processes, one after the other, under an
// exactly-once append load: with another version of the program, or the same again.
//
//   rolling --from OLD/cairnd --to NEW/cairnd [--logs 5]
//
// As docs/operations.md has operators do it: ask whether the node may stop, SIGTERM, wait for its
// end, start, wait until it is ready and the next one may stop. Exit code 0 only if no append
// failed after its retries, each node was stopped with exit code 0, no log changed its leader more
// than once for a node, and every replica holds what was acknowledged. The last line tells the
// longest time without an acknowledgement.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "tests/integration/exactly_once_load.h"
#include "tests/integration/process_cluster.h"

namespace cairn::integration {
namespace {

constexpr int kSeconds = 60;
// Between two restarts, so that each finds a load under way.
constexpr uint64_t kRecordsBetween = 500;

struct Options {
  std::string from;
  std::string to;
  std::string dir;
  int logs = 5;
  int producers = 3;
  int records_per_s = 1000;
};

// The newest term of each log, over all nodes.
using Terms = std::map<std::string, uint64_t>;

absl::Status Wrong(std::string what) { return absl::InternalError(ToAbsl(what)); }

class Rolling {
 public:
  explicit Rolling(const Options& options)
      : options_(options),
        cluster_({.program = options.from, .dir = options.dir, .nodes = 3, .flags = {}}) {}

  absl::Status Run() {
    cluster_.StartAll();
    if (!cluster_.AwaitAllReady(kSeconds)) return Wrong("the cluster did not become ready");
    RETURN_IF_ERROR(Open());
    for (size_t node = 0; node < cluster_.size(); ++node) {
      RETURN_IF_ERROR(AwaitMore());
      RETURN_IF_ERROR(RestartNode(node));
    }
    RETURN_IF_ERROR(AwaitMore());
    RETURN_IF_ERROR(load_->Finish());
    for (size_t node = 0; node < cluster_.size(); ++node) {
      RETURN_IF_ERROR(load_->Verify(cluster_.Endpoint(node)));
    }
    fmt::print("{} records were acknowledged and are on every node; the longest pause was {} ms\n",
               load_->acknowledged(), absl::ToInt64Milliseconds(longest_));
    return absl::OkStatus();
  }

 private:
  absl::Status Open() {
    ClientOptions options;
    options.endpoints = cluster_.Endpoints();
    ASSIGN_OR_RETURN(client_, Client::Connect(std::move(options)));
    for (int i = 0; i < options_.logs; ++i) {
      RETURN_IF_ERROR(client_->admin().CreateLog(fmt::format("quiet{}", i), {}).status());
    }
    ASSIGN_OR_RETURN(load_, ExactlyOnceLoad::Start({.endpoints = cluster_.Endpoints(),
                                                    .producers = options_.producers,
                                                    .records_per_s = options_.records_per_s}));
    return absl::OkStatus();
  }

  absl::Status AwaitMore() {
    const uint64_t goal = load_->acknowledged() + kRecordsBetween;
    const bool came = Eventually(
        [&] { return load_->acknowledged() >= goal || !load_->status().ok(); }, kSeconds);
    RETURN_IF_ERROR(load_->status());
    return came ? absl::OkStatus() : Wrong("appends were not acknowledged any more");
  }

  absl::Status RestartNode(size_t node) {
    ASSIGN_OR_RETURN(const Terms before, CollectTerms());
    RETURN_IF_ERROR(AwaitMayStop(node));
    (void)load_->TakeLongestGap();
    cluster_.Signal(node, SIGTERM);
    if (const auto code = cluster_.AwaitExit(node, kSeconds); code != 0) {
      return Wrong(fmt::format("node {} ended with code {}, expected 0", node + 1,
                               code ? fmt::to_string(*code) : "none"));
    }
    cluster_.SetProgram(node, options_.to);
    cluster_.Start(node);
    if (!Eventually([&] { return cluster_.IsReady(node); }, kSeconds)) {
      return Wrong(
          fmt::format("node {} did not become ready: {}", node + 1, cluster_.Output(node)));
    }
    RETURN_IF_ERROR(AwaitMayStop((node + 1) % cluster_.size()));
    const absl::Duration gap = load_->TakeLongestGap();
    longest_ = std::max(longest_, gap);
    fmt::print("node {} was restarted; the longest pause of all appends was {} ms\n", node + 1,
               absl::ToInt64Milliseconds(gap));
    return CompareTerms(before, node);
  }

  absl::Status CompareTerms(const Terms& before, size_t node) {
    ASSIGN_OR_RETURN(const Terms after, CollectTerms());
    for (const auto& [log, term] : after) {
      const auto old = before.find(log);
      if (old == before.end() || term <= old->second + 1) continue;
      return Wrong(
          fmt::format("log {} came from term {} to {} when node {} was restarted, expected "
                      "one change of its leader",
                      log, old->second, term, node + 1));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Terms> CollectTerms() {
    Terms terms;
    for (const std::string& endpoint : cluster_.Endpoints()) {
      ASSIGN_OR_RETURN(const NodeStatus status,
                       client_->admin().Status(endpoint, /*with_groups=*/true));
      for (const GroupStatus& group : status.groups) {
        uint64_t& term = terms[group.log];
        term = std::max(term, group.term.value());
      }
    }
    return terms;
  }

  // Until every log would keep its quorum without the node.
  absl::Status AwaitMayStop(size_t node) {
    std::string why = "no answer";
    const bool may = Eventually(
        [&] {
          const auto advice = client_->admin().CanIStop(NodeId(node + 1));
          if (!advice.ok() || !advice->can_stop) {
            why = advice.ok() ? "a log would lose its quorum"
                              : std::string(advice.status().message());
            return false;
          }
          return true;
        },
        kSeconds);
    return may ? absl::OkStatus() : Wrong(fmt::format("node {} may not stop: {}", node + 1, why));
  }

  const Options options_;
  ProcessCluster cluster_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<ExactlyOnceLoad> load_;
  absl::Duration longest_;
};

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Restarts all nodes of a cluster one after the other, under load.");
  app.add_option("--from", options.from, "cairnd that the cluster starts with")->required();
  app.add_option("--to", options.to, "cairnd that each node is restarted with")->required();
  app.add_option("--dir", options.dir, "Directory for the nodes' data; default: a temporary one");
  app.add_option("--logs", options.logs, "Logs beside the one that is appended to");
  app.add_option("--records-per-s", options.records_per_s, "Of each producer");
  CLI11_PARSE(app, argc, argv);
  std::string made;
  if (options.dir.empty()) {
    std::string pattern = std::filesystem::temp_directory_path() / "cairn-rolling-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) {
      fmt::print(stderr, "rolling: no directory can be made: {}\n", pattern);
      return 1;
    }
    made = options.dir = pattern;
  }
  const absl::Status status = Rolling(options).Run();
  if (!status.ok()) {
    fmt::print(stderr, "rolling: {}\nThe nodes' data and output are in {}\n",
               ToStd(status.message()), options.dir);
    return 1;
  }
  if (!made.empty()) std::filesystem::remove_all(made);
  return 0;
}

}  // namespace
}  // namespace cairn::integration

int main(int argc, char** argv) { return cairn::integration::Main(argc, argv); }
