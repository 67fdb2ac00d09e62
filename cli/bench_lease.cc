// `cairn bench lease`: each client holds a lease of its own and renews it over and over, the
// same synced path through the log that appends take.
#include <thread>

#include "base/status_macros.h"
#include "cli/bench_commands.h"
#include "cli/bench_recorder.h"
#include "cli/lease_commands.h"

namespace cairn::cli {
namespace {

constexpr absl::Duration kTtl = absl::Seconds(30);

// One client, on a thread of its own: single lease calls block.
void RenewUntilEnd(Log log, uint64_t client, const BenchOptions& options, BenchRecorder& recorder,
                   const Interrupt& interrupt) {
  const std::string name = fmt::format("bench-{}", client);
  const absl::StatusOr<Epoch> epoch = log.AcquireLease(name, MakeHolder(), kTtl);
  if (!epoch.ok()) {
    recorder.Failed(epoch.status());
    return;
  }
  const int64_t start_ns = NowNanos();
  const double interval_ns =
      options.rate > 0 ? 1e9 * static_cast<double>(options.clients) / options.rate : 0;
  for (uint64_t i = 0; NowNanos() < recorder.end_ns() && !interrupt.Requested(); ++i) {
    int64_t begin_ns = NowNanos();
    if (interval_ns > 0) {
      begin_ns = start_ns + static_cast<int64_t>(static_cast<double>(i) * interval_ns);
      absl::SleepFor(absl::Nanoseconds(std::max<int64_t>(0, begin_ns - NowNanos())));
    }
    const absl::Status status = log.RenewLease(name, *epoch).status();
    status.ok() ? recorder.Done(begin_ns, NowNanos(), 0) : recorder.Failed(status);
    if (GetReason(status) == Reason::kLeaseLost) return;
  }
  if (const absl::Status status = log.ReleaseLease(name, *epoch); !status.ok()) {
    recorder.Failed(status);
  }
}

}  // namespace

absl::StatusOr<BenchReport> BenchLease(Session& session, const BenchOptions& options) {
  ASSIGN_OR_RETURN(BenchFixture fixture, BenchFixture::Open(session, options));
  BenchRecorder recorder(options, NowNanos());
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < options.clients; ++i) {
    threads.emplace_back(
        [&, i] { RenewUntilEnd(fixture.LogOf(i), i, options, recorder, session.interrupt()); });
  }
  for (std::thread& thread : threads) thread.join();
  return recorder.Report(NowNanos());
}

}  // namespace cairn::cli
