#include "server/rpc/stop_survey.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/check.h"

namespace cairn::rpc {
namespace {

constexpr std::chrono::seconds kAnswerWithin{1};
constexpr int kMaxLogs = 100;

struct Replica {
  NodeId node;
  GroupId group;
  auto operator<=>(const Replica&) const = default;
};

// It has what it acknowledged: else it neither votes nor counts for a commit. Older nodes do not
// say.
bool IsSound(const v1::GroupStatus& group) {
  return group.role() != "halted" && (group.standing().empty() || group.standing() == "sound");
}

// Replicas that serve their group now.
std::set<Replica> SoundReplicas(const std::vector<v1::StatusResponse>& answers) {
  std::set<Replica> sound;
  for (const v1::StatusResponse& answer : answers) {
    if (answer.state() != "ready" && answer.state() != "storage_full") continue;
    for (const v1::GroupStatus& group : answer.groups()) {
      if (!IsSound(group)) continue;
      sound.insert({NodeId(answer.node_id()), GroupId(group.log_id())});
    }
  }
  return sound;
}

std::vector<NodeId> CatalogVoters(const server::Node& node) {
  for (const server::GroupView& view : node.Groups()) {
    if (view.group == kCatalogGroup) return view.voters;
  }
  return {};
}

bool KeepsQuorum(const std::set<Replica>& sound, GroupId group, const std::vector<NodeId>& replicas,
                 NodeId stopping) {
  const bool concerned = std::find(replicas.begin(), replicas.end(), stopping) != replicas.end();
  if (!concerned) return true;
  const auto left = std::count_if(replicas.begin(), replicas.end(), [&](NodeId node) {
    return node != stopping && sound.count({node, group}) != 0;
  });
  return static_cast<size_t>(left) >= replicas.size() / 2 + 1;
}

}  // namespace

void JudgeStop(const server::Catalog& catalog, const std::vector<NodeId>& catalog_voters,
               NodeId stopping, const std::vector<v1::StatusResponse>& answers,
               v1::CanIStopResponse& response) {
  const std::set<Replica> sound = SoundReplicas(answers);
  const auto judge = [&](const std::string& name, GroupId group,
                         const std::vector<NodeId>& replicas) {
    if (KeepsQuorum(sound, group, replicas, stopping)) return;
    response.set_can_stop(false);
    const bool named = response.logs_size() > 0 && response.logs(response.logs_size() - 1) == name;
    if (!named && response.logs_size() < kMaxLogs) response.add_logs(name);
  };
  response.set_can_stop(true);
  judge("catalog", kCatalogGroup, catalog_voters);
  for (const auto& [id, log] : catalog.logs()) {
    if (log.moving()) judge(log.name, id, log.wanted);
    judge(log.name, id, log.replicas);
  }
}

StopSurvey::StopSurvey(Environment* environment, grpc::CallbackServerContext* context,
                       NodeId stopping, v1::CanIStopResponse* response)
    : environment_(environment),
      context_(context),
      stopping_(stopping),
      response_(response),
      view_(environment->node->catalog()),
      catalog_voters_(CatalogVoters(*environment->node)) {
  request_.set_with_groups(true);
}

StopSurvey* StopSurvey::Start() {
  for (const auto& [id, member] : view_->catalog.members()) {
    if (id == stopping_ || member.incarnation == 0) continue;
    inquiries_.push_back(std::make_unique<Inquiry>(environment_->channels.To(member.address)));
  }
  {
    // One more than there are inquiries, so that none ends the call before all are started.
    absl::MutexLock lock(&mutex_);
    open_ = inquiries_.size() + 1;
  }
  for (const std::unique_ptr<Inquiry>& inquiry : inquiries_) {
    inquiry->context.set_deadline(std::chrono::system_clock::now() + kAnswerWithin);
    environment_->authority.PassOn(*context_, inquiry->context);
    inquiry->stub.UnaryCall(&inquiry->context, RuleOf(Rpc::kStatus).method, grpc::StubOptions(),
                            &request_, &inquiry->response,
                            [this, answer = &inquiry->response](const grpc::Status& status) {
                              Settle(status.ok() ? answer : nullptr);
                            });
  }
  Settle(nullptr);
  return this;
}

void StopSurvey::Settle(const v1::StatusResponse* answer) {
  bool last = false;
  {
    absl::MutexLock lock(&mutex_);
    if (answer != nullptr) answers_.push_back(*answer);
    last = --open_ == 0;
    if (last) JudgeStop(view_->catalog, catalog_voters_, stopping_, answers_, *response_);
  }
  if (last) Finish(grpc::Status::OK);
}

void StopSurvey::OnDone() { delete this; }

}  // namespace cairn::rpc
