#include "adapter/memcache/invalidation_target.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "adapter/memcache/engine_command.h"
#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr size_t kBatchKeys = 2'048;
constexpr Millis kConnectPatience{3'000};
constexpr Millis kCallPatience{10'000};
// Without anything to tell, it is asked whether it is there.
constexpr Millis kIdle{1'000};
constexpr Millis kFirstPause{100};
constexpr Millis kLastPause{5'000};
constexpr std::string_view kEndOfGroup = "mn\r\n";
constexpr std::string_view kFlush = "flush_all\r\n";

void AppendDeletion(std::string_view key, bool binary, std::string* text) {
  text->append(MetaLine("md", key, binary)).append(" q\r\n");
}

}  // namespace

std::string DeletionsText(const std::vector<Invalidation>& batch, std::string_view marker_prefix) {
  std::string text;
  for (const Invalidation& what : batch) {
    AppendDeletion(what.key, what.binary, &text);
    const std::string marker = std::string(marker_prefix) + what.key;
    if (marker_prefix.empty() || marker.size() > kMaxKeyBytes) continue;
    AppendDeletion(marker, what.binary, &text);
  }
  return text;
}

InvalidationTarget::InvalidationTarget(asio::any_io_executor executor, Options options,
                                       std::vector<InvalidationLane*> lanes)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      lanes_(std::move(lanes)),
      wake_(executor_) {}

InvalidationTarget::~InvalidationTarget() { CHECK(!running_); }

void InvalidationTarget::Start() {
  running_ = true;
  Spawn(executor_, Run());
}

asio::awaitable<void> InvalidationTarget::Stop() {
  stopping_ = true;
  if (connection_ != nullptr) connection_->Close();
  WakeUp look(executor_);
  while (running_) {
    wake_.Wake();
    co_await look.Wait(Millis(5));
  }
}

asio::awaitable<void> InvalidationTarget::Run() {
  Millis pause = kFirstPause;
  while (!stopping_) {
    connection_ = std::make_unique<EngineConnection>(executor_);
    absl::Status status =
        co_await connection_->Connect(options_.address, kConnectPatience, nullptr);
    if (status.ok()) status = co_await Serve();
    if (stopping_) break;
    if (std::exchange(up_, false)) pause = kFirstPause;
    ++failures_;
    const std::string trouble(ToStd(status.message()));
    if (std::exchange(trouble_, trouble) != trouble) {
      spdlog::warn("target {}: {}", options_.name, trouble);
    }
    const auto again = std::chrono::steady_clock::now() + pause;
    // Lanes wake it, too; that is no reason to try sooner.
    while (!stopping_ && std::chrono::steady_clock::now() < again) co_await wake_.Wait(pause);
    pause = std::min(2 * pause, kLastPause);
  }
  connection_ = nullptr;
  running_ = false;
}

InvalidationLane* InvalidationTarget::NextLane() {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    InvalidationLane* const lane = lanes_.at(turn_++ % lanes_.size());
    if (!lane->idle()) return lane;
  }
  return nullptr;
}

// Until something goes wrong.
asio::awaitable<absl::Status> InvalidationTarget::Serve() {
  std::string reply;
  while (!stopping_) {
    InvalidationLane* const lane = up_ ? NextLane() : nullptr;
    absl::Status status;
    if (lane != nullptr) {
      status = co_await Tell(lane);
    } else {
      status = co_await Call(std::string(kEndOfGroup), ReplyKind::kMetaGroup, &reply);
      if (status.ok() && !std::exchange(up_, true)) {
        spdlog::info("target {}: it answers", options_.name);
        trouble_.clear();
        continue;
      }
      if (status.ok()) co_await wake_.Wait(kIdle);
    }
    if (!status.ok()) co_return status;
  }
  co_return absl::CancelledError("stopped");
}

asio::awaitable<absl::Status> InvalidationTarget::Tell(InvalidationLane* lane) {
  const std::vector<Invalidation> batch = lane->Take(kBatchKeys);
  std::string reply;
  absl::Status status;
  if (batch.front().key.empty()) {
    status = co_await Call(std::string(kFlush), ReplyKind::kLine, &reply);
    if (status.ok() && reply != "OK\r\n") {
      status = absl::UnavailableError(fmt::format("it answered a flush with '{}'", reply));
    }
  } else {
    std::string commands = DeletionsText(batch, options_.marker_prefix);
    commands += kEndOfGroup;
    status = co_await Call(std::move(commands), ReplyKind::kMetaGroup, &reply);
    if (status.ok()) status = Judge(reply);
  }
  if (!status.ok()) {
    lane->Failed();
    co_return status;
  }
  lane->Done();
  ++batches_;
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> InvalidationTarget::Call(std::string commands, ReplyKind kind,
                                                       std::string* reply) {
  absl::StatusOr<std::string> answer =
      co_await connection_->Call(std::move(commands), kind, kCallPatience);
  if (!answer.ok()) co_return answer.status();
  *reply = *std::move(answer);
  co_return absl::OkStatus();
}

// Nothing but MN when all went well.
absl::Status InvalidationTarget::Judge(std::string_view reply) {
  while (!reply.empty()) {
    const std::string_view line = reply.substr(0, reply.find("\r\n"));
    reply.remove_prefix(std::min(reply.size(), line.size() + 2));
    if (line.starts_with("CLIENT_ERROR")) {
      ++refused_;
      spdlog::warn("target {}: it refuses a key: {}", options_.name, line);
    } else if (line.starts_with("SERVER_ERROR") || line.starts_with("ERROR")) {
      return absl::UnavailableError(fmt::format("it answered '{}'", line));
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
