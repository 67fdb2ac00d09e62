#include "server/catalog.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "server/catalog_parts.h"

namespace cairn::server {
namespace {

using cairn::v1::CatalogCommand;
using cairn::v1::LogSettings;
using google::protobuf::util::MessageDifferencer;

constexpr size_t kMaxNameBytes = 255;
constexpr uint64_t kMinSegmentBytes = 64 << 10;
constexpr uint64_t kMaxSegmentBytes = 1 << 30;

using Verdict = std::variant<Catalog::Append, CatalogDone, Rejection>;

// Every field set, so that settings are complete and comparable: also those that were stored when
// there were fewer fields.
LogSettings DefaultSettings() {
  LogSettings settings;
  settings.set_fenced(false);
  settings.set_retention_bytes(0);
  settings.set_retention_ms(0);
  settings.set_trim_guard("");
  settings.set_segment_bytes(0);
  settings.set_append_bytes_per_second(0);
  settings.set_appends_per_second(0);
  settings.set_archive(cairn::v1::ARCHIVE_POLICY_UNSPECIFIED);
  return settings;
}

// "" or what is wrong with a cluster's first record.
std::string CheckFormed(const cairn::v1::ClusterFormed& formed) {
  if (formed.cluster_id().empty()) return "the cluster id is empty";
  if (formed.members().empty()) return "a cluster needs members";
  std::set<uint64_t> ids;
  std::set<std::string> names;
  for (const cairn::v1::Member& member : formed.members()) {
    if (std::string wrong = CheckMember(FromProto(member)); !wrong.empty()) return wrong;
    if (!ids.insert(member.node_id()).second) {
      return fmt::format("node id {} appears twice", member.node_id());
    }
    if (!names.insert(member.name()).second) {
      return fmt::format("member name {} appears twice", member.name());
    }
  }
  return "";
}

// "" or what is wrong with where an imported log begins.
std::string CheckBase(const cairn::v1::LogBase& base) {
  if (base.first_seq() == 0) return "an imported log begins with seq 0, expected 1 or more";
  if (base.timestamp_us() < 0) return "an imported log begins before 1970";
  return "";
}

}  // namespace

std::string CheckLogName(std::string_view name) {
  if (name.empty()) return "a log name is empty";
  if (name.size() > kMaxNameBytes) {
    return fmt::format("a log name has {} bytes, at most {} are allowed", name.size(),
                       kMaxNameBytes);
  }
  const auto legal = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("._/-").find(c) != std::string_view::npos;
  };
  const auto bad = std::find_if_not(name.begin(), name.end(), legal);
  if (bad == name.end()) return "";
  return fmt::format("a log name has byte 0x{:02x} at offset {}, allowed are A-Z a-z 0-9 . _ / -",
                     static_cast<unsigned char>(*bad), bad - name.begin());
}

std::string CheckSettings(const LogSettings& settings) {
  const uint64_t segment = settings.segment_bytes();
  if (segment != 0 && (segment < kMinSegmentBytes || segment > kMaxSegmentBytes)) {
    return fmt::format("segment_bytes is {}, allowed are 0 and {} to {}", segment, kMinSegmentBytes,
                       kMaxSegmentBytes);
  }
  if (settings.trim_guard().size() > kMaxNameBytes) {
    return fmt::format("trim_guard has {} bytes, at most {} are allowed",
                       settings.trim_guard().size(), kMaxNameBytes);
  }
  const uint64_t quota = settings.append_bytes_per_second();
  if (quota != 0 && quota < kMinQuotaBytes) {
    return fmt::format("append_bytes_per_second is {}, allowed are 0 and {} or more", quota,
                       kMinQuotaBytes);
  }
  return "";
}

LogSettings MergeSettings(const LogSettings& base, const LogSettings& change) {
  LogSettings merged = base;
  merged.MergeFrom(change);  // All fields have presence: those that are set replace.
  return merged;
}

// ---- Judge ------------------------------------------------------------------------

