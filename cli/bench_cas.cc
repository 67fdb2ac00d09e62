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

absl::StatusOr<std::vector<Writer>> OpenWriters(const BenchFixture& fixture,
                                                const BenchOptions& options) {
  const uint64_t logs = options.logs == 0 ? options.clients : options.logs;
  std::vector<Writer> writers;
  for (uint64_t i = 0; i < options.clients; ++i) {
    ASSIGN_OR_RETURN(Log log, fixture.OpenNumbered(i, i % logs));
    ASSIGN_OR_RETURN(const LogDescription description, log.Describe({.linearizable = true}));
    writers.push_back({std::move(log), description.last_seq});
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
  SlotLoop loop(
      options, options.clients,
      [&](size_t slot, SlotLoop::Done done) {
        Writer& writer = writers[slot];
        AppendOptions append;
        append.if_last_seq = writer.last_seq;
        writer.log.AppendAsync(
            payload, append,
            [&writer, done = std::move(done)](const absl::StatusOr<AppendResult>& result) {
              Learn(writer, result);
              done(result.status());
            });
      },
      recorder);
  loop.Run(session.interrupt());
  return recorder.Report(NowNanos());
}

}  // namespace cairn::cli
