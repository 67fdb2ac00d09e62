// `cairn archive …`: what the archive holds, whether it is whole, and logs made again from it. The
// store is read directly: no node need run.
#include "cli/archive_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/archive_source.h"
#include "cli/jobs.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

struct HeldRow {
  std::string log;
  LogId log_id;
  std::string cluster;
  Seq first_seq;
  Seq last_seq;
  Hash chain;
  LogTime timestamp_us;
  uint64_t objects = 0;
  ByteCount bytes;
  uint64_t gaps = 0;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("log_id", log_id);
    field("cluster", cluster);
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("chain", chain);
    field("timestamp_us", timestamp_us);
    field("objects", objects);
    field("bytes", bytes);
    field("gaps", gaps);
  }

  static HeldRow From(const HeldLog& held) {
    HeldRow row{.log = held.name(),
                .log_id = held.folder.place.log_id,
                .cluster = held.folder.place.cluster_id,
                .objects = held.path.runs().size(),
                .bytes = {held.bytes()},
                .gaps = held.path.gaps().size()};
    if (held.path.runs().empty()) return row;
    const archive::RunName& last = held.path.runs().back().name;
    row.first_seq = held.path.runs().front().name.first_seq;
    row.last_seq = last.last_seq;
    row.chain = {last.chain};
    row.timestamp_us = {last.timestamp_us};
    return row;
  }
};

struct HeldView {
  std::vector<HeldRow> logs;
  template <class F>
  void Fields(F&& field) const {
    field("logs", logs);
  }
};

Runner DeclareList(CLI::App& app) {
  auto choice = std::make_shared<ArchiveChoice>();
  AddArchiveChoice(app, *choice);
  return [choice](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(const OpenArchive archive, OpenArchive::Open(session, *choice));
    ASSIGN_OR_RETURN(const std::vector<HeldLog> logs, ListHeld(archive.store(), *choice));
    HeldView view;
    for (const HeldLog& log : logs) view.logs.push_back(HeldRow::From(log));
    session.out().Show(view);
    return ExitCode::kOk;
  };
}

// ---- verify ------------------------------------------------------------------------------------

struct ArchiveFinding {
  std::string log;
  std::string object;  // Its key; of a gap, the log's folder.
  std::string finding;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("object", object);
    field("finding", finding);
  }
};

struct VerifiedArchiveView {
  bool whole = true;
  uint64_t objects = 0;
  uint64_t records = 0;
  ByteCount bytes;
  std::vector<HeldRow> logs;
  std::vector<ArchiveFinding> findings;
  template <class F>
  void Fields(F&& field) const {
    field("whole", whole);
    field("objects", objects);
    field("records", records);
    field("bytes", bytes);
    field("logs", logs);
    field("findings", findings);
  }
};

// What a listing alone shows.
void AddListed(const HeldLog& held, VerifiedArchiveView& view) {
  view.logs.push_back(HeldRow::From(held));
  if (!held.log.ok()) {
    view.findings.push_back(
        {"", held.folder.place.LogKey(), std::string(ToStd(held.log.status().message()))});
  }
  for (const std::string& key : held.folder.strange) {
    view.findings.push_back({held.name(), key, "nothing that Cairn put there"});
  }
  for (const archive::Gap& gap : held.path.gaps()) {
    view.findings.push_back(
        {held.name(), held.folder.place.Folder(),
         fmt::format("records {} … {} are missing", gap.first_seq, gap.last_seq)});
  }
}

// Reads every object, a few at a time. False after an interrupt.
bool ReadAll(Session& session, const archive::ArchiveStore& store, uint64_t parallel,
             const std::vector<HeldLog>& logs, VerifiedArchiveView& view) {
  std::vector<std::pair<const HeldLog*, const archive::StoredRun*>> objects;
  uint64_t total = 0;
  for (const HeldLog& log : logs) {
    for (const archive::StoredRun& run : log.folder.runs) {
      objects.emplace_back(&log, &run);
      total += run.bytes;
    }
  }
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> records{0};
  ProgressBar progress(IsTerminal(STDERR_FILENO), total, session.clock());
  const std::vector<absl::Status> results = RunJobs(
      objects.size(), parallel, session.interrupt(),
      [&](size_t i) {
        const archive::StoredRun& run = *objects[i].second;
        const absl::Status status = store.ReadRun(run).status();
        bytes += run.bytes;
        if (status.ok()) records += run.name.last_seq - run.name.first_seq + 1;
        return status;
      },
      [&] { progress.Update(bytes, records); });
  for (size_t i = 0; i < results.size(); ++i) {
    if (absl::IsCancelled(results[i])) return false;
    if (results[i].ok()) continue;
    view.findings.push_back({objects[i].first->name(), objects[i].second->key,
                             std::string(ToStd(results[i].message()))});
  }
  view.objects = objects.size();
  view.bytes = {bytes};
  view.records = records;
  return true;
}

Runner DeclareVerify(CLI::App& app) {
  struct Options {
    ArchiveChoice choice;
    uint64_t parallel = 4;
  };
  auto options = std::make_shared<Options>();
  AddArchiveChoice(app, options->choice);
  AddNumber(app, "--parallel", options->parallel, "Objects that are read at a time (4)")
      ->check(CLI::Range(1, 64));
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(const OpenArchive archive, OpenArchive::Open(session, options->choice));
    ASSIGN_OR_RETURN(const std::vector<HeldLog> logs, ListHeld(archive.store(), options->choice));
    VerifiedArchiveView view;
    for (const HeldLog& log : logs) AddListed(log, view);
    if (!ReadAll(session, archive.store(), options->parallel, logs, view)) {
      return ExitCode::kInterrupted;
    }
    view.whole = view.findings.empty();
    session.out().Show(view);
    return view.whole ? ExitCode::kOk : ExitCode::kDataLoss;
  };
}

constexpr CommandSpec kCommands[] = {
    {"ls", "list the logs that the archive holds",
     "Lists every log in the archive by its cluster and id, with the records that are there. Reads "
     "the names of objects only; credentials for S3 come from AWS_ACCESS_KEY_ID and "
     "AWS_SECRET_ACCESS_KEY or the shared file, as the nodes have them.",
     "cairn archive ls\n"
     "cairn archive ls --url 's3://bucket/logs?region=eu-central-1' -o json",
     DeclareList},
    {"verify", "read every object of the archive and check it",
     "Reads every object, recomputes its checksums and its chain, and looks whether the objects of "
     "each log follow each other. Exit code 7 if one is damaged or missing: the findings name it.",
     "cairn archive verify --url file:///archive\n"
     "cairn archive verify --cluster 1f0c… --log-id 12",
     DeclareVerify},
    {"restore", "make logs again from the archive",
     "Creates the logs and imports their records, up to the last one archived: with the same seqs, "
     "log times and chains, under new log ids. Of several logs of one name, the one with the "
     "newest "
     "record is taken, unless --cluster or --log-id says which. A log whose middle is missing is "
     "restored from there on, which is said. May be repeated after any interruption: it goes on "
     "where it was. Leases, producers and registered snapshots do not come along. Needs the right "
     "`admin`.",
     "cairn archive restore --url s3://bucket/logs\n"
     "cairn archive restore --log orders --at @2026-11-21T12:30:00Z --rename orders=orders-before",
     DeclareArchiveRestore},
};

}  // namespace

std::span<const CommandSpec> ArchiveCommands() { return kCommands; }

}  // namespace cairn::cli
