#include "tests/sim/sim_stub.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "client/src/error_codec.h"

namespace cairn::sim {

using client::EncodedMessage;
using client::Method;

// ---- SimExecutor ------------------------------------------------------------------------

SimExecutor::SimExecutor(EventQueue* events, const SimProcess* process)
    : events_(events), process_(process), self_(std::make_shared<SimExecutor*>(this)) {}

SimExecutor::~SimExecutor() = default;

void SimExecutor::Post(Task task) {
  if (stopped_) return;
  tasks_.push_back(std::move(task));
  Schedule();
}

void SimExecutor::PostAfter(int64_t delay_us, Task task) {
  if (stopped_) return;
  // The task stays here, so that it goes with the executor.
  const uint64_t timer = next_timer_++;
  timers_.emplace(timer, std::move(task));
  const std::weak_ptr<SimExecutor*> weak = self_;
  events_->After(process_->clock.Real(delay_us), [weak, timer] {
    if (const auto self = weak.lock()) (*self)->OnTimer(timer);
  });
}

void SimExecutor::OnTimer(uint64_t timer) {
  const auto due = timers_.find(timer);
  if (due == timers_.end()) return;
  Task task = std::move(due->second);
  timers_.erase(due);
  Post(std::move(task));
}

void SimExecutor::Schedule() {
  if (std::exchange(scheduled_, true)) return;
  const std::weak_ptr<SimExecutor*> weak = self_;
  events_->After(process_->paused_until - events_->now(), [weak] {
    if (const auto self = weak.lock()) (*self)->Run();
  });
}

void SimExecutor::Run() {
  scheduled_ = false;
  if (events_->now() < process_->paused_until) return Schedule();
  RunPosted();
}

void SimExecutor::RunPosted() {
  while (!tasks_.empty()) {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
  }
}

void SimExecutor::RunAndWait(Task task) {
  CHECK(!stopped_);
  RunPosted();
  task();
}

void SimExecutor::Shutdown() {
  stopped_ = true;
  // Moved out first: the end of a task may post another one.
  const auto tasks = std::exchange(tasks_, {});
  const auto timers = std::exchange(timers_, {});
}

// ---- SimStub::Wire ------------------------------------------------------------------------

// The client's end of all its connections; shared with the events that are under way.
class SimStub::Wire : public std::enable_shared_from_this<SimStub::Wire> {
 public:
  explicit Wire(Context context) : context_(std::move(context)) {}

  void Call(NodeId to, Method method, std::string request, int64_t timeout_us, UnaryDone done);
  void Shutdown();

  uint64_t Open(NodeId to, Method method, client::StreamHandler handler);
  void Write(uint64_t id, std::string message);
  void AddReadCredit(uint64_t id, int messages);
  // The client let go of it.
  void Drop(uint64_t id);

 private:
  struct Arrived {
    MessagePtr message;
    uint64_t bytes;
  };
  struct Stream {
    NodeId to;
    Method method;
    client::StreamHandler handler;
    bool opened = false;
    uint64_t remote = 0;  // SimService's number, once opened.
    // To the node, and from it: in order, one under way at a time.
    std::deque<std::string> outgoing;
    bool sending = false;
    std::deque<Arrived> incoming;
    bool receiving = false;
    std::deque<Arrived> arrived;  // Wait for credit.
    int credit = 0;
    std::optional<absl::Status> closed;  // By the node, behind `incoming`.
  };

  template <class Action>
  void After(SimTime delay, Action action) {
    context_.events->After(delay, [weak = weak_from_this(), action = std::move(action)] {
      if (const auto self = weak.lock()) action(*self);
    });
  }
  void Finish(uint64_t call, const absl::Status& status, MessagePtr response);
  Stream* Find(uint64_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
  }
  // Whether a packet of the stream gets through; if not, the connection stalls or breaks.
  bool Passes(uint64_t id, const Stream& stream, void (Wire::*again)(uint64_t));
  void SendNext(uint64_t id);
  void ReceiveNext(uint64_t id);
  void OpenRemote(uint64_t id, Stream& stream);
  void HandOut(uint64_t id);
  void Break(uint64_t id);
  void Close(uint64_t id, const absl::Status& status);

