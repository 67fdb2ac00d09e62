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
  SlotLoop loop(
      options, options.clients * options.in_flight,
      [&](size_t slot, SlotLoop::Done done) {
        fixture.LogOf(slot % options.clients)
            .AppendAsync(payload, {},
                         [done = std::move(done)](absl::StatusOr<AppendResult> result) {
                           done(result.status());
                         });
      },
      recorder);
  loop.Run(session.interrupt());
  return recorder.Report(NowNanos());
}

}  // namespace cairn::cli
