// `cairn bench cas`: compare-and-append. A client owns one slot, remembers the last seq
// that it knows of its log and appends only if that still is the last; a loser learns the
// actual one from the refusal. With as many logs as clients nobody ever loses; with one log
// all clients race.
#include "base/status_macros.h"
#include "cli/bench_commands.h"
#include "cli/slot_loop.h"

namespace cairn::cli {
namespace {

// One client. Its slot runs one operation at a time, so nobody else touches it.
struct Writer {
  Log log;
  Seq last_seq;
};

// All logs are created before the first is asked for its end: their groups elect in parallel.
absl::StatusOr<std::vector<Writer>> OpenWriters(const BenchFixture& fixture,
                                                const BenchOptions& options) {
  const uint64_t logs = options.logs == 0 ? options.clients : options.logs;
  std::vector<Writer> writers;
  for (uint64_t i = 0; i < options.clients; ++i) {
    ASSIGN_OR_RETURN(Log log, fixture.OpenNumbered(i, i % logs));
    writers.push_back({std::move(log), Seq{}});
  }
  for (Writer& writer : writers) {
    ASSIGN_OR_RETURN(const LogDescription description, writer.log.Describe({.linearizable = true}));
    writer.last_seq = description.last_seq;
  }
  return writers;
}

// What the writer knows after an answer.
void Learn(Writer& writer, const absl::StatusOr<AppendResult>& result) {
  if (result.ok()) {
    writer.last_seq = result->last_seq;
  } else if (const auto info = GetErrorInfo(result.status());
             info && info->reason == Reason::kConditionFailed) {
    writer.last_seq = info->last_seq;
  }
}

}  // namespace

absl::StatusOr<BenchReport> BenchCas(Session& session, const BenchOptions& options) {
  if (options.producer) return BenchProducer(session, options, true);
  ASSIGN_OR_RETURN(BenchFixture fixture, BenchFixture::Open(session, options));
  ASSIGN_OR_RETURN(std::vector<Writer> writers, OpenWriters(fixture, options));
  const std::string payload = MakePayload(options.size_bytes);
  BenchRecorder recorder(options, NowNanos());
  SlotLoop loop(options, options.clients, recorder);
  const auto start = [&](size_t slot, int64_t) {
    AppendOptions append;
    append.if_last_seq = writers[slot].last_seq;
    writers[slot].log.AppendAsync(
        payload, append,
        [&loop, &writer = writers[slot], slot](const absl::StatusOr<AppendResult>& result) {
          Learn(writer, result);
          loop.Finish(slot, result.status());
        });
  };
  loop.Run(session.interrupt(), start);
  return recorder.Report(NowNanos());
}

}  // namespace cairn::cli