  const Context context_;
  uint64_t next_id_ = 1;
  std::map<uint64_t, UnaryDone> calls_;
  std::map<uint64_t, Stream> streams_;
  bool shut_down_ = false;
};

void SimStub::Wire::Call(NodeId to, Method method, std::string request, int64_t timeout_us,
                         UnaryDone done) {
  if (shut_down_) {
    context_.executor->Post([done = std::move(done)] {
      done(client::MarkNeverSent(absl::CancelledError("the client is closed")), nullptr);
    });
    return;
  }
  const uint64_t id = next_id_++;
  calls_.emplace(id, std::move(done));
  After(context_.process->clock.Real(timeout_us), [id](Wire& self) {
    self.Finish(id, absl::DeadlineExceededError("no answer in time"), nullptr);
  });
  if (context_.loses()) return;
  After(context_.delay(), [=, request = std::move(request)](Wire& self) {
    if (!self.context_.reaches(to)) return;
    const std::weak_ptr<Wire> weak = self.weak_from_this();
    self.context_.service->Call(
        to, method, request, timeout_us,
        [weak, id, to](const absl::Status& status, MessagePtr message) {
          const auto wire = weak.lock();
          if (wire == nullptr || wire->context_.loses()) return;
          const auto held = std::make_shared<MessagePtr>(std::move(message));
          wire->After(wire->context_.delay(), [id, to, status, held](Wire& late) {
            if (late.context_.reaches(to)) late.Finish(id, status, std::move(*held));
          });
        });
  });
}

// The answer waits for the client's thread, so that a stopped client hears nothing.
void SimStub::Wire::Finish(uint64_t call, const absl::Status& status, MessagePtr response) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  const auto done = std::make_shared<UnaryDone>(std::move(found->second));
  calls_.erase(found);
  const auto held = std::make_shared<MessagePtr>(std::move(response));
  context_.executor->Post([done, status, held] { (*done)(status, std::move(*held)); });
}

void SimStub::Wire::Shutdown() {
  shut_down_ = true;
  for (auto& [id, done] : std::exchange(calls_, {})) {
    done(absl::CancelledError("the client is closed"), nullptr);
  }
  for (const auto& [id, stream] : std::exchange(streams_, {})) {
    if (stream.opened) context_.service->Cancel(stream.remote);
  }
}

uint64_t SimStub::Wire::Open(NodeId to, Method method, client::StreamHandler handler) {
  const uint64_t id = next_id_++;
  Stream& stream = streams_[id];
  stream.to = to;
  stream.method = method;
  stream.handler = std::move(handler);
  return id;
}

void SimStub::Wire::Write(uint64_t id, std::string message) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  stream->outgoing.push_back(std::move(message));
  if (std::exchange(stream->sending, true)) return;
  After(context_.delay(), [id](Wire& self) { self.SendNext(id); });
}

bool SimStub::Wire::Passes(uint64_t id, const Stream& stream, void (Wire::*again)(uint64_t)) {
  constexpr double kBreaks = 0.3;
  // What TCP sends again is late, not lost; but now and then it gives up.
  const bool cut = !context_.reaches(stream.to);
  if (!cut && !context_.loses()) return true;
  if (context_.random->Chance(cut ? kBreaks : kBreaks / 10)) {
    Break(id);
  } else {
    After(context_.random->Between(5'000, 200'000), [id, again](Wire& self) { (self.*again)(id); });
  }
  return false;
}

void SimStub::Wire::SendNext(uint64_t id) {
  Stream* stream = Find(id);
  if (stream == nullptr || !Passes(id, *stream, &Wire::SendNext)) return;
  if (!stream->opened) OpenRemote(id, *stream);
  stream = Find(id);
  if (stream == nullptr) return;
  const std::string message = std::move(stream->outgoing.front());
  stream->outgoing.pop_front();
  stream->sending = !stream->outgoing.empty();
  // Packets that wait for each other travel together.
  if (stream->sending) {
    After(context_.random->Between(0, 50), [id](Wire& self) { self.SendNext(id); });
  }
  context_.service->Write(stream->remote, message);
}

void SimStub::Wire::OpenRemote(uint64_t id, Stream& stream) {
  const std::weak_ptr<Wire> weak = weak_from_this();
  stream.opened = true;
  SimService::StreamEvents events;
  events.on_message = [weak, id](MessagePtr message, uint64_t bytes) {
    const auto wire = weak.lock();
    Stream* receiver = wire == nullptr ? nullptr : wire->Find(id);
    if (receiver == nullptr) return;
    receiver->incoming.push_back({std::move(message), bytes});
    if (std::exchange(receiver->receiving, true)) return;
    wire->After(wire->context_.delay(), [id](Wire& self) { self.ReceiveNext(id); });
  };
  events.on_closed = [weak, id](const absl::Status& status) {
    const auto wire = weak.lock();
    Stream* receiver = wire == nullptr ? nullptr : wire->Find(id);
    if (receiver == nullptr) return;
    receiver->closed = status;
    if (std::exchange(receiver->receiving, true)) return;
    wire->After(wire->context_.delay(), [id](Wire& self) { self.ReceiveNext(id); });
  };
  const uint64_t remote = context_.service->Open(stream.to, stream.method, std::move(events));
  if (Stream* opened = Find(id)) opened->remote = remote;
}

