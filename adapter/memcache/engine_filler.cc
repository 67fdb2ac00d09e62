#include "adapter/memcache/engine_filler.h"

#include <chrono>
#include <optional>
#include <utility>

#include "adapter/memcache/engine_command.h"

namespace cairn::adapter::memcache {
namespace {

constexpr Millis kConnectPatience{5'000};
// Without any answer.
constexpr Millis kSilence{10'000};
constexpr Millis kSlice{100};

}  // namespace

void FillBatch::Add(const EffectView& effect, UnixSeconds now) {
  if (effect.kind == EffectKind::kFlushAt) return;
  const Effect owned = ToEffect(effect);
  const EngineCommand command = CommandFor(owned, now);
  command.AppendTo(std::nullopt, &commands);
  replies.push_back(command.reply);
}

void FillBatch::AddIfMissing(std::string_view key, const Item& item, bool binary, UnixSeconds now) {
  EngineCommand command = StoreCommand(key, binary, item, now);
  command.line += " ME";
  command.AppendTo(std::nullopt, &commands);
  replies.push_back(command.reply);
}

struct EngineFiller::Replies : ReplyReceiver {
  explicit Replies(const asio::any_io_executor& executor) : moved(executor) {}
  void OnReply(uint64_t, const ReplyPiece& piece) override {
    if (piece.bytes.starts_with("SERVER_ERROR")) ++refused;
    if (!piece.ends) return;
    ++answered;
    if (--due == 0) moved.Wake();
  }
  void OnBroken(uint64_t) override {
    broken = true;
    moved.Wake();
  }

  size_t due = 0;
  uint64_t answered = 0;
  uint64_t refused = 0;
  bool broken = false;     // The engine has ended the connection.
  bool abandoned = false;  // Nobody needs them; they are waited for all the same.
  WakeUp moved;
};

asio::awaitable<absl::Status> EngineFiller::Connect(EngineAddress address) {
  Close();
  const absl::Status drained = co_await DrainOld();
  if (!drained.ok()) co_return drained;
  auto connection = std::make_shared<EngineConnection>(executor_);
  const absl::Status connected =
      co_await connection->Connect(std::move(address), kConnectPatience, nullptr);
  if (!connected.ok()) co_return connected;
  connection_ = std::move(connection);
  replies_ = std::make_shared<Replies>(executor_);
  co_return absl::OkStatus();
}

bool EngineFiller::connected() const { return connection_ != nullptr && connection_->connected(); }

uint64_t EngineFiller::refused() const {
  return refused_before_ + (replies_ == nullptr ? 0 : replies_->refused);
}

void EngineFiller::Close() {
  if (connection_ == nullptr) return;
  refused_before_ = refused();
  replies_->abandoned = true;
  replies_->moved.Wake();
  if (replies_->due > 0 && !replies_->broken) old_.push_back({connection_, replies_});
  connection_ = nullptr;
  replies_ = nullptr;
}

asio::awaitable<absl::Status> EngineFiller::DrainOld() {
  const auto give_up = std::chrono::steady_clock::now() + kSilence;
  for (const Old& old : std::exchange(old_, {})) {
    while (old.replies->due > 0 && !old.replies->broken) {
      if (std::chrono::steady_clock::now() > give_up) {
        co_return absl::DeadlineExceededError("the engine does not answer what it was sent before");
      }
      co_await old.replies->moved.Wait(kSlice);
    }
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> EngineFiller::Put(FillBatch batch) {
  if (batch.replies.empty()) co_return absl::OkStatus();
  if (!connected()) co_return absl::UnavailableError("the engine is not connected");
  const std::shared_ptr<EngineConnection> connection = connection_;
  const std::shared_ptr<Replies> replies = replies_;
  connection->out()->append(batch.commands);
  for (const ReplyKind kind : batch.replies) connection->Expect(kind, replies.get(), 0);
  replies->due += batch.replies.size();
  connection->Flush();
  batch = FillBatch();
  uint64_t answered = replies->answered;
  auto heard = std::chrono::steady_clock::now();
  while (replies->due > 0 && !replies->broken && !replies->abandoned) {
    co_await replies->moved.Wait(kSlice);
    const auto now = std::chrono::steady_clock::now();
    if (std::exchange(answered, replies->answered) != answered) heard = now;
    if (now - heard > kSilence) break;
  }
  if (replies->broken) co_return absl::UnavailableError("the engine's connection broke");
  if (replies->abandoned) co_return absl::CancelledError("the connection was closed");
  if (replies->due > 0) co_return absl::DeadlineExceededError("the engine does not answer");
  co_return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
