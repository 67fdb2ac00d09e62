// `cairn tail`: the end of a log, and what is committed from then on.
#include <algorithm>

#include "base/check.h"
#include "base/status_macros.h"
#include "cairn/tailer.h"
#include "cli/data_commands.h"
#include "cli/record_printer.h"

namespace cairn::cli {
namespace {

constexpr uint64_t kDefaultLast = 10;
// How often a silent tail looks for Ctrl-C.
constexpr absl::Duration kPollInterval = absl::Milliseconds(200);
// A pause shorter than this (a leader change) is not worth a remark.
constexpr absl::Duration kTellDisconnectedAfter = absl::Seconds(3);

struct TailCommandOptions {
  std::string log;
  bool follow = false;
  std::string from;
  std::optional<uint64_t> last;
  std::string node;
};

// Where --last N begins, by the answering replica's knowledge.
Seq StartOfLast(const LogDescription& log, uint64_t last) {
  const Seq wanted = log.last_seq.value() >= last ? log.last_seq - last + 1 : Seq{1};
  return std::max(wanted, log.first_seq);
}

// Tells once when the tail loses touch, and once when it is back.
class Health {
 public:
  explicit Health(Output& out) : out_(out) {}

  void Observe(bool disconnected, bool stale) {
    if (disconnected != disconnected_) {
      out_.Note(disconnected ? "cairn: no node answers; trying on." : "cairn: connected again.");
    } else if (stale != stale_) {
      out_.Note(stale ? "cairn: the replica hears no leader; newer records may exist."
                      : "cairn: the replica hears a leader again.");
    }
    disconnected_ = disconnected;
    stale_ = stale;
  }
  [[nodiscard]] bool stale() const { return stale_; }

 private:
  Output& out_;
  bool disconnected_ = false;
  bool stale_ = false;
};

absl::StatusOr<ExitCode> Follow(Session& session, const Log& log, const TailCommandOptions& options,
                                TailStart start) {
  TailerOptions tail;
  tail.start = start;
  tail.prefer_endpoint = options.node;
  ASSIGN_OR_RETURN(const std::unique_ptr<Tailer> tailer, Tailer::Open(log, std::move(tail)));
  RecordPrinter printer(session.out());
  Health health(session.out());
  while (!session.interrupt().Requested()) {
    const absl::StatusOr<TailEvent> event = tailer->Next(kPollInterval);
    bool stale = health.stale();
    if (event.ok()) {
      for (const RecordBatch& batch : event->batches) printer.Print(batch);
      if (event->heartbeat) stale = event->heartbeat->stale;
      // A reader of our output must see each record when it arrives.
      RETURN_IF_ERROR(session.out().Flush());
    } else if (!absl::IsDeadlineExceeded(event.status())) {
      return event.status();
    }
    health.Observe(tailer->Disconnected() > kTellDisconnectedAfter, stale);
  }
  return ExitCode::kInterrupted;
}

absl::StatusOr<ExitCode> PrintOnce(Session& session, Log& log, ReadOptions read) {
  read.call.timeout = session.BulkTimeout();
  RecordPrinter printer(session.out());
  ReadStream stream = log.Read(read);
  while (!session.interrupt().Requested()) {
    ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
    if (!batch) return ExitCode::kOk;
    printer.Print(*batch);
  }
  return ExitCode::kInterrupted;
}

absl::StatusOr<Position> StartOf(Log& log, const TailCommandOptions& options) {
  if (!options.from.empty()) return ParsePosition(options.from);
  ASSIGN_OR_RETURN(const LogDescription description, log.Describe());
  return Position{.kind = Position::Kind::kSeq,
                  .seq = StartOfLast(description, options.last.value_or(kDefaultLast))};
}

TailStart ToTailStart(const Position& position) {
  switch (position.kind) {
    case Position::Kind::kFirst:
      return TailStart::AtFirst();
    case Position::Kind::kNext:
      return TailStart::AtNext();
    case Position::Kind::kSeq:
      return TailStart::AtSeq(position.seq);
    case Position::Kind::kTimestamp:
      return TailStart::AtTimestamp(position.timestamp_us);
  }
  CHECK_UNREACHABLE();
}

absl::StatusOr<ExitCode> RunTail(Session& session, const TailCommandOptions& options) {
  ASSIGN_OR_RETURN(Log log, session.OpenLog(options.log));
  ASSIGN_OR_RETURN(const Position start, StartOf(log, options));
  if (options.follow) return Follow(session, log, options, ToTailStart(start));
  if (start.kind == Position::Kind::kNext) return ExitCode::kOk;  // Nothing comes without -f.
  ReadOptions read;
  read.start_seq = start.seq;
  if (start.kind == Position::Kind::kTimestamp) read.start_timestamp_us = start.timestamp_us;
  return PrintOnce(session, log, read);
}

}  // namespace

Runner DeclareTail(CLI::App& app) {
  auto options = std::make_shared<TailCommandOptions>();
  AddLogName(app, options->log);
  app.add_flag("-f,--follow", options->follow, "Go on with what is committed from now on");
  auto* from = AddChecked(app, "--from", options->from, ParsePosition,
                          "Where to begin: a seq, first, next, or @TIME in log time")
                   ->type_name("POSITION");
  AddNumber(app, "-n,--last", options->last, "Begin that many records before the end (default: 10)")
      ->type_name("N")
      ->excludes(from);
  app.add_option("--node", options->node, "With -f: ask this node first")->type_name("HOST:PORT");
  return [options](Session& session) { return RunTail(session, *options); };
}

}  // namespace cairn::cli