Verdict Catalog::Judge(const CatalogOp& op) const {
  const CatalogCommand& command = op.command;
  if (command.has_cluster_formed()) return JudgeFormed(command.cluster_formed());
  if (cluster_id_.empty()) {
    return RejectCatalog(cairn::v1::REASON_NOT_READY, "the cluster is still forming");
  }
  switch (command.command_case()) {
    case CatalogCommand::kLogCreated:
      return JudgeCreated(command.log_created(), op.if_not_exists);
    case CatalogCommand::kLogUpdated:
      return JudgeUpdated(command.log_updated());
    case CatalogCommand::kLogDeleted:
      return JudgeDeleted(command.log_deleted());
    case CatalogCommand::kMemberChanged:
      return JudgeMember(command.member_changed());
    case CatalogCommand::kMemberRemoved:
      return JudgeRemoved(command.member_removed());
    case CatalogCommand::kLogPlaced:
      return JudgePlaced(command.log_placed(), op.instead_of);
    case CatalogCommand::kLogSettled:
      return JudgeSettled(command.log_settled());
    case CatalogCommand::kPolicyChanged:
      return JudgePolicy(command.policy_changed());
    case CatalogCommand::kClusterFormed:
    case CatalogCommand::COMMAND_NOT_SET:
      break;
  }
  return RejectCatalog(cairn::v1::REASON_INVALID, "the catalog command is empty");
}

Verdict Catalog::JudgeFormed(const cairn::v1::ClusterFormed& formed) const {
  if (std::string wrong = CheckFormed(formed); !wrong.empty()) {
    return RejectCatalog(cairn::v1::REASON_INVALID, std::move(wrong));
  }
  if (cluster_id_.empty()) {
    CatalogCommand command;
    *command.mutable_cluster_formed() = formed;
    return Append{.payload = command.SerializeAsString(), .done = {}};
  }
  // Told again, perhaps after a member's address has changed: the founders are the same.
  const bool same_founders =
      formed.cluster_id() == cluster_id_ &&
      std::all_of(formed.members().begin(), formed.members().end(),
                  [&](const auto& member) { return members_.contains(NodeId(member.node_id())); });
  if (same_founders) return CatalogDone{};
  return RejectCatalog(cairn::v1::REASON_INVALID,
                       fmt::format("this is cluster {}, it cannot become {} or get other founders",
                                   cluster_id_, formed.cluster_id()));
}

Verdict Catalog::JudgeCreated(const cairn::v1::LogCreated& created, bool if_not_exists) const {
  const std::string& name = created.name();
  std::string wrong = CheckLogName(name);
  if (wrong.empty()) wrong = CheckSettings(created.settings());
  if (wrong.empty() && created.has_base()) wrong = CheckBase(created.base());
  if (!wrong.empty()) return RejectCatalog(cairn::v1::REASON_INVALID, std::move(wrong));

  LogSettings settings = MergeSettings(DefaultSettings(), created.settings());
  if (const CatalogLog* log = FindByName(name)) {
    const bool same = MessageDifferencer::Equals(log->settings, settings);
    if (if_not_exists && same) {
      return CatalogDone{.log_id = log->id, .created = false, .settings = log->settings};
    }
    return RejectLog(cairn::v1::REASON_LOG_EXISTS, name, log->id,
                     fmt::format("log {} exists with id {}{}", name, log->id,
                                 same ? "" : " and other settings"));
  }
  if (logs_.size() >= max_logs_) {
    Rejection full = RejectCatalog(
        cairn::v1::REASON_TABLE_FULL,
        fmt::format("there are {} logs, at most {} are allowed", logs_.size(), max_logs_));
    full.info.set_limit(max_logs_);
    full.info.set_actual(logs_.size());
    return full;
  }
  CatalogCommand command;
  command.mutable_log_created()->set_name(name);
  *command.mutable_log_created()->mutable_settings() = settings;
  if (created.has_base()) *command.mutable_log_created()->mutable_base() = created.base();
  for (NodeId node : PlaceReplicas()) {
    command.mutable_log_created()->add_replica_node_ids(node.value());
  }
  return Append{.payload = command.SerializeAsString(),
                .done = {.log_id = GroupId(), .created = true, .settings = std::move(settings)}};
}

