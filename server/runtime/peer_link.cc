#include "server/runtime/peer_link.h"

#include <grpcpp/create_channel.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/runtime/tcp_probe.h"
#include "server/runtime/wire_codec.h"

namespace cairn::server {
namespace {

// First pause after a failed attempt, doubled up to the second one. The first is short since
// the listening socket of a killed process can outlive its connections by a moment.
constexpr MonoMicros kFirstRetryUs = 20 * kMicrosPerMilli;
constexpr MonoMicros kLastRetryUs = 500 * kMicrosPerMilli;
constexpr int kProbeTimeoutMs = 200;
// For a peer that accepts connections and then says nothing (a stopped process).
constexpr MonoMicros kAnswerTimeoutUs = 2 * kMicrosPerSecond;
// gRPC lets go of a broken stream within microseconds; looked at again after this.
constexpr MonoMicros kReleaseWaitUs = kMicrosPerMilli;
constexpr MonoMicros kNever = INT64_MAX;

// Without pings, a connection that a partition cut stays "up" for many minutes, and after
// the partition heals TCP's own retransmission may sleep for a minute more.
constexpr int kPingIntervalMs = 2000;
constexpr int kPingTimeoutMs = 3000;

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);
  args.SetMaxSendMessageSize(-1);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A fresh connection each time: this link does its own retries, and a shared subchannel
  // would remember the failures of earlier ones.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), args);
}

}  // namespace

// One connection. Owned by gRPC from Start() on; the link deletes it in OnDone. A hold keeps it
// alive until the link was told that it broke, and another one during each write that is
// started from outside of a reaction.
class PeerLink::Stream
    : public grpc::ClientBidiReactor<cairn::v1::ExchangeRequest, cairn::v1::ExchangeResponse> {
 public:
  Stream(PeerLink* link, const cairn::v1::PeerHello& hello)
      : link_(link), stub_(cairn::v1::PeerService::NewStub(link->channel_)) {
    *request.mutable_hello() = hello;
  }

  void Start() {
    stub_->async()->Exchange(&context_, this);
    AddHold();
    StartRead(&response_);
    StartWrite(&request);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }

  // What the write in flight sends; the link fills it in while there is none.
  cairn::v1::ExchangeRequest request;

 private:
  void OnReadDone(bool ok) override {
    if (ok) {
      link_->OnAnswer(this, response_);
      StartRead(&response_);
      return;
    }
    link_->OnBroken();
    Cancel();  // A write may still hang on a full pipe.
    RemoveHold();
  }
  void OnWriteDone(bool ok) override { link_->OnWritten(this, ok); }
  void OnDone(const grpc::Status& status) override { link_->OnDone(this, status); }

  PeerLink* const link_;
  grpc::ClientContext context_;
  const std::unique_ptr<cairn::v1::PeerService::Stub> stub_;
  cairn::v1::ExchangeResponse response_;
};

PeerLink::PeerLink(Peer peer, PeerLinkOptions options, LinkListener* listener, Metrics* metrics,
                   std::function<void()> wake)
    : peer_(std::move(peer)),
      options_(std::move(options)),
      listener_(listener),
      metrics_(metrics),
      wake_(std::move(wake)),
      random_(options_.random_seed + peer_.id.value()) {}

PeerLink::~PeerLink() {
  absl::MutexLock lock(&mutex_);
  CHECK(stream_ == nullptr);
}

bool PeerLink::up() const {
  absl::MutexLock lock(&mutex_);
  return state_ == State::kUp;
}

// ---- Sending --------------------------------------------------------------------------

void PeerLink::Offer(const OutMessage& message) {
  const uint64_t bytes = WireBytes(message.message);
  cairn::v1::WireMessage wire = EncodeMessage(message);
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kUp) {
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
  Stream* stream = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kUp || writing_ || queue_.empty()) return;
    writing_ = true;
    stream = stream_;
    FillRequest(stream->request);
    stream->AddHold();
  }
  stream->StartWrite(&stream->request);
  stream->RemoveHold();
}

void PeerLink::FillRequest(cairn::v1::ExchangeRequest& request) {
  request.Clear();
  uint64_t bytes = 0;
  while (!queue_.empty() &&
         (bytes == 0 || bytes + queue_.front().bytes <= options_.request_bytes)) {
    bytes += queue_.front().bytes;
    *request.add_messages() = std::move(queue_.front().wire);
    queue_.pop_front();
  }
  queued_bytes_ -= bytes;
  if (queue_.empty()) overflowed_ = false;
  metrics_->peer_requests_sent_total.Increment();
  metrics_->peer_messages_sent_total.Increment(request.messages_size());
  metrics_->peer_bytes_sent_total.Increment(static_cast<double>(bytes));
}

