// LogFacts to and from the bytes of a snapshot.
#include <fmt/format.h>

#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/log_facts.h"

namespace cairn::server {
namespace {

using cairn::v1::LogStateSnapshot;
using cairn::v1::StoredLease;
using cairn::v1::StoredProducer;
using cairn::v1::StoredProducerResult;

absl::Status Malformed(const LogStateSnapshot& snapshot, const std::string& what) {
  return absl::DataLossError(ToAbsl(
      fmt::format("log {}: snapshot at seq {}: {}", snapshot.log_id(), snapshot.last_seq(), what)));
}

absl::Status CheckLease(const LogStateSnapshot& snapshot, const LogFacts& facts,
                        const StoredLease& lease) {
  if (facts.leases.Find(lease.name()) != nullptr) {
    return Malformed(snapshot, fmt::format("lease '{}' twice", lease.name()));
  }
  if (lease.holder().empty() || lease.ttl_ms() == 0 || lease.epoch() == 0 ||
      lease.epoch() > snapshot.last_seq()) {
    return Malformed(snapshot,
                     fmt::format("lease '{}' has holder '{}', TTL {} ms, epoch {}", lease.name(),
                                 lease.holder(), lease.ttl_ms(), lease.epoch()));
  }
  return absl::OkStatus();
}

absl::Status CheckProducer(const LogStateSnapshot& snapshot, const LogFacts& facts,
                           const StoredProducer& producer) {
  if (producer.id() == 0 || facts.producers.Find(producer.id()) != nullptr) {
    return Malformed(snapshot, fmt::format("producer {} twice, or zero", producer.id()));
  }
  const uint64_t count = producer.results_size();
  if (count != std::min(producer.last_sequence(), kProducerWindow)) {
    return Malformed(snapshot, fmt::format("producer {} at sequence {} has {} results",
                                           producer.id(), producer.last_sequence(), count));
  }
  uint64_t sequence = producer.last_sequence() - count;
  for (const StoredProducerResult& result : producer.results()) {
    if (result.sequence() == ++sequence) continue;
    return Malformed(snapshot, fmt::format("producer {}: result of sequence {}, expected {}",
                                           producer.id(), result.sequence(), sequence));
  }
  return absl::OkStatus();
}

void StoreProducer(uint64_t id, const ProducerState& state, StoredProducer& out) {
  out.set_id(id);
  out.set_last_sequence(state.last_sequence);
  out.set_last_used_us(state.last_used_us);
  for (const ProducerResult& result : state.results) {
    StoredProducerResult& row = *out.add_results();
    row.set_sequence(result.sequence);
    row.set_first_seq(result.first_seq.value());
    row.set_last_seq(result.last_seq.value());
    row.set_timestamp_us(result.timestamp_us);
    row.set_chain(result.chain);
  }
}

}  // namespace

absl::StatusOr<LogFacts> LogFacts::FromSnapshot(const LogStateSnapshot& snapshot) {
  LogFacts facts;
  facts.log_id = GroupId(snapshot.log_id());
  facts.first_seq = Seq(snapshot.first_seq());
  facts.last_seq = Seq(snapshot.last_seq());
  facts.chain = snapshot.chain();
  facts.timestamp_us = snapshot.timestamp_us();
  facts.settings = snapshot.settings();
  facts.importing = snapshot.importing();
  if (!facts.first_seq || facts.first_seq > facts.last_seq + 1) {
    return Malformed(snapshot, fmt::format("first seq is {}", facts.first_seq));
  }
  for (const StoredLease& lease : snapshot.leases()) {
    RETURN_IF_ERROR(CheckLease(snapshot, facts, lease));
    facts.leases.Load(lease);
  }
  for (const StoredProducer& producer : snapshot.producers()) {
    RETURN_IF_ERROR(CheckProducer(snapshot, facts, producer));
    facts.producers.Load(producer);
  }
  for (const cairn::v1::RegisteredSnapshot& registered : snapshot.snapshots()) {
    if (!facts.snapshots.empty() && facts.snapshots.back().name() >= registered.name()) {
      return Malformed(snapshot, fmt::format("snapshot '{}' out of order", registered.name()));
    }
    facts.snapshots.push_back(registered);
  }
  return facts;
}

LogStateSnapshot LogFacts::ToSnapshot() const {
  LogStateSnapshot snapshot;
  snapshot.set_log_id(log_id.value());
  snapshot.set_last_seq(last_seq.value());
  snapshot.set_chain(chain);
  snapshot.set_timestamp_us(timestamp_us);
  snapshot.set_first_seq(first_seq.value());
  *snapshot.mutable_settings() = settings;
  snapshot.set_importing(importing);
  for (const auto& [name, lease] : leases.leases()) {
    StoredLease& row = *snapshot.add_leases();
    row.set_name(name);
    row.set_holder(lease.holder);
    row.set_epoch(lease.epoch.value());
    row.set_ttl_ms(lease.ttl_ms);
    row.set_last_renewal_index(lease.last_renewal.value());
  }
  for (const auto& [id, state] : producers.producers()) {
    if (PLANTED(kProducersNotInSnapshot)) break;
    StoreProducer(id, state, *snapshot.add_producers());
  }
  for (const auto& registered : snapshots) *snapshot.add_snapshots() = registered;
  return snapshot;
}

}  // namespace cairn::server
