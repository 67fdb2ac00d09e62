// `cairn bench append`: one unary Append per operation.
#include "base/status_macros.h"
#include "cli/bench_commands.h"
#include "cli/slot_loop.h"

namespace cairn::cli {

absl::StatusOr<BenchReport> BenchAppend(Session& session, const BenchOptions& options) {
  if (options.producer) return BenchProducer(session, options, false);
  ASSIGN_OR_RETURN(BenchFixture fixture, BenchFixture::Open(session, options));
  const std::string payload = MakePayload(options.size_bytes);
  BenchRecorder recorder(options, NowNanos());
  SlotLoop loop(options, options.clients * options.in_flight, recorder);
  loop.Run(session.interrupt(), [&](size_t slot, int64_t) {
    fixture.LogOf(slot % options.clients)
        .AppendAsync(payload, {}, [&loop, slot](const absl::StatusOr<AppendResult>& result) {
          loop.Finish(slot, result.status());
        });
  });
  return recorder.Report(NowNanos());
}

}  // namespace cairn::cli
