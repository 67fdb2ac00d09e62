// `cairn bench tail`: how soon a tail hands out what was appended, and (--replay) how fast
// it reads an old log.
#include <cstring>
#include <thread>

#include "base/status_macros.h"
#include "cairn/tailer.h"
#include "cli/bench_commands.h"
#include "cli/slot_loop.h"

namespace cairn::cli {
namespace {

constexpr double kDefaultRate = 1000;
constexpr absl::Duration kPollInterval = absl::Milliseconds(100);
// "cairn-tail" as a number, then the time at which the record was due: tells our records from
// others in the log.
constexpr uint64_t kMark = 0x636169726e746c31u;
constexpr size_t kStampBytes = 16;

std::string Stamp(std::string payload, int64_t due_ns) {
  payload.resize(std::max(payload.size(), kStampBytes));
  std::memcpy(payload.data(), &kMark, sizeof kMark);
  std::memcpy(payload.data() + sizeof kMark, &due_ns, sizeof due_ns);
  return payload;
}

std::optional<int64_t> ReadStamp(const std::string& payload) {
  uint64_t mark = 0;
  int64_t due_ns = 0;
  if (payload.size() < kStampBytes) return std::nullopt;
  std::memcpy(&mark, payload.data(), sizeof mark);
  std::memcpy(&due_ns, payload.data() + sizeof mark, sizeof due_ns);
  return mark == kMark ? std::optional(due_ns) : std::nullopt;
}

// Takes from the tail until the window ends; delivery counts from when the append was due, as
// its commit does.
absl::Status Receive(Tailer& tailer, BenchRecorder& recorder, const Interrupt& interrupt) {
  while (NowNanos() < recorder.end_ns() && !interrupt.Requested()) {
    const absl::StatusOr<TailEvent> event = tailer.Next(kPollInterval);
    if (absl::IsDeadlineExceeded(event.status())) continue;
    RETURN_IF_ERROR(event.status());
    const int64_t now_ns = NowNanos();
    for (const RecordBatch& batch : event->batches) {
      for (const Record& record : batch.records) {
        const std::optional<int64_t> due_ns = ReadStamp(record.payload);
        if (due_ns) recorder.Done(*due_ns, now_ns, record.payload.size());
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchReport> BenchTail(Session& session, const BenchOptions& given) {
  if (given.replay) return BenchReplay(session, given);
  BenchOptions options = given;
  if (options.rate == 0) options.rate = kDefaultRate;
  ASSIGN_OR_RETURN(BenchFixture fixture, BenchFixture::Open(session, options));
  // A connection of its own, so that delivery does not queue behind our own appends.
  ASSIGN_OR_RETURN(BenchFixture receiving, BenchFixture::Open(session, {.log = options.log}));
  ASSIGN_OR_RETURN(const std::unique_ptr<Tailer> tailer,
                   Tailer::Open(receiving.LogOf(0), {.start = TailStart::AtNext()}));
  const std::string payload = MakePayload(options.size_bytes);
  const int64_t start_ns = NowNanos();
  BenchRecorder delivered(options, start_ns);
  BenchRecorder committed(options, start_ns);
  SlotLoop loop(options, options.clients * options.in_flight, committed);
  const auto start = [&](size_t slot, int64_t begin_ns) {
    fixture.LogOf(slot).AppendAsync(Stamp(payload, begin_ns), {},
                                    [&loop, slot](const absl::StatusOr<AppendResult>& result) {
                                      loop.Finish(slot, result.status());
                                    });
  };
  std::thread sender([&] { loop.Run(session.interrupt(), start); });
  const absl::Status status = Receive(*tailer, delivered, session.interrupt());
  sender.join();
  RETURN_IF_ERROR(status);
  BenchReport report = delivered.Report(NowNanos());
  const BenchReport appends = committed.Report(NowNanos());
  report.commit_p50_us = appends.p50_us;
  report.errors = appends.errors;
  report.unknown = appends.unknown;
  report.unsent = appends.unsent;
  report.first_error = appends.first_error;
  return report;
}

// Reads the whole log once; latencies are those between two events.
absl::StatusOr<BenchReport> BenchReplay(Session& session, const BenchOptions& given) {
  BenchOptions options = given;
  options.warmup_ms = 0;
  options.duration_ms = 3'600'000;  // It ends when the log does.
  ASSIGN_OR_RETURN(BenchFixture fixture, BenchFixture::Open(session, options));
  ASSIGN_OR_RETURN(const LogDescription log, fixture.LogOf(0).Describe({.linearizable = true}));
  ASSIGN_OR_RETURN(const std::unique_ptr<Tailer> tailer, Tailer::Open(fixture.LogOf(0), {}));
  const int64_t start_ns = NowNanos();
  BenchRecorder recorder(options, start_ns);
  int64_t previous_ns = start_ns;
  while (log.first_seq <= log.last_seq && tailer->next_seq() <= log.last_seq &&
         !session.interrupt().Requested()) {
    const absl::StatusOr<TailEvent> event = tailer->Next(kPollInterval);
    if (absl::IsDeadlineExceeded(event.status())) continue;
    RETURN_IF_ERROR(event.status());
    const int64_t now_ns = NowNanos();
    for (const RecordBatch& batch : event->batches) {
      for (const Record& record : batch.records) {
        recorder.Done(previous_ns, now_ns, record.payload.size());
      }
    }
    previous_ns = now_ns;
  }
  return recorder.Report(NowNanos());
}

}  // namespace cairn::cli
