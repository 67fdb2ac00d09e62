#include "client/src/core.h"

#include <algorithm>

#include "absl/time/time.h"
#include "base/check.h"
#include "base/request_id.h"
#include "base/status_macros.h"
#include "cairn/error.h"
#include "client/src/error_codec.h"
#include "fmt/format.h"

namespace cairn::client {
namespace {

// An idempotent try that gets no answer for that long is repeated elsewhere; doubled each time,
// so that a cluster that is only slow is not flooded.
constexpr int64_t kFirstTryUs = kMicrosPerSecond;
constexpr uint64_t kMaxTryDoublings = 4;

// Rounds of all endpoints after which an answer that no other node contradicted is believed: a log
// that nobody has, or that is halted everywhere.
constexpr uint64_t kRoundsToBelieve = 1;

// One call from the first try to its answer. Its steps follow one another (try, answer, timer,
// try, …), so it needs no lock though they run on different threads.
class UnaryCall : public std::enable_shared_from_this<UnaryCall> {
 public:
  UnaryCall(Core& core, CallSpec spec, EncodedMessage request, Core::CallDone done)
      : core_(core),
        spec_(std::move(spec)),
        request_(std::move(request)),
        done_(std::move(done)),
        route_(core.routes(), spec_.log, spec_.goal, spec_.endpoint),
        deadline_us_(core.clock().Mono() + core.TimeoutUs(spec_.options)) {
    request_.request_id = MakeRequestId();
  }

  // A timer that the shutdown dropped takes the call with it.
  ~UnaryCall() {
    if (done_) Fail(absl::CancelledError("the client was closed"));
  }

  void Try() {
    const int64_t left_us = deadline_us_ - core_.clock().Mono();
    if (left_us <= 0) return Fail(AtDeadline());
    core_.stub().Call(route_.current(), spec_.method, request_, TryUs(left_us),
                      [self = shared_from_this()](absl::Status status, Core::MessagePtr response) {
                        self->OnAnswer(std::move(status), std::move(response));
                      });
  }

 private:
  // A try of a call that cannot be repeated gets all the time there is: giving up early would
  // only make its outcome unknown.
  [[nodiscard]] int64_t TryUs(int64_t left_us) const {
    if (!spec_.traits.idempotent) return left_us;
    return std::min(left_us, kFirstTryUs << std::min(route_.misses(), kMaxTryDoublings));
  }

  void OnAnswer(absl::Status status, Core::MessagePtr response) {
    if (status.ok()) {
      route_.OnSuccess();
      return std::exchange(done_, nullptr)(std::move(response), route_.current());
    }
    if (!IsRefusal(status) && !WasNeverSent(status)) fate_open_ = true;
    last_ = status;
    const Verdict verdict = Judge(status, spec_.traits);
    if (verdict == Verdict::kGiveUp || IsBelieved(status)) return Fail(std::move(status));
    Pause(route_.OnFailure(status, verdict));
  }

  // LOG_NOT_FOUND and LOG_HALTED speak for one replica, until every node has said so.
  [[nodiscard]] bool IsBelieved(const absl::Status& status) const {
    const Reason reason = GetReason(status);
    return (reason == Reason::kLogNotFound || reason == Reason::kLogHalted) &&
           route_.full_rounds() >= kRoundsToBelieve;
  }

  void Pause(int64_t pause_us) {
    if (pause_us == 0) return Try();
    const int64_t left_us = deadline_us_ - core_.clock().Mono();
    if (pause_us >= left_us) return Fail(AtDeadline());
    core_.executor().PostAfter(pause_us, [self = shared_from_this()] { self->Try(); });
  }

  [[nodiscard]] absl::Status AtDeadline() const {
    if (last_.ok()) return absl::DeadlineExceededError("the deadline had passed before the call");
    return Annotate(last_,
                    fmt::format("{}: gave up after {} tries, last at {}", MethodPath(spec_.method),
                                route_.misses(), route_.current()));
  }

  // A refusal speaks for the last try only. If an earlier one was left open it may have been done,
  // whatever the last one met: the call as a whole is unknown.
  void Fail(absl::Status status) {
    if (fate_open_ && !IsReadOnly(spec_.method)) status = MarkUnknown(std::move(status));
    if (!last_.ok()) status = NameRequest(std::move(status), request_.request_id);
    std::exchange(done_, nullptr)(std::move(status), route_.current());
  }

  Core& core_;
  const CallSpec spec_;
  EncodedMessage request_;
  Core::CallDone done_;
  Route route_;
  const MonoMicros deadline_us_;
  absl::Status last_;
  bool fate_open_ = false;  // Some try left, and nobody told what became of it.
};

}  // namespace

Core::Core(ClientOptions options, std::unique_ptr<Stub> stub, std::unique_ptr<Executor> executor,
           const Clock& clock, uint64_t seed)
    : options_(std::move(options)),
      clock_(clock),
      routes_(options_.endpoints, seed),
      executor_(std::move(executor)),
      stub_(std::move(stub)) {}

Core::~Core() {
  // First the executor, so that no retry begins; then the calls that are out.
  executor_->Shutdown();
  stub_->Shutdown();
}

int64_t Core::TimeoutUs(const CallOptions& options) const {
  const absl::Duration timeout =
      options.timeout > absl::ZeroDuration() ? options.timeout : options_.default_timeout;
  return std::max<int64_t>(1, absl::ToInt64Microseconds(std::min(timeout, absl::Hours(24))));
}

void Core::Call(CallSpec spec, EncodedMessage request, CallDone done) {
  std::make_shared<UnaryCall>(*this, std::move(spec), std::move(request), std::move(done))->Try();
}

absl::StatusOr<Core::MessagePtr> Core::CallAndWait(CallSpec spec, EncodedMessage request,
                                                   std::string* endpoint) {
  absl::Notification answered;
  absl::StatusOr<MessagePtr> result = absl::UnknownError("unanswered");
  Call(std::move(spec), std::move(request),
       [&](absl::StatusOr<MessagePtr> got, const std::string& from) {
         result = std::move(got);
         if (endpoint != nullptr) *endpoint = from;
         answered.Notify();
       });
  answered.WaitForNotification();
  return result;
}

}  // namespace cairn::client
