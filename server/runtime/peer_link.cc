#include "server/runtime/peer_link.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/socket_stream.h"
#include "server/runtime/peer_frames.h"
#include "server/runtime/wire_codec.h"

namespace cairn::server {
namespace {

// First pause after a failed attempt, doubled up to the second one. The first is short since
// the listening socket of a killed process can outlive its connections by a moment.
constexpr int64_t kFirstPauseUs = 20 * kMicrosPerMilli;
constexpr int64_t kLastPauseUs = 500 * kMicrosPerMilli;
constexpr int kConnectTimeoutMs = 200;
// For a peer that accepts connections and then says nothing (a stopped process); of the handshake,
// and of the answer.
constexpr int64_t kAnswerTimeoutUs = 2 * kMicrosPerSecond;
constexpr uint32_t kMaxAnswerBytes = 64 << 10;
// A frame's buffer that has grown beyond this is given back.
constexpr size_t kKeptFrameBytes = 1 << 20;

MonoMicros AnswerDeadline() { return SystemClock().Mono() + kAnswerTimeoutUs; }

}  // namespace

PeerLink::PeerLink(Peer peer, PeerLinkOptions options, LinkListener* listener, Metrics* metrics)
    : peer_(std::move(peer)),
      options_(std::move(options)),
      listener_(listener),
      metrics_(metrics),
      random_(options_.random_seed + peer_.id.value()),
      thread_([this] { Run(); }) {}

PeerLink::~PeerLink() { CHECK(!thread_.joinable()); }

bool PeerLink::up() const {
  absl::MutexLock lock(&mutex_);
  return up_;
}

bool PeerLink::stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void PeerLink::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  wake_.Signal();
  if (thread_.joinable()) thread_.join();
}

// ---- Sending --------------------------------------------------------------------------

void PeerLink::Offer(const OutMessage& message) {
  const uint64_t bytes = WireBytes(message.message);
  cairn::v1::WireMessage wire = EncodeMessage(message);
  {
    absl::MutexLock lock(&mutex_);
    if (!up_) {
      metrics_->peer_dropped_link_total.Increment();
      return;
    }
    if (queued_bytes_ + bytes <= options_.queue_bytes || queue_.empty()) {
      queue_.push_back({std::move(wire), bytes});
      queued_bytes_ += bytes;
      return;
    }
    metrics_->peer_dropped_full_total.Increment();
    if (std::exchange(overflowed_, true)) return;
  }
  // The cores must look again at what this peer has. To them a full queue is a link that
  // went down and came up again; told once per overflow.
  spdlog::warn("the queue to {} ({}) is full: messages are dropped", peer_.name, peer_.address);
  Report(LinkChange::State::kDown);
  Report(LinkChange::State::kUp);
}

void PeerLink::Flush() {
  {
    absl::MutexLock lock(&mutex_);
    if (!up_ || sending_ != Sending::kIdle || (queue_.empty() && !pulse_due_)) return;
    sending_ = Sending::kBusy;
  }
  SendFrames();
}

void PeerLink::Pulse() {
  {
    absl::MutexLock lock(&mutex_);
    if (!up_) return;
    pulse_due_ = true;
  }
  Flush();
}

void PeerLink::SendFrames() {
  while (sent_ < frame_.size() || NextFrame()) {
    size_t sent = 0;
    const Progress progress = stream_.Send(std::string_view(frame_).substr(sent_), &sent);
    sent_ += sent;
    if (progress == Progress::kDone) continue;
    const bool full = progress == Progress::kWritable;
    {
      absl::MutexLock lock(&mutex_);
      sending_ = full ? Sending::kBlocked : Sending::kIdle;
      broken_ = !full;
      if (!full) up_ = false;
    }
    wake_.Signal();  // To wait until the socket takes more, or to connect anew.
    return;
  }
}

bool PeerLink::NextFrame() {
  cairn::v1::ExchangeRequest request;
  uint64_t bytes = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (!up_ || (queue_.empty() && !pulse_due_)) {
      sending_ = Sending::kIdle;
      return false;
    }
    while (!queue_.empty() &&
           (bytes == 0 || bytes + queue_.front().bytes <= options_.request_bytes)) {
      bytes += queue_.front().bytes;
      *request.add_messages() = std::move(queue_.front().wire);
      queue_.pop_front();
    }
    queued_bytes_ -= bytes;
    if (queue_.empty()) overflowed_ = false;
    request.set_pulse(std::exchange(pulse_due_, false));
  }
  metrics_->peer_requests_sent_total.Increment();
  metrics_->peer_messages_sent_total.Increment(request.messages_size());
  metrics_->peer_bytes_sent_total.Increment(static_cast<double>(bytes));
  if (frame_.capacity() > kKeptFrameBytes) frame_ = std::string();
  frame_.clear();
  sent_ = 0;
  AppendFrame(request, frame_);
  return true;
}

// ---- The life of a connection -----------------------------------------------------------

void PeerLink::Run() {
  int64_t pause_us = 0;
  while (Pause(pause_us)) {
    SocketStream stream = Connect();
    pause_us = NextPause();
    if (!stream) continue;
    Carry(std::move(stream));
    last_pause_us_ = 0;
    pause_us = 0;  // At once: whether it refuses says if the process has died.
  }
}

int64_t PeerLink::NextPause() {
  last_pause_us_ = std::clamp(last_pause_us_ * 2, kFirstPauseUs, kLastPauseUs);
  return random_.Between(last_pause_us_ / 2, last_pause_us_);
}

