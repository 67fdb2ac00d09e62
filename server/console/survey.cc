#include "server/console/survey.h"

#include <algorithm>
#include <utility>

namespace cairn::console {
namespace {

using std::chrono::steady_clock;

// One member's call.
struct Inquiry {
  NodeView* node = nullptr;
  std::unique_ptr<v1::ClusterService::Stub> stub;
  grpc::ClientContext context;
};

// Counts the calls that are still open.
class Open {
 public:
  explicit Open(size_t count) : count_(count) {}
  void Settle() {
    absl::MutexLock lock(&mutex_);
    --count_;
  }
  void AwaitNone() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](size_t* count) { return *count == 0; }, &count_));
  }

 private:
  absl::Mutex mutex_;
  size_t count_;
};

// Asks all of `nodes` at once and fills their answers in.
void AskMembers(const NodeClient& client, const Caller& caller, std::vector<NodeView>& nodes) {
  v1::StatusRequest request;
  request.set_with_groups(true);
  request.set_with_counters(true);
  Caller brief = caller;
  brief.deadline =
      std::min(caller.deadline, std::chrono::system_clock::now() + Survey::kAnswerWithin);
  Open open(nodes.size());
  std::vector<std::unique_ptr<Inquiry>> inquiries;
  for (NodeView& node : nodes) {
    auto& inquiry = *inquiries.emplace_back(std::make_unique<Inquiry>());
    inquiry.node = &node;
    inquiry.stub = client.MemberAt(node.member.address());
    NodeClient::Prepare(brief, inquiry.context);
    inquiry.stub->async()->Status(&inquiry.context, &request, &node.said,
                                  [&open, &node](const grpc::Status& status) {
                                    node.answered = status.ok();
                                    node.why_not = status.error_message();
                                    open.Settle();
                                  });
  }
  open.AwaitNone();
}

// A node that is still forming knows of itself only.
NodeView Myself(const v1::StatusResponse& said) {
  NodeView node{.answered = true, .said = said};
  node.member.set_node_id(said.node_id());
  node.member.set_name(said.node_name());
  return node;
}

}  // namespace

Survey::Result Survey::Ask(const Caller& caller) const {
  auto view = std::make_shared<ClusterView>();
  const steady_clock::time_point began = steady_clock::now();
  v1::StatusResponse own;
  grpc::Status status = client_->Status(caller, v1::StatusRequest(), own);
  if (!status.ok()) return {status, nullptr};
  v1::MembersResponse members;
  status = client_->Members(caller, members);
  if (!status.ok()) return {status, nullptr};
  for (v1::Member& member : *members.mutable_members()) {
    view->nodes.emplace_back().member = std::move(member);
  }
  std::vector<v1::LogSummary> logs;
  if (view->nodes.empty()) {
    view->nodes.push_back(Myself(own));
  } else {
    status = client_->ListLogs(caller, kMaxLogs + 1, logs);
    if (!status.ok()) return {status, nullptr};
    AskMembers(*client_, caller, view->nodes);
  }
  view->logs_cut = logs.size() > kMaxLogs;
  if (view->logs_cut) logs.resize(kMaxLogs);
  std::sort(view->nodes.begin(), view->nodes.end(),
            [](const NodeView& a, const NodeView& b) { return a.member.name() < b.member.name(); });
  view->self_node_id = own.node_id();
  view->cluster_id = own.cluster_id();
  view->logs = BuildLogs(view->nodes, logs);
  view->took_us =
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began).count();
  return {grpc::Status::OK, std::move(view)};
}

std::shared_ptr<Survey::Kept> Survey::KeptFor(const std::string& authorization) {
  const auto found = kept_.find(authorization);
  if (found != kept_.end()) return found->second;
  if (kept_.size() >= kMaxKept) {
    kept_.erase(std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
      return a.second->ended < b.second->ended;
    }));
  }
  return kept_[authorization] = std::make_shared<Kept>();
}

Survey::Result Survey::Take(const Caller& caller) {
  std::shared_ptr<Kept> kept;
  {
    absl::MutexLock lock(&mutex_);
    kept = KeptFor(caller.authorization);
    mutex_.Await(absl::Condition(
        +[](Kept* one) { return !one->running; }, kept.get()));
    const auto age = steady_clock::now() - kept->ended;
    if (kept->ended != Moment() && age < std::max<steady_clock::duration>(kMinAge, kept->took)) {
      return kept->result;
    }
    kept->running = true;
  }
  const Moment began = steady_clock::now();
  Result result = Ask(caller);
  absl::MutexLock lock(&mutex_);
  kept->result = result;
  kept->ended = steady_clock::now();
  kept->took = kept->ended - began;
  kept->running = false;
  return result;
}

}  // namespace cairn::console
