#include "server/recovered_catalog.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "consensus/membership.h"
#include "server/catalog_parts.h"
#include "server/log_state.h"

namespace cairn::server {
namespace {

using cairn::v1::CatalogCommand;

// No cluster adds so many nodes behind the one that is left.
constexpr uint64_t kNodeIdGap = 1000;
// Nor so many records to its catalog.
constexpr uint64_t kLogIdGap = uint64_t{1} << 32;
// Two recoveries whose gaps differ by less than the logs that they will have are one in millions;
// hundreds of recoveries in a row stay below 2^53, which JSON readers keep.
constexpr uint64_t kLogIdSpread = uint64_t{1} << 44;

constexpr Term kFirstTerm{1};

storage::SegmentRow FirstRow(const LogFacts& facts, NodeId node) {
  consensus::Membership alone;
  alone.voters = {node};
  cairn::v1::GroupSnapshot snapshot;
  snapshot.set_membership(consensus::EncodeMembership(alone));
  *snapshot.mutable_state() = facts.ToSnapshot();
  storage::SegmentRow row;
  row.first_seq = facts.first_seq;
  row.chain_before = facts.chain;
  row.state = snapshot.SerializeAsString();
  return row;
}

storage::StoredEntry ToEntry(Index index, Bytes payload) {
  const auto header = storage::ParseEntryHeader(payload.view());
  CHECK_EQ(header.status(), absl::OkStatus());
  return {.index = index,
          .term = kFirstTerm,
          .kind = static_cast<uint8_t>(consensus::EntryKind::kData),
          .payload = std::move(payload),
          .first_seq = header->first_seq,
          .record_count = header->record_count,
          .timestamp_us = header->timestamp_us};
}

cairn::v1::StoredToken ToStored(const AccessToken& token) {
  cairn::v1::StoredToken stored;
  *stored.mutable_info() = ToProto(token);
  stored.set_secret_sha256(token.secret_sha256);
  return stored;
}

}  // namespace

absl::Status CatalogReader::OnEntry(const storage::StoredEntry& entry) {
  if (static_cast<consensus::EntryKind>(entry.kind) != consensus::EntryKind::kData) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const storage::EntryView view, storage::EntryView::Parse(entry.payload.view()));
  absl::Status status;
  view.ForEachRecord([&](uint32_t, std::string_view bytes) {
    if (!status.ok()) return;
    cairn::v1::Record record;
    if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      status = absl::DataLossError("a record of the catalog does not parse");
    } else {
      status = catalog_.Apply(catalog_.applied_seq() + 1, record.payload()).status();
    }
  });
  return status;
}

NodeId NodeIdAfter(const Catalog& old) {
  const uint64_t known = old.NextNodeId().value() - 1;
  return NodeId((known / kNodeIdGap + 1) * kNodeIdGap + 1);
}

uint64_t LogIdBaseAfter(const Catalog& old, GroupId highest, Random& random) {
  const GroupId known = std::max(highest, old.LogIdOf(old.applied_seq()));
  return known.value() + kLogIdGap + random.Below(kLogIdSpread);
}

absl::StatusOr<RecoveredCatalog> RecoveredCatalog::Begin(const Survivor& survivor,
                                                         uint64_t log_id_base, const Catalog& old) {
  RecoveredCatalog made;
  made.node_ = survivor.member.id;
  CatalogCommand formed;
  formed.mutable_cluster_formed()->set_cluster_id(survivor.cluster_id);
  formed.mutable_cluster_formed()->set_log_id_base(log_id_base);
  *formed.mutable_cluster_formed()->add_members() = ToProto(survivor.member);
  RETURN_IF_ERROR(made.Add(formed).status());
  RETURN_IF_ERROR(made.AddPolicy(*old.policy()));
  return made;
}

absl::StatusOr<CatalogDone> RecoveredCatalog::Add(const CatalogCommand& command) {
  CatalogOp op;
  op.command = command;
  auto verdict = catalog_.Judge(op);
  if (const auto* rejection = std::get_if<Rejection>(&verdict)) {
    return absl::InvalidArgumentError(ToAbsl(rejection->message));
  }
  if (const auto* done = std::get_if<CatalogDone>(&verdict)) return *done;
  auto& append = std::get<Catalog::Append>(verdict);
  const Seq seq = catalog_.applied_seq() + 1;
  const absl::StatusOr<CatalogChange> applied = catalog_.Apply(seq, append.payload);
  CHECK_EQ(applied.status(), absl::OkStatus());
  payloads_.push_back(std::move(append.payload));
  if (append.done.created) append.done.log_id = applied->log_id;
  return std::move(append.done);
}

absl::Status RecoveredCatalog::AddPolicy(const AccessPolicy& policy) {
  std::vector<CatalogCommand> commands;
  const auto change = [&]() -> cairn::v1::PolicyChange& {
    return *commands.emplace_back().mutable_policy_changed();
  };
  for (const auto& [name, principal] : policy.principals()) {
    *change().mutable_principal_put() = ToProto(principal);
  }
  for (const auto& [id, token] : policy.tokens())
    *change().mutable_token_created() = ToStored(token);
  for (const auto& [tenant, quota] : policy.tenant_quotas()) {
    *change().mutable_tenant_quota_put() = ToProto(quota);
  }
  if (policy.enabled()) change().set_enabled(true);
  for (const CatalogCommand& command : commands) RETURN_IF_ERROR(Add(command).status());
  return absl::OkStatus();
}

absl::StatusOr<GroupId> RecoveredCatalog::AddLog(const std::string& name,
                                                 const cairn::v1::LogSettings& settings) {
  CatalogCommand command;
  command.mutable_log_created()->set_name(name);
  *command.mutable_log_created()->mutable_settings() = settings;
  ASSIGN_OR_RETURN(const CatalogDone done, Add(command));
  return done.log_id;
}

absl::Status RecoveredCatalog::WriteTo(storage::LogStore& store, TurnTime now) const {
  LogState state(LogFacts::Empty(kCatalogGroup, {}), Index(), LogLimits());
  storage::GroupWrite write;
  write.group = kCatalogGroup;
  write.install = FirstRow(state.applied(), node_);
  state.BeginTerm(now);
  Index last;
  for (size_t next = 0; next < payloads_.size();) {
    last = last + 1;
    state.BeginEntry(last, now);
    while (next < payloads_.size() && !state.entry_full()) {
      state.EvaluateCatalog(payloads_[next++], state.speculative().last_seq);
    }
    write.entries.push_back(ToEntry(last, *state.FinishEntry()));
  }
  write.hard_state = {kFirstTerm, NodeId(), last};
  storage::StoreBatch batch;
  batch.groups.push_back(std::move(write));
  return store.Write(batch);
}

}  // namespace cairn::server
