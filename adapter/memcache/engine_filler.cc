#include "adapter/memcache/engine_filler.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "adapter/memcache/engine_command.h"

namespace cairn::adapter::memcache {
namespace {

constexpr Millis kConnectPatience{5'000};
// Without any answer.
constexpr Millis kSilence{10'000};
constexpr Millis kSlice{100};
// Few enough for the engine never to be silent for long, whatever the items' size.
constexpr size_t kGroupCommands = 256;
// An engine has four threads if it is told nothing else; a view is not read faster than three take.
constexpr size_t kLanes = 3;

}  // namespace

void FillBatch::Add(const EffectView& effect, UnixSeconds now, uint64_t cas) {
  switch (effect.kind) {
    case EffectKind::kStore:
      AppendStoreLine(effect.key, effect.binary, effect.value.size(), effect.client_flags,
                      effect.at, now, &commands);
      if (cas != 0) fmt::format_to(std::back_inserter(commands), " E{}", cas);
      commands.append(" q\r\n").append(effect.value).append("\r\n");
      return CountQuiet();
    case EffectKind::kDelete:
      commands.append(MetaLine("md", effect.key, effect.binary)).append(" q\r\n");
      return CountQuiet();
    case EffectKind::kTouch:
    case EffectKind::kFlush: {
      EndGroup();
      const Effect owned = ToEffect(effect);
      const EngineCommand command = CommandFor(owned, now);
      command.AppendTo(std::nullopt, &commands);
      replies.push_back(command.reply);
      return;
    }
    case EffectKind::kFlushAt:
      return;
  }
}

void FillBatch::CountQuiet() {
  if (++quiet_ == kGroupCommands) EndGroup();
}

void FillBatch::EndGroup() {
  if (std::exchange(quiet_, 0) == 0) return;
  commands.append("mn\r\n");
  replies.push_back(ReplyKind::kMetaGroup);
}

void FillBatch::AddIfMissing(std::string_view key, const Item& item, bool binary, UnixSeconds now,
                             uint64_t cas) {
  EndGroup();
  EngineCommand command = StoreCommand(key, binary, item, now);
  command.line += " ME";
  command.AppendTo(cas == 0 ? std::nullopt : std::optional(cas), &commands);
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
  std::vector<Lane> lanes;
  for (size_t i = 0; i < kLanes; ++i) {
    auto connection = std::make_shared<EngineConnection>(executor_);
    const absl::Status connected = co_await connection->Connect(address, kConnectPatience, nullptr);
    if (!connected.ok()) co_return connected;
    lanes.push_back({std::move(connection), std::make_shared<Replies>(executor_)});
  }
  lanes_ = std::move(lanes);
  co_return absl::OkStatus();
}

bool EngineFiller::connected() const {
  return !lanes_.empty() && std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
    return lane.connection->connected();
  });
}

uint64_t EngineFiller::refused() const {
  uint64_t refused = refused_before_;
  for (const Lane& lane : lanes_) refused += lane.replies->refused;
  return refused;
}

void EngineFiller::Close() {
  refused_before_ = refused();
  for (Lane& lane : std::exchange(lanes_, {})) {
    lane.replies->abandoned = true;
    lane.replies->moved.Wake();
    if (lane.replies->due > 0 && !lane.replies->broken) old_.push_back(std::move(lane));
  }
}

void EngineFiller::AwaitDrained(std::unique_ptr<EngineConnection> connection) {
  Lane lane{std::move(connection), std::make_shared<Replies>(executor_)};
  lane.replies->abandoned = true;
  lane.replies->due = lane.connection->Bequeath(lane.replies.get());
  lane.replies->broken = lane.replies->due == 0;
  old_.push_back(std::move(lane));
}

// One that does not answer stays: the next Connect waits for it again.
asio::awaitable<absl::Status> EngineFiller::DrainOld() {
  const auto give_up = std::chrono::steady_clock::now() + kSilence;
  while (!old_.empty()) {
    const Lane old = old_.back();
    if (old.replies->due == 0 || old.replies->broken) {
      old_.pop_back();
    } else if (std::chrono::steady_clock::now() > give_up) {
      co_return absl::DeadlineExceededError("the engine does not answer what it was sent before");
    } else {
      co_await old.replies->moved.Wait(kSlice);
    }
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> EngineFiller::Put(FillBatch batch) {
  const absl::Status sent = co_await Stream(std::move(batch));
  if (!sent.ok()) co_return sent;
  co_return co_await Settle();
}

asio::awaitable<absl::Status> EngineFiller::Stream(FillBatch batch) {
  batch.EndGroup();
  if (batch.replies.empty()) co_return absl::OkStatus();
  if (!connected()) co_return absl::UnavailableError("the engine is not connected");
  const Lane lane = lanes_[next_lane_++ % lanes_.size()];
  const absl::Status free = co_await Await(lane);
  if (!free.ok()) co_return free;
  lane.connection->out()->swap(batch.commands);
  for (const ReplyKind kind : batch.replies) lane.connection->Expect(kind, lane.replies.get(), 0);
  lane.replies->due = batch.replies.size();
  lane.connection->Flush();
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> EngineFiller::Settle() {
  const std::vector<Lane> lanes = lanes_;
  if (lanes.empty()) co_return absl::CancelledError("the connection was closed");
  for (const Lane& lane : lanes) {
    const absl::Status settled = co_await Await(lane);
    if (!settled.ok()) co_return settled;
  }
  co_return absl::OkStatus();
}

// Until all of it is answered.
asio::awaitable<absl::Status> EngineFiller::Await(Lane lane) {
  Replies& replies = *lane.replies;
  uint64_t answered = replies.answered;
  auto heard = std::chrono::steady_clock::now();
  while (replies.due > 0 && !replies.broken && !replies.abandoned) {
    co_await replies.moved.Wait(kSlice);
    const auto now = std::chrono::steady_clock::now();
    if (std::exchange(answered, replies.answered) != answered) heard = now;
    if (now - heard > kSilence) break;
  }
  if (replies.broken) co_return absl::UnavailableError("the engine's connection broke");
  if (replies.abandoned) co_return absl::CancelledError("the connection was closed");
  if (replies.due > 0) co_return absl::DeadlineExceededError("the engine does not answer");
  co_return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
