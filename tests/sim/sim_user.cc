#include "tests/sim/sim_user.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "cairn/error.h"
#include "cairn/tailer.h"
#include "client/src/core.h"
#include "tests/support/client_outcome.h"

namespace cairn::sim {

using history::Call;
using history::Outcome;

// ---- SimUser ----------------------------------------------------------------------------

SimUser::SimUser(int number, Context context)
    : number_(number),
      context_(std::move(context)),
      process_(std::make_unique<SimProcess>(context_.events->now_address())),
      self_(std::make_shared<SimUser*>(this)) {
  ClientOptions options;
  for (int i = 1; i <= context_.nodes; ++i) options.endpoints.push_back(EndpointOf(NodeId(i)));
  options.default_timeout = absl::Seconds(3);
  auto executor = std::make_unique<SimExecutor>(context_.events, process_.get());
  auto stub = std::make_unique<SimStub>(SimStub::Context{.events = context_.events,
                                                         .random = context_.random,
                                                         .service = context_.service,
                                                         .process = process_.get(),
                                                         .executor = executor.get(),
                                                         .delay = context_.delay,
                                                         .reaches = context_.reaches,
                                                         .loses = context_.loses});
  client_ = std::make_unique<Client>(
      std::make_unique<client::Core>(std::move(options), std::move(stub), std::move(executor),
                                     process_->clock, context_.random->Next()));
}

SimUser::~SimUser() = default;

void SimUser::Start() {
  context_.events->After(random().Between(0, 100'000), [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->Again();
  });
}

void SimUser::Again() {
  // On the client's thread, which may be stopped.
  client_->core().executor().Post([weak = std::weak_ptr(self_)] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    (*self)->Step();
    (*self)->context_.events->After((*self)->pause_us(), [weak] {
      if (const auto again = weak.lock()) (*again)->Again();
    });
  });
}

Log SimUser::log() const { return client_->LogWithId(context_.log->name, context_.log->id); }

std::string SimUser::NewPayload() { return fmt::format("u{}-{}", number_, ++appended_); }

void SimUser::Violation(const std::string& line) {
  context_.violation(fmt::format("log {}, client {}: {}", context_.log->id, number_, line));
}

history::Operation SimUser::NewOperation(Call call) const {
  history::Operation operation{.call = call};
  operation.client = static_cast<uint64_t>(number_);
  operation.begin_us = now();
  return operation;
}

void SimUser::Settle(size_t handle, const absl::Status& status) {
  history::Operation& operation = watch().at(handle);
  operation.end_us = now();
  history::NoteOutcome(status, operation);
  if (operation.outcome == Outcome::kDone && operation.last_seq) {
    watch().Acknowledged(*operation.last_seq);
  }
}

namespace {

// ---- Writer -----------------------------------------------------------------------------

class WriterUser final : public SimUser {
 public:
  WriterUser(int number, Context context) : SimUser(number, std::move(context)) {}
  [[nodiscard]] bool idle() const override { return stopping() && !busy_; }

 private:
  void Step() override {
    if (stopping() || busy_) return;
    history::Operation operation = NewOperation(Call::kAppend);
    std::vector<NewRecord> records;
    for (uint64_t i = 0; i <= random().Below(3); ++i) {
      operation.payloads.push_back(NewPayload());
      records.push_back({operation.payloads.back(), {}});
    }
    AppendOptions options;
    options.call.timeout = absl::Milliseconds(random().Between(50, 2000));
    if (random().Chance(0.6)) operation.if_last_seq = options.if_last_seq = last_known_;
    const size_t handle = watch().Begin(std::move(operation));
    busy_ = true;
    log().AppendAsync(records, options, [this, handle](const absl::StatusOr<AppendResult>& got) {
      OnAnswer(handle, got);
    });
  }

  [[nodiscard]] SimTime pause_us() override { return random().Between(1000, 30'000); }

  void OnAnswer(size_t handle, const absl::StatusOr<AppendResult>& got) {
    busy_ = false;
    history::Operation& operation = watch().at(handle);
    if (got.ok()) {
      operation.first_seq = got->first_seq;
      operation.last_seq = last_known_ = got->last_seq;
      operation.chain = got->chain;
    }
    Settle(handle, got.status());
    if (operation.outcome == Outcome::kConditionFailed) last_known_ = *operation.last_seq;
  }

  bool busy_ = false;
  Seq last_known_;
};

// ---- Tailer -----------------------------------------------------------------------------

class TailerUser final : public SimUser {
 public:
  TailerUser(int number, Context context) : SimUser(number, std::move(context)) {}
  ~TailerUser() override { tailer_.reset(); }

  [[nodiscard]] bool idle() const override { return stopping(); }

 private:
  void Step() override {
    if (ended_) {
      tailer_.reset();
      ended_ = false;
    }
    // Now and then it begins anew, so that a tail starts at all kinds of moments.
    if (tailer_ != nullptr && !stopping() && random().Chance(0.01)) tailer_.reset();
    if (tailer_ == nullptr && !stopping()) Open();
  }

  [[nodiscard]] SimTime pause_us() override { return random().Between(10'000, 100'000); }

  void Open() {
    TailerOptions options;
    const bool resumes = next_ != Seq() && random().Chance(0.5);
    if (resumes) {
      options.start = TailStart::AtSeq(next_);
    } else {
      next_ = Seq();
      if (random().Chance(0.5)) options.start = TailStart::AtNext();
    }
    options.heartbeat = absl::Milliseconds(200);
    options.on_event = [this](const TailEvent& event) { OnEvent(event); };
    options.on_error = [this](const absl::Status& status) {
      ended_ = true;
      // What it was to begin with is gone.
      if (GetReason(status) != Reason::kTrimmed) return;
      watch().CheckTrimmed(number(), GetErrorInfo(status)->first_seq);
      next_ = Seq();
    };
    must_reach_ = watch().acknowledged();
    tailer_ = *Tailer::Open(log(), std::move(options));
  }

  void OnEvent(const TailEvent& event) {
    for (const RecordBatch& batch : event.batches) {
      if (next_ != Seq() && batch.first_seq != next_) {
        Violation(fmt::format("was handed seq {} where {} follows", batch.first_seq, next_));
      }
      watch().CheckTailed(number(), batch.last_seq(), batch.chain);
      next_ = batch.last_seq() + 1;
    }
    if (!event.caught_up) return;
    // Everything that anybody had heard of before the subscription. (When the mark before this
    // one was sent is not known here.)
    if (event.caught_up->seq < must_reach_) {
      Violation(fmt::format("caught up at seq {} though {} was acknowledged before",
                            event.caught_up->seq, must_reach_));
    }
    watch().CheckTailed(number(), event.caught_up->seq, event.caught_up->chain);
  }

  Seq next_;  // 0: not known.
  Seq must_reach_;
  bool ended_ = false;
  std::unique_ptr<Tailer> tailer_;
};

}  // namespace

std::unique_ptr<SimUser> MakeWriterUser(int number, SimUser::Context context) {
  return std::make_unique<WriterUser>(number, std::move(context));
}
std::unique_ptr<SimUser> MakeTailerUser(int number, SimUser::Context context) {
  return std::make_unique<TailerUser>(number, std::move(context));
}

}  // namespace cairn::sim
