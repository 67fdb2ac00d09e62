#include "server/runtime/formation.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

absl::Status Precondition(const std::string& message) {
  return absl::FailedPreconditionError(ToAbsl(message));
}

void Append(std::string& list, const std::string& item) {
  if (!list.empty()) list += "; ";
  list += item;
}

}  // namespace

std::string DrawClusterId() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

absl::StatusOr<NodeId> FindSelf(const cairn::v1::FormRequest& formed, std::string_view name,
                                uint64_t incarnation) {
  for (const cairn::v1::FormMember& member : formed.members()) {
    if (member.incarnation() == incarnation && member.name() == name) {
      return NodeId(member.node_id());
    }
    if (member.incarnation() == incarnation) {
      return Precondition(
          fmt::format("the data directory belongs to node \"{}\" of cluster {}, and this node is "
                      "called \"{}\": start it with --name {} or with another --data-dir",
                      member.name(), formed.cluster_id(), name, member.name()));
    }
  }
  for (const cairn::v1::FormMember& member : formed.members()) {
    if (member.name() != name) continue;
    return Precondition(fmt::format(
        "cluster {} knows \"{}\" with another data directory (incarnation {:016x}; this one has "
        "{:016x}): what that one acknowledged and voted is not here, so this node must not take "
        "its place. Start it with the old data directory. If that is lost: `cairn cluster remove "
        "{}`, `cairn cluster add {} --address {}`, then start it with --join and this directory",
        formed.cluster_id(), name, member.incarnation(), incarnation, name, name,
        member.address()));
  }
  return Precondition(fmt::format(
      "cluster {} has no member \"{}\": once it was formed, nodes join by `cairn cluster "
      "add {}` and --join, with an empty data directory",
      formed.cluster_id(), name, name));
}

Formation::Formation(const NodeConfig* config, storage::LogStore* store, FormationPeers* peers,
                     std::string (*draw_cluster_id)())
    : config_(config),
      store_(store),
      peers_(peers),
      draw_cluster_id_(draw_cluster_id),
      incarnation_(store->Identity().incarnation),
      hash_(InitialClusterHash(*config)),
      waiting_for_("the first round of asking the other members") {}

absl::Status Formation::Load() {
  const std::string stored = store_->Identity().formed;
  if (stored.empty()) return absl::OkStatus();
  cairn::v1::FormRequest formed;
  if (!formed.ParseFromString(stored)) {
    return absl::DataLossError("the data directory's record of its cluster does not parse");
  }
  RETURN_IF_ERROR(FindSelf(formed, config_->name, incarnation_).status());
  absl::MutexLock lock(&mutex_);
  formed_ = std::move(formed);
  waiting_for_.clear();
  return absl::OkStatus();
}

std::optional<cairn::v1::FormRequest> Formation::formed() const {
  absl::MutexLock lock(&mutex_);
  return formed_;
}

std::string Formation::waiting_for() const {
  absl::MutexLock lock(&mutex_);
  return waiting_for_;
}

std::string Formation::WhyNot(const InitialMember& member,
                              const cairn::v1::IntroduceResponse& answer) const {
  if (answer.name() != member.name) {
    return fmt::format("{} ({}): the node there calls itself \"{}\"", member.name, member.address,
                       answer.name());
  }
  if (answer.initial_cluster_hash() != hash_) {
    return fmt::format("{} ({}): it was started with another --initial-cluster than this node",
                       member.name, member.address);
  }
  return "";
}

absl::StatusOr<bool> Formation::Step() {
  if (formed()) return true;
  if (!config_->join.empty()) return Join(config_->join);
  cairn::v1::IntroduceRequest request;
  request.set_from_name(config_->name);
  request.set_initial_cluster_hash(hash_);
  std::string missing;
  std::vector<cairn::v1::IntroduceResponse> others;
  for (const InitialMember& member : config_->initial_cluster) {
    if (member.name == config_->name) continue;
    auto answer = peers_->Introduce(member.address, request);
    if (!answer.ok()) {
      Append(missing, fmt::format("{} ({}): {}", member.name, member.address,
                                  ToStd(answer.status().message())));
      continue;
    }
    if (answer->has_formed()) {
      const absl::Status adopted = Adopt(answer->formed());
      if (adopted.ok()) return true;
      // What its own words say is more than a refusal to join would.
      const absl::StatusOr<bool> joined = Join({member.address});
      return joined.ok() ? joined : adopted;
    }
    const std::string why_not = WhyNot(member, *answer);
    if (!why_not.empty()) Append(missing, why_not);
    others.push_back(*std::move(answer));
  }
  const std::string& coordinator = config_->initial_cluster.front().name;
  if (missing.empty() && coordinator == config_->name) return Coordinate(others);
  if (missing.empty()) missing = fmt::format("{} to form the cluster", coordinator);
  absl::MutexLock lock(&mutex_);
  if (!formed_) waiting_for_ = std::move(missing);
  return formed_.has_value();
}

