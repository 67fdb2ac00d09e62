#include "adapter/redis/repl_sink.h"

#include <fmt/format.h>

#include <asio/ip/address_v4.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "adapter/redis/sink_session.h"
#include "base/accept_pause.h"
#include "base/check.h"
#include "base/clock.h"

namespace cairn::adapter::redis {
namespace {

using Monotonic = std::chrono::steady_clock;

constexpr size_t kMaxConnections = 16;
// Looks again at the latest, though it is woken.
constexpr Millis kLook{1'000};

}  // namespace

ReplSink::ReplSink(asio::any_io_executor executor, ReplSinkOwner* owner, ReplSinkOptions options)
    : state_(std::make_shared<SinkState>(std::move(executor), owner, std::move(options))) {
  CHECK(!state_->options.password.empty());
}

ReplSink::~ReplSink() { Close(); }

absl::Status ReplSink::Listen(uint16_t port) {
  const asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
  std::error_code error;
  state_->acceptor.open(endpoint.protocol(), error);
  if (!error) state_->acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) state_->acceptor.bind(endpoint, error);
  if (!error) state_->acceptor.listen(kMaxConnections, error);
  if (!error) port_ = state_->acceptor.local_endpoint(error).port();
  if (error) return SocketStatus(error, fmt::format("listening on 127.0.0.1:{}", port));
  Spawn(state_->executor, AcceptAll(state_));
  return absl::OkStatus();
}

void ReplSink::Close() {
  if (state_->closed) return;
  state_->closed = true;
  std::error_code ignored;
  state_->acceptor.close(ignored);
  Reset();
}

asio::awaitable<void> ReplSink::AcceptAll(std::shared_ptr<SinkState> state) {
  AcceptPause failures("the port for the agent's own engine");
  while (!state->closed) {
    asio::ip::tcp::socket socket(state->executor);
    std::error_code error;
    co_await state->acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (state->closed) co_return;
    if (error) {
      const int64_t pause_us = failures.OnFailure(error, SystemClock().Mono());
      asio::steady_timer pause(state->executor, std::chrono::microseconds(pause_us));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    if (state->connections >= kMaxConnections) continue;
    std::error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    SinkSession::Start(std::make_shared<SinkSession>(state, std::move(socket)));
  }
}

asio::awaitable<absl::Status> ReplSink::Push(uint64_t stream, std::string bytes,
                                             std::optional<Seq> through) {
  const std::shared_ptr<SinkState> state = state_;
  while (true) {
    if (state->closed || state->frozen || stream != state->stream_number ||
        !state->stream.active()) {
      co_return absl::AbortedError(fmt::format("stream {} is over", stream));
    }
    if (state->stream.MakeRoom()) break;
    co_await state->room.Wait(kLook);
  }
  state->stream.Append(bytes, through);
  if (state->current != nullptr) {
    // Early, so that the window moves before it is full.
    const size_t unacked = state->stream.retained_bytes();
    if (unacked > state->options.window_bytes / 4) state->current->AskForAck();
    state->current->WakeWriter();
  }
  state->TellFed();
  co_return absl::OkStatus();
}

void ReplSink::Reset() {
  state_->stream.End();
  state_->frozen = false;
  state_->told.reset();
  state_->room.Wake();
  state_->acked.Wake();
  if (state_->current != nullptr) {
    const std::shared_ptr<SinkSession> current = state_->current;
    current->Close();
  }
}

asio::awaitable<absl::StatusOr<StreamPlace>> ReplSink::Freeze(StreamOffset expected,
                                                              Millis timeout) {
  const std::shared_ptr<SinkState> state = state_;
  const SinkStream& stream = state->stream;
  if (!stream.active() || !stream.between_records() || stream.fed().offset != expected) {
    co_return absl::FailedPreconditionError(
        fmt::format("the stream of the engine does not end at {}", expected));
  }
  state->frozen = true;
  const uint64_t number = state->stream_number;
  const auto give_up = Monotonic::now() + timeout;
  while (true) {
    if (number != state->stream_number || !stream.active() || !state->frozen) {
      co_return absl::FailedPreconditionError("the stream ended before the engine had it all");
    }
    const auto acked = stream.acked();
    if (acked && acked->offset == expected) break;
    const auto left = std::chrono::duration_cast<Millis>(give_up - Monotonic::now());
    if (left.count() <= 0) {
      state->frozen = false;
      co_return absl::DeadlineExceededError(fmt::format("the engine has acknowledged {} of {}",
                                                        acked ? acked->offset : StreamOffset(),
                                                        expected));
    }
    co_await state->acked.Wait(left);
  }
  co_return StreamPlace{stream.history(), stream.end()};
}

void ReplSink::Thaw() { state_->frozen = false; }

bool ReplSink::link_up() const { return state_->current != nullptr && state_->current->feeding(); }

std::optional<EngineFedEvent> ReplSink::fed() const { return state_->told; }

uint64_t ReplSink::stream() const { return state_->stream_number; }

}  // namespace cairn::adapter::redis
