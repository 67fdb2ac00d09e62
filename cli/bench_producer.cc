// `cairn bench append --producer` and `cairn bench cas --producer`: records through
// producers, which batch and pipeline by themselves. One operation is one record.
#include <deque>
#include <thread>

#include "base/status_macros.h"
#include "cairn/producer.h"
#include "cli/bench_commands.h"
#include "cli/bench_recorder.h"

namespace cairn::cli {
namespace {

// One producer and the thread that feeds it.
class ProducerLoad {
 public:
  ProducerLoad(const BenchOptions& options, BenchRecorder& recorder, const Interrupt& interrupt)
      : options_(options),
        payload_(MakePayload(options.size_bytes)),
        recorder_(recorder),
        interrupt_(interrupt) {}

  absl::Status Open(Log log, bool conditional) {
    ProducerOptions options;
    options.max_request_records = options_.max_request_records;
    options.on_delivery = [this](const Delivery& delivery) { OnDelivery(delivery); };
    if (conditional) {
      ASSIGN_OR_RETURN(const LogDescription description, log.Describe({.linearizable = true}));
      options.if_last_seq = description.last_seq;
    }
    ASSIGN_OR_RETURN(producer_, Producer::Open(log, std::move(options)));
    return absl::OkStatus();
  }

  // Sends until the window ends, then waits for the answers.
  void Run() {
    const int64_t start_ns = NowNanos();
    const double interval_ns =
        options_.rate > 0 ? 1e9 * static_cast<double>(options_.clients) / options_.rate : 0;
    for (uint64_t i = 0; NowNanos() < recorder_.end_ns() && !interrupt_.Requested(); ++i) {
      int64_t begin_ns = NowNanos();
      if (interval_ns > 0) {
        begin_ns = start_ns + static_cast<int64_t>(static_cast<double>(i) * interval_ns);
        WaitUntil(begin_ns);
      }
      if (!Send(begin_ns)) break;
    }
    static_cast<void>(producer_->Flush(absl::Seconds(30)));  // Failures came as deliveries.
    producer_.reset();
  }

 private:
  // A failure ends the run: a producer is final, and OnDelivery has counted why.
  bool Send(int64_t begin_ns) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(this, &ProducerLoad::HasRoom), absl::Seconds(60));
      begun_ns_.push_back(begin_ns);
    }
    return producer_->Send(payload_).ok();
  }

  // Sleeps only where it pays: a due time within 50 µs is not worth a wake-up.
  static void WaitUntil(int64_t due_ns) {
    const int64_t wait_ns = due_ns - NowNanos();
    if (wait_ns > 50'000) absl::SleepFor(absl::Nanoseconds(wait_ns));
  }

  void OnDelivery(const Delivery& delivery) {
    const int64_t now_ns = NowNanos();
    absl::MutexLock lock(&mutex_);
    for (uint64_t t = delivery.first_ticket; t <= delivery.last_ticket && !begun_ns_.empty(); ++t) {
      if (delivery.status.ok()) {
        recorder_.Done(begun_ns_.front(), now_ns, options_.size_bytes);
      } else {
        recorder_.Failed(delivery.status);
      }
      begun_ns_.pop_front();
    }
  }

  [[nodiscard]] bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return begun_ns_.size() < options_.in_flight;
  }

  const BenchOptions options_;
  const std::string payload_;
  BenchRecorder& recorder_;
  const Interrupt& interrupt_;

  mutable absl::Mutex mutex_;
  std::deque<int64_t> begun_ns_ ABSL_GUARDED_BY(mutex_);  // Of unanswered records, by ticket.
  std::unique_ptr<Producer> producer_;                    // Last, so that its callbacks end first.
};

}  // namespace

absl::StatusOr<BenchReport> BenchProducer(Session& session, const BenchOptions& options,
                                          bool conditional) {
  ASSIGN_OR_RETURN(BenchFixture fixture, BenchFixture::Open(session, options));
  BenchRecorder recorder(options, NowNanos());
  std::vector<std::unique_ptr<ProducerLoad>> loads;
  for (uint64_t i = 0; i < options.clients; ++i) {
    Log log = fixture.LogOf(i);
    if (conditional) {
      ASSIGN_OR_RETURN(log, fixture.OpenNumbered(i, i));
    }
    loads.push_back(std::make_unique<ProducerLoad>(options, recorder, session.interrupt()));
    RETURN_IF_ERROR(loads.back()->Open(log, conditional));
  }
  std::vector<std::thread> threads;
  for (const auto& load : loads) threads.emplace_back([&load] { load->Run(); });
  for (std::thread& thread : threads) thread.join();
  return recorder.Report(NowNanos());
}

}  // namespace cairn::cli