void PeerLink::OnWritten(Stream* stream, bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok || state_ != State::kUp || queue_.empty()) return;
    writing_ = true;
    FillRequest(stream->request);
  }
  stream->StartWrite(&stream->request);  // In a reaction: needs no hold.
}

// ---- The life of a connection -----------------------------------------------------------

MonoMicros PeerLink::Drive(MonoMicros now) {
  State state;
  bool broke = false;
  bool releasing = false;  // OnDone of the last stream is on its way.
  {
    absl::MutexLock lock(&mutex_);
    state = state_;
    releasing = releasing_ || (stream_ != nullptr && state == State::kIdle);
    broke = state == State::kIdle && std::exchange(was_up_, false);
    // Cancelled under the lock, which is what keeps the stream alive.
    if (state == State::kConnecting && now >= connect_deadline_) {
      stream_->Cancel();
      connect_deadline_ = kNever;
    }
  }
  if (state == State::kUp) return kNever;
  if (state == State::kConnecting) return connect_deadline_;
  if (broke) {
    spdlog::info("lost the connection to {} ({})", peer_.name, peer_.address);
    Report(LinkChange::State::kDown);
    reported_ = LinkChange::State::kDown;
    retry_wait_us_ = 0;
    retry_at_ = now;
  }
  if (now < retry_at_) return retry_at_;
  if (releasing) return now + kReleaseWaitUs;
  const ProbeResult probe = ProbeTcp(peer_.address, kProbeTimeoutMs);
  if (probe == ProbeResult::kListening) {
    Connect(now);
    return connect_deadline_;
  }
  if (probe == ProbeResult::kRefused && reported_ != LinkChange::State::kGone) {
    spdlog::info("no process listens at {} ({})", peer_.name, peer_.address);
    Report(LinkChange::State::kGone);
    reported_ = LinkChange::State::kGone;
  }
  ScheduleRetry(now);
  return retry_at_;
}

void PeerLink::Connect(MonoMicros now) {
  cairn::v1::PeerHello hello = options_.hello;
  hello.set_to_node_id(peer_.id.value());
  channel_ = MakeChannel(peer_.address);
  auto* stream = new Stream(this, hello);  // Deleted in OnDone.
  {
    absl::MutexLock lock(&mutex_);
    state_ = State::kConnecting;
    stream_ = stream;
    writing_ = true;  // The hello.
  }
  reported_ = LinkChange::State::kDown;
  connect_deadline_ = now + kAnswerTimeoutUs;
  // If this attempt fails, the next one waits.
  ScheduleRetry(now);
  stream->Start();
}

void PeerLink::ScheduleRetry(MonoMicros now) {
  retry_wait_us_ = std::clamp(retry_wait_us_ * 2, kFirstRetryUs, kLastRetryUs);
  retry_at_ = now + random_.Between(retry_wait_us_ / 2, retry_wait_us_);
}

void PeerLink::OnAnswer(Stream* stream, const cairn::v1::ExchangeResponse& answer) {
  if (!answer.refusal().empty()) {
    if (std::exchange(last_refusal_, answer.refusal()) != answer.refusal()) {
      spdlog::error("{} ({}) refuses this node: {}", peer_.name, peer_.address, answer.refusal());
    }
    stream->Cancel();
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kConnecting) return;
    state_ = State::kUp;
    was_up_ = true;
  }
  metrics_->peer_reconnects_total.Increment();
  spdlog::info("connected to {} ({})", peer_.name, peer_.address);
  Report(LinkChange::State::kUp);
}

void PeerLink::OnBroken() {
  {
    absl::MutexLock lock(&mutex_);
    state_ = State::kIdle;  // From here on nobody starts a write from outside.
    metrics_->peer_dropped_link_total.Increment(static_cast<double>(queue_.size()));
    queue_.clear();
    queued_bytes_ = 0;
    overflowed_ = false;
  }
  wake_();
}

void PeerLink::OnDone(Stream* stream, const grpc::Status& status) {
  spdlog::debug("connection to {} ({}) ended: {}", peer_.name, peer_.address,
                status.error_message());
  {
    absl::MutexLock lock(&mutex_);
    CHECK(stream_ == stream);
    stream_ = nullptr;  // From here on nobody cancels it.
    releasing_ = true;
  }
  delete stream;
  // Last, since Stop() waits for it and the link may go after that.
  absl::MutexLock lock(&mutex_);
  releasing_ = false;
}

void PeerLink::Report(LinkChange::State state) { listener_->OnLink({peer_.id, state}); }

void PeerLink::Stop() {
  absl::MutexLock lock(&mutex_);
  if (stream_ != nullptr) stream_->Cancel();
  const auto gone = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stream_ == nullptr && !releasing_;
  };
  mutex_.Await(absl::Condition(&gone));
}

}  // namespace cairn::server