bool PeerLink::Pause(int64_t pause_us) {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::Microseconds(pause_us));
}

SocketStream PeerLink::Connect() {
  Connecting made = ConnectTcp(peer_.address, kConnectTimeoutMs);
  if (made.refused && reported_ != LinkChange::State::kGone) {
    spdlog::info("no process listens at {} ({})", peer_.name, peer_.address);
    Report(LinkChange::State::kGone);
    reported_ = LinkChange::State::kGone;
  }
  if (!made.socket) return SocketStream();
  reported_ = LinkChange::State::kDown;
  TunePeerSocket(made.socket.get());
  SocketStream stream(std::move(made.socket));
  if (Open(stream) && Greet(stream)) return stream;
  if (!stream.error().empty()) SayOnce("cannot be reached with TLS: " + stream.error());
  return SocketStream();
}

bool PeerLink::Open(SocketStream& stream) {
  const MonoMicros deadline = AnswerDeadline();
  if (!stream.SendAll(kPeerMagic, deadline)) return false;
  if (options_.tls == nullptr) return true;
  stream.ConnectTls(options_.tls->Now()->opening, options_.tls->NameOf(peer_.address));
  Progress progress = stream.Shake();
  while (progress == Progress::kReadable || progress == Progress::kWritable) {
    if (!Await(stream.socket(), progress, deadline)) return false;
    progress = stream.Shake();
  }
  return progress == Progress::kDone;
}

bool PeerLink::Greet(SocketStream& stream) {
  cairn::v1::ExchangeRequest request;
  *request.mutable_hello() = options_.hello;
  request.mutable_hello()->set_to_node_id(peer_.id.value());
  std::string bytes;
  AppendFrame(request, bytes);
  const MonoMicros deadline = AnswerDeadline();
  if (!stream.SendAll(bytes, deadline)) return false;
  if (!Await(stream.socket(), Progress::kReadable, deadline)) return false;

  cairn::v1::ExchangeResponse answer;
  if (!ReceiveFrame(stream, kMaxAnswerBytes, deadline, answer)) return false;
  if (answer.refusal().empty()) return true;
  SayOnce("refuses this node: " + answer.refusal());
  if (answer.removed()) listener_->OnRemoved(answer.refusal());
  return false;
}

void PeerLink::SayOnce(const std::string& trouble) {
  if (std::exchange(last_trouble_, trouble) == trouble) return;
  spdlog::error("{} ({}) {}", peer_.name, peer_.address, trouble);
}

// Who failed to send on the connection before may have left a wake-up, or leave one now: it means
// nothing here.
bool PeerLink::Await(int socket, Progress what, MonoMicros deadline) {
  const int16_t wanted = what == Progress::kWritable ? POLLOUT : POLLIN;
  for (wake_.Clear(); !stopping(); wake_.Clear()) {
    const int64_t left_us = deadline - SystemClock().Mono();
    if (left_us <= 0) return false;
    pollfd polled[] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                       {.fd = socket, .events = wanted, .revents = 0}};
    const auto timeout_ms = static_cast<int>(left_us / kMicrosPerMilli + 1);
    const int ready = poll(polled, std::size(polled), timeout_ms);
    if (ready > 0 && polled[1].revents != 0) return true;
  }
  return false;
}

void PeerLink::Carry(SocketStream stream) {
  stream_ = std::move(stream);
  frame_.clear();
  sent_ = 0;
  {
    absl::MutexLock lock(&mutex_);
    broken_ = false;
    up_ = true;
  }
  last_trouble_.clear();
  metrics_->peer_reconnects_total.Increment();
  spdlog::info("connected to {} ({})", peer_.name, peer_.address);
  Report(LinkChange::State::kUp);
  WatchUntilBroken();
  TakeDown();
  if (stopping()) return;
  spdlog::info("lost the connection to {} ({})", peer_.name, peer_.address);
  Report(LinkChange::State::kDown);
}

void PeerLink::WatchUntilBroken() {
  while (true) {
    bool blocked = false;
    {
      absl::MutexLock lock(&mutex_);
      if (broken_ || stopping_) return;
      blocked = sending_ == Sending::kBlocked;
    }
    const auto events = static_cast<int16_t>(POLLIN | POLLRDHUP | (blocked ? POLLOUT : 0));
    pollfd polled[] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                       {.fd = stream_.socket(), .events = events, .revents = 0}};
    if (poll(polled, std::size(polled), -1) < 0) continue;  // A signal.
    if (polled[0].revents != 0) wake_.Clear();
    // The peer has nothing to say any more: if there is something to read, it is the end.
    if ((polled[1].revents & ~POLLOUT) != 0) return;
    if ((polled[1].revents & POLLOUT) == 0) continue;
    {
      absl::MutexLock lock(&mutex_);
      sending_ = Sending::kBusy;
    }
    SendFrames();
  }
}

void PeerLink::TakeDown() {
  stream_.Shut();  // Whoever is sending fails, and lets go of it.
  absl::MutexLock lock(&mutex_);
  up_ = false;
  const auto let_go = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return sending_ != Sending::kBusy;
  };
  mutex_.Await(absl::Condition(&let_go));
  sending_ = Sending::kIdle;
  metrics_->peer_dropped_link_total.Increment(static_cast<double>(queue_.size()));
  queue_.clear();
  queued_bytes_ = 0;
  overflowed_ = false;
  pulse_due_ = false;
  stream_ = SocketStream();
}

void PeerLink::Report(LinkChange::State state) { listener_->OnLink({peer_.id, state}); }

}  // namespace cairn::server
