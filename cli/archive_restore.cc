// `cairn archive restore`: logs made again from the archive alone.
//
//   list ──► of each name the log with the newest record ──► where it begins and ends ──► restore
//   (log_restore.h), each object verified when it is read
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/archive_commands.h"
#include "cli/archive_source.h"
#include "cli/data_commands.h"
#include "cli/log_views.h"
#include "cli/restore_run.h"

namespace cairn::cli {
namespace {

struct Options {
  ArchiveChoice choice;
  RestoreChoice restore;
  std::string at;
};

struct RestoredRow {
  std::string log;
  std::string from;
  LogId from_id;
  Seq first_seq;
  Seq last_seq;
  Hash chain;
  uint64_t records = 0;
  std::string result;
  std::string missing;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("from", from);
    field("from_id", from_id);
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("chain", chain);
    field("records", records);
    field("result", result);
    field("missing", missing);
  }
};

struct RestoredView {
  std::vector<RestoredRow> logs;
  template <class F>
  void Fields(F&& field) const {
    field("logs", logs);
  }
};

int64_t NewestOf(const HeldLog& log) {
  return log.path.runs().empty() ? -1 : log.path.runs().back().name.timestamp_us;
}

// Of several logs of one name the one with the newest record. Errors: those of a small object.
absl::StatusOr<std::map<std::string, const HeldLog*>> ByName(const std::vector<HeldLog>& logs) {
  std::map<std::string, const HeldLog*> newest;
  for (const HeldLog& log : logs) {
    if (!log.log.ok()) return log.log.status();
    const HeldLog*& known = newest[log.name()];
    if (known == nullptr || NewestOf(*known) < NewestOf(log)) known = &log;
  }
  return newest;
}

// The last record that is wanted, and the chain there.
absl::StatusOr<archive::RunPath::End> EndAt(const archive::ArchiveStore& store, const HeldLog& held,
                                            const std::string& at) {
  const archive::RunName& last = held.path.runs().back().name;
  if (at.empty()) return archive::RunPath::End{last.last_seq, last.chain};
  ASSIGN_OR_RETURN(const Position position, ParsePosition(at));
  const bool by_time = position.kind == Position::Kind::kTimestamp;
  const archive::StoredRun* stored =
      by_time ? held.path.FindTime(position.timestamp_us + 1) : held.path.Find(position.seq);
  if (by_time && stored == nullptr) return archive::RunPath::End{last.last_seq, last.chain};
  if (stored == nullptr) {
    return absl::NotFoundError(
        fmt::format("--at {}: the archive of log {} has no such record", at, held.name()));
  }
  ASSIGN_OR_RETURN(const archive::Run run, store.ReadRun(*stored));
  archive::RunPath::End end{stored->name.first_seq.Previous(), stored->name.chain_before};
  for (const archive::Batch& batch : run.batches()) {
    const bool wanted = by_time ? batch.timestamp_us <= position.timestamp_us
                                : batch.first_seq + batch.count - 1 <= position.seq;
    if (!wanted) break;
    end = {batch.first_seq + batch.count - 1, batch.chain};
  }
  if (by_time || end.seq == position.seq) return end;
  return absl::InvalidArgumentError(fmt::format(
      "--at {}: that record was appended together with others; the ones before them end with {}",
      at, end.seq));
}

// What the log shall be; `row` says of what.
absl::StatusOr<LogToRestore> Plan(const archive::ArchiveStore& store, const HeldLog& held,
                                  const std::string& at, RestoredRow& row) {
  ASSIGN_OR_RETURN(const archive::RunPath::End end, EndAt(store, held, at));
  Seq first = held.path.runs().front().name.first_seq;
  for (const archive::Gap& gap : held.path.gaps()) {
    if (gap.last_seq >= end.seq) break;
    first = gap.last_seq + 1;
  }
  const archive::StoredRun* const begin = held.path.Find(first);
  if (begin == nullptr || end.seq + 1 < first) {
    return absl::NotFoundError(
        fmt::format("the archive of log {} has no record before {}", held.name(), end.seq + 1));
  }
  if (first > Seq(1)) row.missing = fmt::format("1 … {}", first.Previous());
  row.from = held.folder.place.cluster_id;
  row.from_id = held.folder.place.log_id;
  row.first_seq = first;
  row.last_seq = end.seq;
  row.chain = {end.chain};
  row.records = end.seq - first + 1;
  return LogToRestore{
      .settings = SettingsOf(*held.log),
      .base = {.first_seq = first, .chain = begin->name.chain_before, .timestamp_us = 0},
      .last_seq = end.seq,
      .chain = end.chain,
      .origin = "the archive",
      .open = [store = &store, path = &held.path, first, last = end.seq] {
        return std::make_unique<RunSource>(store, path, first, last);
      }};
}

absl::StatusOr<ExitCode> Restore(const Options& options, Session& session) {
  ASSIGN_OR_RETURN(const OpenArchive archive, OpenArchive::Open(session, options.choice));
  ASSIGN_OR_RETURN(std::vector<HeldLog> logs, ListHeld(archive.store(), options.choice));
  std::erase_if(logs, [](const HeldLog& log) { return log.path.runs().empty(); });
  ASSIGN_OR_RETURN(const auto by_name, ByName(logs));
  std::vector<std::string> held;
  for (const auto& [name, log] : by_name) held.push_back(name);
  ASSIGN_OR_RETURN(const auto names, NamesToRestore(options.restore, held, "the archive"));
  if (!options.at.empty() && names.size() > 1) {
    return absl::InvalidArgumentError("--at is a record of one log: name it with --log");
  }
  ASSIGN_OR_RETURN(const Admin admin, session.admin());
  LogRestore::Counters counters;
  RestoredView view;
  std::deque<LogToRestore> wanted;  // Whose places stay.
  std::vector<std::unique_ptr<LogRestore>> restores;
  uint64_t total = 0;
  for (const auto& [name, new_name] : names) {
    const HeldLog& log = *by_name.at(name);
    RestoredRow& row = view.logs.emplace_back();
    row.log = new_name;
    ASSIGN_OR_RETURN(LogToRestore plan, Plan(archive.store(), log, options.at, row));
    total += log.bytes();
    restores.push_back(std::make_unique<LogRestore>(
        session, admin, wanted.emplace_back(std::move(plan)), new_name, counters));
  }
  const absl::Status restored = RunRestores(session, options.restore, restores, counters, total);
  if (absl::IsCancelled(restored)) return ExitCode::kInterrupted;
  RETURN_IF_ERROR(restored);
  for (size_t i = 0; i < restores.size(); ++i) view.logs[i].result = restores[i]->result();
  session.out().Show(view);
  return ExitCode::kOk;
}

}  // namespace

Runner DeclareArchiveRestore(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AddArchiveChoice(app, options->choice);
  AddRestoreChoice(app, options->restore);
  AddChecked(app, "--at", options->at, ParsePosition,
             "Up to this record: its seq, or @ and a time; needs --log")
      ->type_name("POSITION");
  return [options](Session& session) { return Restore(*options, session); };
}

}  // namespace cairn::cli