void SimStub::Wire::ReceiveNext(uint64_t id) {
  Stream* stream = Find(id);
  if (stream == nullptr || !Passes(id, *stream, &Wire::ReceiveNext)) return;
  if (!stream->incoming.empty()) {
    stream->arrived.push_back(std::move(stream->incoming.front()));
    stream->incoming.pop_front();
  }
  stream->receiving = !stream->incoming.empty() || stream->closed.has_value();
  if (!stream->incoming.empty()) {
    After(context_.random->Between(0, 50), [id](Wire& self) { self.ReceiveNext(id); });
    return HandOut(id);
  }
  HandOut(id);
  stream = Find(id);
  if (stream != nullptr && stream->closed) Close(id, *stream->closed);
}

void SimStub::Wire::HandOut(uint64_t id) {
  while (Stream* stream = Find(id)) {
    if (stream->arrived.empty() || stream->credit == 0) return;
    --stream->credit;
    Arrived next = std::move(stream->arrived.front());
    stream->arrived.pop_front();
    context_.service->Taken(stream->remote, next.bytes);
    const auto held = std::make_shared<MessagePtr>(std::move(next.message));
    context_.executor->Post([weak = weak_from_this(), id, held] {
      const auto wire = weak.lock();
      Stream* receiver = wire == nullptr ? nullptr : wire->Find(id);
      // A copy: the handler may let go of the stream, which owns it.
      if (receiver == nullptr) return;
      const auto handler = receiver->handler.on_message;
      handler(std::move(*held));
    });
  }
}

void SimStub::Wire::AddReadCredit(uint64_t id, int messages) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  stream->credit += messages;
  HandOut(id);
}

void SimStub::Wire::Break(uint64_t id) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  if (stream->opened) context_.service->Cancel(stream->remote);
  Close(id, absl::UnavailableError("the connection broke"));
}

// Behind what was handed out before.
void SimStub::Wire::Close(uint64_t id, const absl::Status& status) {
  context_.executor->Post([weak = weak_from_this(), id, status] {
    const auto wire = weak.lock();
    Stream* stream = wire == nullptr ? nullptr : wire->Find(id);
    if (stream == nullptr) return;
    const auto handler = std::move(stream->handler.on_closed);
    wire->streams_.erase(id);
    handler(status);
  });
}

void SimStub::Wire::Drop(uint64_t id) {
  const Stream* stream = Find(id);
  if (stream == nullptr) return;
  if (stream->opened) context_.service->Cancel(stream->remote);
  streams_.erase(id);
}

// ---- SimStub --------------------------------------------------------------------------------

class SimStub::Handle : public client::Stream {
 public:
  Handle(std::shared_ptr<Wire> wire, uint64_t id) : wire_(std::move(wire)), id_(id) {}
  ~Handle() override { wire_->Drop(id_); }
  void Write(EncodedMessage message) override { wire_->Write(id_, message.Joined()); }
  // No simulated user half-closes: a stream ends by its destruction.
  void FinishWrites() override {}
  void AddReadCredit(int messages) override { wire_->AddReadCredit(id_, messages); }

 private:
  const std::shared_ptr<Wire> wire_;
  const uint64_t id_;
};

SimStub::SimStub(Context context) : wire_(std::make_shared<Wire>(std::move(context))) {}
SimStub::~SimStub() = default;

void SimStub::Call(const std::string& endpoint, Method method, const EncodedMessage& request,
                   int64_t timeout_us, UnaryDone done) {
  CHECK_GT(timeout_us, 0);
  wire_->Call(NodeAt(endpoint), method, request.Joined(), timeout_us, std::move(done));
}

std::unique_ptr<client::Stream> SimStub::Open(const std::string& endpoint, Method method,
                                              client::StreamHandler handler) {
  return std::make_unique<Handle>(wire_, wire_->Open(NodeAt(endpoint), method, std::move(handler)));
}

void SimStub::Shutdown() { wire_->Shutdown(); }

}  // namespace cairn::sim
