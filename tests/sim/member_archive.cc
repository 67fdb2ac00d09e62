// What the archive of a MemberWorld must hold at any moment, and in the end.
#include <fmt/format.h>

#include <optional>

#include "base/check.h"
#include "base/strings.h"
#include "server/log_facts.h"
#include "storage/archive/archive_store.h"
#include "storage/archive/run_path.h"
#include "tests/sim/member_world.h"

namespace cairn::sim {
namespace {

// The runs to what `group` has registered; none where it has not.
archive::RunPath PathOf(const server::Group& group, SimObjects* objects) {
  const auto* registered = group.state().applied().FindSnapshot(server::kArchiveSnapshot);
  if (registered == nullptr) return {};
  const auto place = archive::LogPlace::FromLocation(registered->location());
  CHECK(place.has_value());
  auto runs = archive::ArchiveStore(objects).Runs(*place);
  CHECK(runs.ok());
  return {*std::move(runs), archive::RunPath::End{Seq(registered->seq()), registered->chain()}};
}

// Empty: it has every record from the first to `last`.
std::string WhatLacks(const archive::RunPath& path, Seq last) {
  if (!path.gaps().empty()) {
    const archive::Gap& gap = path.gaps().back();
    return fmt::format("records {} to {} are not there", gap.first_seq, gap.last_seq);
  }
  if (path.runs().empty()) return "there is nothing";
  const Seq first = path.runs().front().name.first_seq;
  if (first != Seq(1)) return fmt::format("it begins at {}", first);
  return path.last_seq() == last ? "" : fmt::format("it ends at {}", path.last_seq());
}

}  // namespace

void MemberWorld::CheckArchive(const SimNode& node, Log& log, const server::Group& group) {
  const server::GroupView view = group.View();
  if (!view.archived) return;
  if (view.first_seq > view.archived_seq + 1) {
    Violation(fmt::format("log {}: node {} keeps records from {} on, and is archived to {}", log.id,
                          node.id(), view.first_seq, view.archived_seq));
  }
  if (view.archived_seq <= log.archived) return;
  log.archived = view.archived_seq;
  const std::string lacks = WhatLacks(PathOf(group, objects_.get()), view.archived_seq);
  if (lacks.empty()) return;
  Violation(fmt::format("log {}: node {} says that it is archived to {}, and of that {}", log.id,
                        node.id(), view.archived_seq, lacks));
}

std::string MemberWorld::WhyNotArchived() const {
  for (const Log& log : logs_) {
    if (log.id == kCatalogGroup) continue;
    const server::GroupView view = LeaderOf(log.id)->group(log.id)->View();
    if (view.archived_seq == view.last_seq) continue;
    return fmt::format("log {} ends at {} and is archived to {}", log.id, view.last_seq,
                       view.archived_seq);
  }
  return "";
}

// Every record that was ever committed: seqs without a gap, and the chain, which is made of their
// contents, as the replicas had it.
void MemberWorld::CheckRecords(const Log& log) {
  const auto& committed = log.watch->history().committed->records;
  if (committed.empty()) return;
  const archive::RunPath path = PathOf(*LeaderOf(log.id)->group(log.id), objects_.get());
  if (const std::string lacks = WhatLacks(path, committed.back().seq); !lacks.empty()) {
    return Violation(fmt::format("log {}: of what was archived {}", log.id, lacks));
  }
  counts_.runs += path.runs().size();
  counts_.dead_ends += path.dead_ends();
  for (const archive::StoredRun& stored : path.runs()) {
    const auto run = archive::ArchiveStore(objects_.get()).ReadRun(stored);
    if (!run.ok()) {
      return Violation(fmt::format("log {}: {}", log.id, ToStd(run.status().message())));
    }
    for (const archive::Batch& batch : run->batches()) {
      const auto& record = committed[batch.first_seq.value() + batch.count - 2];
      if (record.chain == batch.chain) continue;
      return Violation(fmt::format("log {}: the archive has chain {:016x} at seq {}, it is {:016x}",
                                   log.id, batch.chain, record.seq, record.chain));
    }
  }
}

}  // namespace cairn::sim