Verdict Catalog::JudgeUpdated(const cairn::v1::LogUpdated& updated) const {
  const CatalogLog* log = Find(GroupId(updated.log_id()));
  if (log == nullptr) return NoSuchLog(GroupId(updated.log_id()));
  if (std::string wrong = CheckSettings(updated.settings()); !wrong.empty()) {
    return RejectLog(cairn::v1::REASON_INVALID, log->name, log->id, std::move(wrong));
  }
  LogSettings settings = MergeSettings(log->settings, updated.settings());
  if (settings.fenced() != log->settings.fenced()) {
    return RejectLog(cairn::v1::REASON_INVALID, log->name, log->id,
                     fmt::format("log {}: fenced is chosen at creation and is {}", log->name,
                                 log->settings.fenced()));
  }
  CatalogDone done{.log_id = log->id, .created = false, .settings = settings};
  if (MessageDifferencer::Equals(settings, log->settings)) return done;
  CatalogCommand command;
  command.mutable_log_updated()->set_log_id(log->id.value());
  *command.mutable_log_updated()->mutable_settings() = std::move(settings);
  return Append{.payload = command.SerializeAsString(), .done = std::move(done)};
}

Verdict Catalog::JudgeDeleted(const cairn::v1::LogDeleted& deleted) const {
  const CatalogLog* log = Find(GroupId(deleted.log_id()));
  if (log == nullptr) return NoSuchLog(GroupId(deleted.log_id()));
  CatalogCommand command;
  command.mutable_log_deleted()->set_log_id(log->id.value());
  return Append{.payload = command.SerializeAsString(),
                .done = {.log_id = log->id, .created = false, .settings = log->settings}};
}

Verdict Catalog::JudgePolicy(const cairn::v1::PolicyChange& change) const {
  AccessPolicy::Verdict verdict = policy_->Judge(change);
  if (auto* rejection = std::get_if<Rejection>(&verdict)) return std::move(*rejection);
  if (std::holds_alternative<AccessPolicy::Unchanged>(verdict)) return CatalogDone{};
  CatalogCommand command;
  *command.mutable_policy_changed() = std::get<cairn::v1::PolicyChange>(std::move(verdict));
  return Append{.payload = command.SerializeAsString(), .done = {}};
}

// ---- Apply ------------------------------------------------------------------------

absl::StatusOr<CatalogChange> Catalog::Apply(Seq seq, std::string_view payload) {
  if (seq <= applied_seq_) {
    return Contradiction(seq, fmt::format("record {} was applied before it", applied_seq_));
  }
  CatalogCommand command;
  if (!command.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Contradiction(seq, "it is no catalog command");
  }
  absl::StatusOr<CatalogChange> change = ApplyCommand(seq, command);
  if (!change.ok()) return change;
  applied_seq_ = seq;
  change->seq = seq;
  return change;
}

absl::StatusOr<CatalogChange> Catalog::ApplyCommand(Seq seq, const CatalogCommand& command) {
  switch (command.command_case()) {
    case CatalogCommand::kClusterFormed:
      return ApplyFormed(seq, command.cluster_formed());
    case CatalogCommand::kLogCreated:
      return ApplyCreated(seq, command.log_created());
    case CatalogCommand::kLogUpdated:
      return ApplyUpdated(seq, command.log_updated());
    case CatalogCommand::kLogDeleted:
      return ApplyDeleted(seq, command.log_deleted());
    case CatalogCommand::kMemberChanged:
      return ApplyMember(seq, command.member_changed());
    case CatalogCommand::kMemberRemoved:
      return ApplyRemoved(seq, command.member_removed());
    case CatalogCommand::kLogPlaced:
      return ApplyPlaced(seq, command.log_placed());
    case CatalogCommand::kLogSettled:
      return ApplySettled(seq, command.log_settled());
    case CatalogCommand::kPolicyChanged:
      return ApplyPolicy(seq, command.policy_changed());
    case CatalogCommand::COMMAND_NOT_SET:
      break;
  }
  return Contradiction(seq, "its command is empty or of a newer version");
}

