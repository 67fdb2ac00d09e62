// `cairn bench append --producer` and `cairn bench cas --producer`: records through
// producers, which batch and pipeline by themselves. One operation is one record.
#include <atomic>
#include <thread>

#include "base/status_macros.h"
#include "cairn/producer.h"
#include "cli/bench_commands.h"
#include "cli/bench_recorder.h"

namespace cairn::cli {
namespace {

// One producer and the thread that feeds it. When each unanswered record began is kept in a
// ring: the feeding thread fills it, deliveries (on the client thread) empty it, in ticket order.
class ProducerLoad {
 public:
  ProducerLoad(const BenchOptions& options, BenchRecorder& recorder, const Interrupt& interrupt)
      : options_(options),
        payload_(MakePayload(options.size_bytes)),
        recorder_(recorder),
        interrupt_(interrupt),
        begun_ns_(options.in_flight) {}

  absl::Status Open(const Log& log, std::optional<Seq> if_last_seq) {
    ProducerOptions options;
    options.max_request_records = options_.max_request_records;
    options.if_last_seq = if_last_seq;
    options.on_delivery = [this](const Delivery& delivery) { OnDelivery(delivery); };
    ASSIGN_OR_RETURN(producer_, Producer::Open(log, std::move(options)));
    return absl::OkStatus();
  }

  // Sends until the window ends, then waits for the answers.
  void Run() {
    const int64_t start_ns = NowNanos();
    const double interval_ns =
        options_.rate > 0 ? 1e9 * static_cast<double>(options_.clients) / options_.rate : 0;
    for (int64_t begin_ns = start_ns; begin_ns < recorder_.end_ns() && !interrupt_.Requested();) {
      if (!Send(begin_ns)) break;
      if (interval_ns > 0) {
        begin_ns = start_ns + static_cast<int64_t>(static_cast<double>(sent_) * interval_ns);
        WaitUntil(begin_ns);
      } else {
        begin_ns = NowNanos();
      }
    }
    static_cast<void>(producer_->Flush(absl::Seconds(30)));  // Failures came as deliveries.
    producer_.reset();
  }

 private:
  // A failure ends the run: a producer is final, and OnDelivery has counted why.
  bool Send(int64_t begin_ns) {
    for (uint64_t answered = answered_.load(std::memory_order_acquire);
         sent_ - answered >= options_.in_flight;
         answered = answered_.load(std::memory_order_acquire)) {
      answered_.wait(answered, std::memory_order_acquire);
    }
    begun_ns_[sent_ % options_.in_flight] = begin_ns;
    if (!producer_->Send(payload_).ok()) return false;
    ++sent_;
    return true;
  }

  // Sleeps only where it pays: a due time within 50 µs is not worth a wake-up.
  static void WaitUntil(int64_t due_ns) {
    const int64_t wait_ns = due_ns - NowNanos();
    if (wait_ns > 50'000) absl::SleepFor(absl::Nanoseconds(wait_ns));
  }

  void OnDelivery(const Delivery& delivery) {
    const int64_t now_ns = NowNanos();
    if (delivery.status.ok()) {
      for (uint64_t ticket = delivery.first_ticket; ticket <= delivery.last_ticket; ++ticket) {
        recorder_.Done(begun_ns_[(ticket - 1) % options_.in_flight], now_ns, options_.size_bytes);
      }
    } else {
      recorder_.Failed(delivery.status, delivery.last_ticket - delivery.first_ticket + 1);
    }
    answered_.store(delivery.last_ticket, std::memory_order_release);
    answered_.notify_one();
  }

  const BenchOptions options_;
  const std::string payload_;
  BenchRecorder& recorder_;
  const Interrupt& interrupt_;

  std::vector<int64_t> begun_ns_;       // By ticket - 1, modulo its size.
  uint64_t sent_ = 0;                   // The feeding thread's; the newest ticket.
  std::atomic<uint64_t> answered_{0};   // Tickets up to this one.
  std::unique_ptr<Producer> producer_;  // Last, so that its callbacks end first.
};

absl::StatusOr<Seq> LastSeqOf(Log& log) {
  ASSIGN_OR_RETURN(const LogDescription description, log.Describe({.linearizable = true}));
  return description.last_seq;
}

}  // namespace

absl::StatusOr<BenchReport> BenchProducer(Session& session, const BenchOptions& options,
                                          bool conditional) {
  ASSIGN_OR_RETURN(BenchFixture fixture, BenchFixture::Open(session, options));
  BenchRecorder recorder(options, NowNanos());
  std::vector<std::unique_ptr<ProducerLoad>> loads;
  for (uint64_t i = 0; i < options.clients; ++i) {
    Log log = fixture.LogOf(i);
    std::optional<Seq> if_last_seq;
    if (conditional) {
      ASSIGN_OR_RETURN(log, fixture.OpenNumbered(i, i));
      ASSIGN_OR_RETURN(if_last_seq, LastSeqOf(log));
    }
    loads.push_back(std::make_unique<ProducerLoad>(options, recorder, session.interrupt()));
    RETURN_IF_ERROR(loads.back()->Open(log, if_last_seq));
  }
  std::vector<std::thread> threads;
  for (const auto& load : loads) threads.emplace_back([&load] { load->Run(); });
  for (std::thread& thread : threads) thread.join();
  return recorder.Report(NowNanos());
}

}  // namespace cairn::cli
