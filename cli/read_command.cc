// `cairn read`: a range of committed records, from any replica or from a given one.
#include <unistd.h>

#include "base/status_macros.h"
#include "cli/checksum.h"
#include "cli/data_commands.h"
#include "cli/record_printer.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

struct ReadCommandOptions {
  std::string log;
  std::string from = "first";
  uint64_t to = 0;
  uint64_t count = 0;
  std::string node;
  bool linearizable = false;
  bool checksum = false;
};

struct ReadSummary {
  std::string log;
  uint64_t records = 0;
  ByteCount bytes;
  Seq last_seq;
  Hash checksum;
  bool stale = false;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("records", records);
    field("bytes", bytes);
    field("last_seq", last_seq);
    field("checksum", checksum);
    field("stale", stale);
  }
};

absl::StatusOr<ReadOptions> ToReadOptions(Session& session, const ReadCommandOptions& options) {
  ReadOptions read;
  ASSIGN_OR_RETURN(const Position from, ParsePosition(options.from));
  if (from.kind == Position::Kind::kNext) {
    return absl::InvalidArgumentError(
        "read ends where the log ends; `cairn tail -f` waits for "
        "what comes next");
  }
  read.call.timeout = session.BulkTimeout();
  read.start_seq = from.seq;
  if (from.kind == Position::Kind::kTimestamp) read.start_timestamp_us = from.timestamp_us;
  read.end_seq = Seq{options.to};
  read.max_records = options.count;
  read.linearizable = options.linearizable;
  return read;
}

// Prints all records of `stream`. With --checksum nothing is printed but the summary.
absl::StatusOr<ExitCode> Drain(Session& session, const ReadCommandOptions& options,
                               ReadStream stream) {
  RecordPrinter printer(session.out());
  PayloadChecksum checksum;
  ReadSummary summary{.log = options.log};
  // On a terminal the records themselves show the progress.
  ProgressBar progress(IsTerminal(STDERR_FILENO) && !IsTerminal(STDOUT_FILENO), std::nullopt,
                       session.clock());
  while (!session.interrupt().Requested()) {
    ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
    if (!batch) break;
    for (const Record& record : batch->records) {
      summary.last_seq = record.seq;
      if (!options.checksum) printer.Print(record);
      if (record.kind != RecordKind::kData) continue;
      ++summary.records;
      summary.bytes.value += record.payload.size();
      if (options.checksum) checksum.Add(record.payload);
    }
    progress.Update(summary.bytes.value, summary.records);
  }
  progress.Clear();
  summary.stale = stream.stale();
  summary.checksum = {checksum.value()};
  if (options.checksum) session.out().Show(summary);
  if (summary.stale) {
    session.out().Note("cairn: a replica without a quorum answered; newer records may exist.");
  }
  return session.interrupt().Requested() ? ExitCode::kInterrupted : ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunRead(Session& session, const ReadCommandOptions& options) {
  ASSIGN_OR_RETURN(const ReadOptions read, ToReadOptions(session, options));
  if (options.node.empty()) {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(options.log));
    return Drain(session, options, log.Read(read));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> node, session.ConnectTo(options.node));
  ASSIGN_OR_RETURN(Log log, node->OpenLog(options.log));
  return Drain(session, options, log.Read(read));
}

}  // namespace

Runner DeclareRead(CLI::App& app) {
  auto options = std::make_shared<ReadCommandOptions>();
  AddLogName(app, options->log);
  AddChecked(app, "--from", options->from, ParsePosition,
             "Where to begin: a seq, first, or @TIME in log time")
      ->type_name("POSITION")
      ->capture_default_str();
  AddNumber(app, "--to", options->to, "Last seq to print; default: what is committed")
      ->type_name("SEQ");
  AddNumber(app, "--count", options->count, "End after that many records")->type_name("N");
  app.add_option("--node", options->node, "Ask just this node")->type_name("HOST:PORT");
  app.add_flag("--linearizable", options->linearizable,
               "Include everything that was acknowledged before the call");
  app.add_flag("--checksum", options->checksum,
               "Print only a summary with the XXH3 checksum that `append` prints");
  return [options](Session& session) { return RunRead(session, *options); };
}

}  // namespace cairn::cli