absl::StatusOr<CatalogChange> Catalog::ApplyFormed(Seq seq,
                                                   const cairn::v1::ClusterFormed& formed) {
  if (!cluster_id_.empty()) return Contradiction(seq, "the cluster was formed before");
  if (std::string wrong = CheckFormed(formed); !wrong.empty()) return Contradiction(seq, wrong);
  cluster_id_ = formed.cluster_id();
  log_id_base_ = formed.log_id_base();
  for (const cairn::v1::Member& member : formed.members()) {
    members_[NodeId(member.node_id())] = FromProto(member);
  }
  CatalogChange change;
  change.kind = CatalogChange::Kind::kFormed;
  return change;
}

absl::StatusOr<CatalogChange> Catalog::ApplyCreated(Seq seq, const cairn::v1::LogCreated& created) {
  if (by_name_.contains(created.name())) {
    return Contradiction(seq, fmt::format("log {} exists", created.name()));
  }
  CatalogLog log{.id = LogIdOf(seq),
                 .name = created.name(),
                 .settings = MergeSettings(DefaultSettings(), created.settings()),
                 .replicas = {},
                 .wanted = {},
                 .placement = Seq()};
  if (created.has_base()) log.base = created.base();
  for (uint64_t node : created.replica_node_ids()) {
    if (!members_.contains(NodeId(node))) {
      return Contradiction(seq, fmt::format("log {} is placed on node {}, which is no member",
                                            created.name(), node));
    }
    log.replicas.emplace_back(node);
  }
  for (NodeId node : log.replicas) ++replica_count_[node];
  by_name_[log.name] = log.id;
  return ChangeOf(CatalogChange::Kind::kCreated, logs_[log.id] = std::move(log));
}

absl::StatusOr<CatalogChange> Catalog::ApplyUpdated(Seq seq, const cairn::v1::LogUpdated& updated) {
  const auto log = logs_.find(GroupId(updated.log_id()));
  if (log == logs_.end()) {
    return Contradiction(seq,
                         fmt::format("it updates log {}, which is not there", updated.log_id()));
  }
  log->second.settings = MergeSettings(DefaultSettings(), updated.settings());
  return ChangeOf(CatalogChange::Kind::kUpdated, log->second);
}

absl::StatusOr<CatalogChange> Catalog::ApplyDeleted(Seq seq, const cairn::v1::LogDeleted& deleted) {
  const auto found = logs_.find(GroupId(deleted.log_id()));
  if (found == logs_.end()) {
    return Contradiction(seq,
                         fmt::format("it deletes log {}, which is not there", deleted.log_id()));
  }
  const CatalogLog log = std::move(found->second);
  logs_.erase(found);
  by_name_.erase(log.name);
  for (NodeId node : log.replicas) --replica_count_[node];
  deleted_.insert(std::upper_bound(deleted_.begin(), deleted_.end(), log.id), log.id);
  return ChangeOf(CatalogChange::Kind::kDeleted, log);
}

absl::StatusOr<CatalogChange> Catalog::ApplyPolicy(Seq seq, const cairn::v1::PolicyChange& change) {
  if (const std::string wrong = policy_.Mutable().Apply(seq, change); !wrong.empty()) {
    return Contradiction(seq, wrong);
  }
  CatalogChange applied;
  applied.kind = CatalogChange::Kind::kPolicy;
  return applied;
}

CatalogChange Catalog::ChangeOf(CatalogChange::Kind kind, const CatalogLog& log) {
  CatalogChange change;
  change.kind = kind;
  change.log_id = log.id;
  change.name = log.name;
  change.settings = log.settings;
  change.replicas = log.replicas;
  return change;
}

// ---- Look-ups ---------------------------------------------------------------------

const CatalogLog* Catalog::FindByName(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : Find(found->second);
}

const CatalogLog* Catalog::Find(GroupId id) const {
  const auto found = logs_.find(id);
  return found == logs_.end() ? nullptr : &found->second;
}

bool Catalog::WasDeleted(GroupId id) const {
  return std::binary_search(deleted_.begin(), deleted_.end(), id);
}

}  // namespace cairn::server
