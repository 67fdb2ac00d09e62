#include "client/src/convert.h"

#include <array>
#include <utility>

#include "base/check.h"

namespace cairn {

std::string_view RecordKindName(RecordKind kind) {
  static constexpr std::array<std::string_view, 6> kNames = {
      "data", "lease_acquired", "lease_released", "lease_transferred", "lease_expired", "catalog"};
  const auto i = static_cast<size_t>(kind);
  return i < kNames.size() ? kNames[i] : "unknown";
}

namespace client {
namespace {

Record TakeRecord(v1::Record* in, Seq seq, int64_t timestamp_us) {
  Record out;
  out.seq = seq;
  out.timestamp_us = timestamp_us;
  out.kind = static_cast<RecordKind>(in->kind());
  out.payload = std::move(*in->mutable_payload());
  for (const auto& [key, value] : in->metadata()) out.metadata.emplace(key, value);
  if (in->has_lease()) {
    const v1::LeaseEvent& lease = in->lease();
    out.lease = LeaseEvent{.name = lease.name(),
                           .holder = lease.holder(),
                           .ttl_ms = lease.ttl_ms(),
                           .ended_epoch = Epoch{lease.ended_epoch()}};
  }
  return out;
}

SegmentInfo FromProto(const v1::SegmentInfo& in) {
  return {.first_seq = Seq{in.first_seq()},
          .last_seq = Seq{in.last_seq()},
          .bytes = in.bytes(),
          .sealed = in.sealed(),
          .timestamp_us = in.timestamp_us(),
          .chain_before = in.chain_before(),
          .first_index = Index{in.first_index()},
          .last_index = Index{in.last_index()}};
}

GroupStatus FromProto(const v1::GroupStatus& in) {
  GroupStatus out{.log_id = LogId{in.log_id()},
                  .log = in.log(),
                  .role = in.role(),
                  .term = Term{in.term()},
                  .leader_node_id = NodeId{in.leader_node_id()},
                  .commit_index = Index{in.commit_index()},
                  .applied_index = Index{in.applied_index()},
                  .last_index = Index{in.last_index()},
                  .last_seq = Seq{in.last_seq()},
                  .first_seq = Seq{in.first_seq()},
                  .chain = in.chain(),
                  .lag_entries = in.lag_entries(),
                  .voter_node_ids = {},
                  .suspect = in.suspect(),
                  .standing = in.standing()};
  for (uint64_t id : in.voter_node_ids()) out.voter_node_ids.emplace_back(id);
  return out;
}

}  // namespace

LeaseInfo FromProto(const v1::LeaseState& in) {
  return {.name = in.name(),
          .holder = in.holder(),
          .epoch = Epoch{in.epoch()},
          .ttl_ms = in.ttl_ms(),
          .remaining_ms = in.remaining_ms()};
}

ErrorInfo FromProto(const v1::ErrorInfo& in) {
  return {.reason = static_cast<Reason>(in.reason()),
          .log = in.log(),
          .log_id = LogId{in.log_id()},
          .leader_address = in.leader_address(),
          .last_seq = Seq{in.last_seq()},
          .first_seq = Seq{in.first_seq()},
          .lease = FromProto(in.lease()),
          .limit = in.limit(),
          .actual = in.actual(),
          .retry_after_ms = in.retry_after_ms(),
          .expected_sequence = in.expected_sequence(),
          .chain = in.chain()};
}

namespace {

ArchivePolicy FromProto(v1::ArchivePolicy in) {
  switch (in) {
    case v1::ARCHIVE_POLICY_ON:
      return ArchivePolicy::kOn;
    case v1::ARCHIVE_POLICY_OFF:
      return ArchivePolicy::kOff;
    default:
      return ArchivePolicy::kInherit;
  }
}

v1::ArchivePolicy ToProto(ArchivePolicy in) {
  switch (in) {
    case ArchivePolicy::kOn:
      return v1::ARCHIVE_POLICY_ON;
    case ArchivePolicy::kOff:
      return v1::ARCHIVE_POLICY_OFF;
    case ArchivePolicy::kInherit:
      return v1::ARCHIVE_POLICY_UNSPECIFIED;
  }
  return v1::ARCHIVE_POLICY_UNSPECIFIED;
}

}  // namespace

LogSettings FromProto(const v1::LogSettings& in) {
  LogSettings out;
  if (in.has_fenced()) out.fenced = in.fenced();
  if (in.has_retention_bytes()) out.retention_bytes = in.retention_bytes();
  if (in.has_retention_ms()) out.retention_ms = in.retention_ms();
  if (in.has_trim_guard()) out.trim_guard = in.trim_guard();
  if (in.has_segment_bytes()) out.segment_bytes = in.segment_bytes();
  if (in.has_append_bytes_per_second()) out.append_bytes_per_second = in.append_bytes_per_second();
  if (in.has_appends_per_second()) out.appends_per_second = in.appends_per_second();
  if (in.has_archive()) out.archive = FromProto(in.archive());
  return out;
}

v1::LogSettings ToProto(const LogSettings& in) {
  v1::LogSettings out;
  if (in.fenced) out.set_fenced(*in.fenced);
  if (in.retention_bytes) out.set_retention_bytes(*in.retention_bytes);
  if (in.retention_ms) out.set_retention_ms(*in.retention_ms);
  if (in.trim_guard) out.set_trim_guard(*in.trim_guard);
  if (in.segment_bytes) out.set_segment_bytes(*in.segment_bytes);
  if (in.append_bytes_per_second) out.set_append_bytes_per_second(*in.append_bytes_per_second);
  if (in.appends_per_second) out.set_appends_per_second(*in.appends_per_second);
  if (in.archive) out.set_archive(ToProto(*in.archive));
  return out;
}

LogDescription FromProto(const v1::DescribeLogResponse& in) {
  LogDescription out;
  out.name = in.name();
  out.log_id = LogId{in.log_id()};
  out.settings = FromProto(in.settings());
  out.first_seq = Seq{in.first_seq()};
  out.last_seq = Seq{in.last_seq()};
  out.chain = in.chain();
  out.timestamp_us = in.timestamp_us();
  out.bytes = in.bytes();
  out.leader_address = in.leader_address();
  out.leader_node_id = NodeId{in.leader_node_id()};
  out.term = Term{in.term()};
  for (const v1::ReplicaInfo& r : in.replicas()) {
    out.replicas.push_back({.node_id = NodeId{r.node_id()},
                            .node_name = r.node_name(),
                            .role = r.role(),
                            .match_index = Index{r.match_index()}});
  }
  if (in.has_archive()) {
    out.archive = {.on = in.archive().on(),
                   .first_seq = Seq{in.archive().first_seq()},
                   .archived_seq = Seq{in.archive().archived_seq()},
                   .chain = in.archive().chain(),
                   .location = in.archive().location(),
                   .timestamp_us = in.archive().timestamp_us(),
                   .trouble = in.archive().trouble()};
  }
  for (const v1::LeaseState& lease : in.leases()) out.leases.push_back(FromProto(lease));
  for (const v1::RegisteredSnapshot& s : in.snapshots()) {
    out.snapshots.push_back({.name = s.name(),
                             .seq = Seq{s.seq()},
                             .chain = s.chain(),
                             .location = s.location(),
                             .timestamp_us = s.timestamp_us()});
  }
  for (const v1::SegmentInfo& segment : in.segments()) out.segments.push_back(FromProto(segment));
  out.producers = in.producers();
  out.stale = in.stale();
  return out;
}

LogSummary FromProto(const v1::LogSummary& in) {
  LogSummary out{.name = in.name(),
                 .log_id = LogId{in.log_id()},
                 .settings = FromProto(in.settings()),
                 .replica_node_ids = {}};
  for (uint64_t id : in.replica_node_ids()) out.replica_node_ids.emplace_back(id);
  return out;
}

AppendResult FromProto(const v1::AppendResponse& in) {
  return {.first_seq = Seq{in.first_seq()},
          .last_seq = Seq{in.last_seq()},
          .timestamp_us = in.timestamp_us(),
          .chain = in.chain(),
          .duplicate = in.duplicate()};
}

NodeStatus FromProto(const v1::StatusResponse& in) {
  NodeStatus out;
  out.node_id = NodeId{in.node_id()};
  out.node_name = in.node_name();
  out.cluster_id = in.cluster_id();
  out.version = in.version();
  out.state = in.state();
  out.detail = in.detail();
  for (const v1::GroupStatus& group : in.groups()) out.groups.push_back(FromProto(group));
  out.uptime_ms = in.uptime_ms();
  out.disk_free_bytes = in.disk_free_bytes();
  out.archive_location = in.archive_location();
  out.time_us = in.time_us();
  return out;
}

MemberState FromProto(v1::MemberState in) {
  switch (in) {
    case v1::MEMBER_STATE_LEARNER:
      return MemberState::kLearner;
    case v1::MEMBER_STATE_DRAINING:
      return MemberState::kDraining;
    case v1::MEMBER_STATE_LEAVING:
      return MemberState::kLeaving;
    default:
      return MemberState::kActive;
  }
}

v1::MemberState ToProto(MemberState in) {
  switch (in) {
    case MemberState::kActive:
      return v1::MEMBER_STATE_ACTIVE;
    case MemberState::kLearner:
      return v1::MEMBER_STATE_LEARNER;
    case MemberState::kDraining:
      return v1::MEMBER_STATE_DRAINING;
    case MemberState::kLeaving:
      return v1::MEMBER_STATE_LEAVING;
  }
  CHECK_UNREACHABLE();
}

Members FromProto(const v1::MembersResponse& in) {
  Members out{.cluster_id = in.cluster_id(),
              .members = {},
              .moving_logs = {in.moving_logs().begin(), in.moving_logs().end()},
              .moving = in.moving()};
  for (int i = 0; i < in.members_size(); ++i) {
    const v1::Member& m = in.members(i);
    out.members.push_back({.node_id = NodeId{m.node_id()},
                           .name = m.name(),
                           .address = m.address(),
                           .zone = m.zone(),
                           .incarnation = m.incarnation(),
                           .state = FromProto(m.state()),
                           // Older nodes do not tell.
                           .replicas = i < in.replicas_size() ? in.replicas(i) : 0});
  }
  return out;
}

RecordBatch TakeBatch(v1::RecordBatch* in) {
  RecordBatch out;
  out.first_seq = Seq{in->first_seq()};
  out.timestamp_us = in->timestamp_us();
  out.chain = in->chain();
  out.records.reserve(static_cast<size_t>(in->records_size()));
  Seq seq = out.first_seq;
  for (v1::Record& record : *in->mutable_records()) {
    out.records.push_back(TakeRecord(&record, seq, out.timestamp_us));
    ++seq;
  }
  return out;
}

TailEvent TakeTailEvent(v1::TailResponse* in) {
  TailEvent out;
  out.batches.reserve(static_cast<size_t>(in->batches_size()));
  for (v1::RecordBatch& batch : *in->mutable_batches()) out.batches.push_back(TakeBatch(&batch));
  for (const v1::LeaseRenewedMark& mark : in->renewed()) {
    out.renewed.push_back({.name = mark.name(), .epoch = Epoch{mark.epoch()}});
  }
  if (in->has_caught_up()) {
    out.caught_up = CaughtUp{.seq = Seq{in->caught_up().seq()},
                             .chain = in->caught_up().chain(),
                             .age = absl::Microseconds(in->caught_up().age_us())};
  }
  if (in->has_heartbeat()) {
    out.heartbeat = TailHeartbeat{.last_seq = Seq{in->heartbeat().last_seq()},
                                  .stale = in->heartbeat().stale()};
  }
  return out;
}

}  // namespace client
}  // namespace cairn