absl::StatusOr<bool> Formation::Join(const std::vector<std::string>& addresses) {
  cairn::v1::JoinRequest request;
  request.set_name(config_->name);
  request.set_address(config_->advertise);
  request.set_zone(config_->zone);
  request.set_incarnation(incarnation_);
  std::string missing;
  for (const std::string& address : addresses) {
    const auto answer = peers_->Join(address, request);
    if (answer.ok()) {
      RETURN_IF_ERROR(Adopt(answer->formed()));
      return true;
    }
    if (absl::IsInvalidArgument(answer.status())) {
      return Precondition(fmt::format("{} does not let this node in: {}", address,
                                      ToStd(answer.status().message())));
    }
    Append(missing, fmt::format("{}: {}", address, ToStd(answer.status().message())));
  }
  absl::MutexLock lock(&mutex_);
  waiting_for_ = std::move(missing);
  return false;
}

absl::StatusOr<bool> Formation::Coordinate(
    const std::vector<cairn::v1::IntroduceResponse>& others) {
  cairn::v1::FormRequest form;
  form.set_cluster_id(draw_cluster_id_());
  for (const InitialMember& initial : config_->initial_cluster) {
    cairn::v1::FormMember& member = *form.add_members();
    member.set_node_id(static_cast<uint64_t>(form.members_size()));
    member.set_name(initial.name);
    member.set_address(initial.address);
    const auto answer = std::find_if(others.begin(), others.end(),
                                     [&](const auto& a) { return a.name() == initial.name; });
    const bool self = initial.name == config_->name;
    CHECK(self || answer != others.end());
    member.set_incarnation(self ? incarnation_ : answer->incarnation());
    member.set_zone(self ? config_->zone : answer->zone());
  }
  RETURN_IF_ERROR(Adopt(form));
  for (const InitialMember& member : config_->initial_cluster) {
    if (member.name == config_->name) continue;
    const auto answer = peers_->Form(member.address, form);
    // Who missed it asks again and adopts it then.
    if (!answer.ok()) {
      spdlog::warn("{} was not told of the cluster: {}", member.name,
                   std::string(answer.status().message()));
    } else if (!answer->refusal().empty()) {
      spdlog::error("{} refuses the cluster: {}", member.name, answer->refusal());
    }
  }
  return true;
}

absl::Status Formation::Adopt(const cairn::v1::FormRequest& form) {
  absl::MutexLock adopting(&adopt_mutex_);
  if (const auto present = formed()) {
    if (present->cluster_id() == form.cluster_id()) return absl::OkStatus();
    return Precondition(fmt::format("\"{}\" already belongs to cluster {}, not to {}",
                                    config_->name, present->cluster_id(), form.cluster_id()));
  }
  RETURN_IF_ERROR(FindSelf(form, config_->name, incarnation_).status());
  RETURN_IF_ERROR(store_->SetFormed(form.SerializeAsString()));
  absl::MutexLock lock(&mutex_);
  formed_ = form;
  waiting_for_.clear();
  return absl::OkStatus();
}

cairn::v1::IntroduceResponse Formation::Introduce(const cairn::v1::IntroduceRequest&) const {
  cairn::v1::IntroduceResponse response;
  response.set_name(config_->name);
  response.set_initial_cluster_hash(hash_);
  response.set_incarnation(incarnation_);
  response.set_zone(config_->zone);
  absl::MutexLock lock(&mutex_);
  if (formed_) *response.mutable_formed() = *formed_;
  return response;
}

cairn::v1::FormResponse Formation::Form(const cairn::v1::FormRequest& request) {
  cairn::v1::FormResponse response;
  const absl::Status status = Adopt(request);
  if (!status.ok()) response.set_refusal(std::string(status.message()));
  return response;
}

}  // namespace cairn::server
