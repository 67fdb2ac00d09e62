#include "adapter/redis/engine_link.h"

#include <fmt/format.h>

#include <array>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "adapter/redis/reply_scanner.h"
#include "adapter/redis/resp_encoder.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

struct PendingCall {
  PendingCall(const asio::any_io_executor& executor, size_t count) : wake(executor), left(count) {}
  WakeUp wake;
  size_t left;      // Replies that are due.
  RespValue taken;  // The first error, or else the last reply.
  std::optional<absl::StatusOr<RespValue>> reply;
};

absl::Status Refused(std::string_view command, const RespValue& reply) {
  const std::string text = fmt::format("the engine refuses {}: {}", command, reply.text);
  const bool passes = reply.text.starts_with("BUSY ") || reply.text.starts_with("LOADING ");
  return passes ? absl::UnavailableError(text) : absl::FailedPreconditionError(text);
}

}  // namespace

struct EngineLink::Connection {
  Connection(const asio::any_io_executor& executor, size_t max_reply_bytes)
      : socket(executor), bounds{.max_bytes = max_reply_bytes} {}

  // All calls under way end like this. The first reason stands.
  void Fail(const absl::Status& why) {
    if (!status.ok()) return;
    status = why;
    std::error_code ignored;
    socket.close(ignored);
    for (const auto& call : std::exchange(calls, {})) {
      call->reply = why;
      call->wake.Wake();
    }
  }

  // False: it was none, and the connection has failed.
  bool TakeReply(std::string_view reply) {
    absl::StatusOr<RespValue> value = ReadRespValue(reply, bounds);
    if (value.ok() && calls.empty()) value = absl::InternalError("a reply that nobody asked for");
    if (!value.ok()) {
      Fail(absl::UnavailableError(
          fmt::format("the engine's reply: {}", ToStd(value.status().message()))));
      return false;
    }
    const std::shared_ptr<PendingCall> call = calls.front();
    if (!call->taken.error()) call->taken = *std::move(value);
    if (--call->left > 0) return true;
    calls.pop_front();
    call->reply = std::move(call->taken);
    call->wake.Wake();
    return true;
  }

  // Cuts `input` into replies. False: the connection has failed.
  bool TakeBytes(std::string_view input) {
    while (!input.empty()) {
      const absl::StatusOr<ReplyPiece> piece = scanner.Next(&input);
      if (!piece.ok()) {
        Fail(absl::UnavailableError(
            fmt::format("the engine's reply: {}", ToStd(piece.status().message()))));
        return false;
      }
      partial.append(piece->bytes);
      if (partial.size() > bounds.max_bytes) {
        Fail(absl::UnavailableError("the engine's reply is too large"));
        return false;
      }
      if (piece->ends && !TakeReply(std::exchange(partial, {}))) return false;
    }
    return true;
  }

  EngineSocket socket;
  const RespBounds bounds;
  absl::Status status;  // Why it has failed.
  ReplyScanner scanner;
  std::string partial;  // Of the reply being read.
  std::string out;
  bool writing = false;
  std::deque<std::shared_ptr<PendingCall>> calls;
};

EngineLink::EngineLink(asio::any_io_executor executor, EngineAddress address,
                       size_t max_reply_bytes)
    : executor_(std::move(executor)),
      address_(std::move(address)),
      max_reply_bytes_(max_reply_bytes) {}

EngineLink::~EngineLink() { Close(); }

void EngineLink::Close() {
  if (connection_ == nullptr) return;
  connection_->Fail(absl::UnavailableError("the connection to the engine was closed"));
  connection_ = nullptr;
}

bool EngineLink::connected() const { return connection_ != nullptr && connection_->status.ok(); }

asio::awaitable<absl::Status> EngineLink::Connect(Millis timeout) {
  Close();
  const auto connection = std::make_shared<Connection>(executor_, max_reply_bytes_);
  const EngineAddress address = address_;
  absl::Status status = co_await ConnectEngine(&connection->socket, address, timeout);
  if (!status.ok()) co_return status;
  Spawn(executor_, ReadReplies(connection));
  if (!address.password.empty()) {
    std::vector<std::string> auth = Argv("AUTH");
    if (!address.user.empty()) auth.push_back(address.user);
    auth.push_back(address.password);
    const absl::StatusOr<RespValue> reply =
        co_await CallOn(connection, std::move(auth), timeout, nullptr);
    if (!reply.ok()) co_return reply.status();
    if (reply->error()) {
      connection->Fail(absl::UnavailableError("the engine does not accept the password"));
      co_return absl::PermissionDeniedError(
          fmt::format("engine at {}: {}", address.ToString(), reply->text));
    }
  }
  connection_ = connection;
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<RespValue>> EngineLink::Call(std::vector<std::string> argv,
                                                            Millis timeout) {
  co_return co_await Call(std::move(argv), timeout, nullptr);
}

asio::awaitable<absl::StatusOr<RespValue>> EngineLink::Call(std::vector<std::string> argv,
                                                            Millis timeout,
                                                            std::function<bool()> wait_on) {
  if (!connected()) co_return NotConnected();
  co_return co_await CallOn(connection_, std::move(argv), timeout, std::move(wait_on));
}

absl::Status EngineLink::NotConnected() const {
  if (connection_ != nullptr) return connection_->status;
  return absl::UnavailableError(
      fmt::format("not connected to the engine at {}", address_.ToString()));
}

asio::awaitable<absl::StatusOr<RespValue>> EngineLink::CallOk(std::vector<std::string> argv,
                                                              Millis timeout) {
  const std::string name = argv.front() + (argv.size() > 1 ? " " + argv[1] : "");
  absl::StatusOr<RespValue> reply = co_await Call(std::move(argv), timeout);
  if (reply.ok() && reply->error()) {
    co_return Refused(name, *reply);
  }
  co_return reply;
}

asio::awaitable<absl::Status> EngineLink::CallAll(Batch batch, Millis timeout) {
  if (batch.count == 0) co_return absl::OkStatus();
  if (!connected()) co_return NotConnected();
  const std::string name = batch.name;
  const absl::StatusOr<RespValue> reply =
      co_await CallBatchOn(connection_, std::move(batch), timeout, nullptr);
  if (!reply.ok()) co_return reply.status();
  co_return reply->error() ? Refused(name, *reply) : absl::OkStatus();
}

asio::awaitable<absl::StatusOr<RespValue>> EngineLink::CallOn(
    std::shared_ptr<Connection> connection, std::vector<std::string> argv, Millis timeout,
    std::function<bool()> wait_on) {
  const std::vector<std::string_view> views(argv.begin(), argv.end());
  Batch one;
  one.name = argv.front();
  one.count = 1;
  AppendCommand(views, &one.commands);
  co_return co_await CallBatchOn(std::move(connection), std::move(one), timeout,
                                 std::move(wait_on));
}

asio::awaitable<absl::StatusOr<RespValue>> EngineLink::CallBatchOn(
    std::shared_ptr<Connection> connection, Batch batch, Millis timeout,
    std::function<bool()> wait_on) {
  const auto call = std::make_shared<PendingCall>(connection->socket.get_executor(), batch.count);
  connection->calls.push_back(call);
  if (connection->out.empty()) {
    connection->out = std::move(batch.commands);
  } else {
    connection->out += std::exchange(batch.commands, {});
  }
  if (!connection->writing) {
    connection->writing = true;
    Spawn(connection->socket.get_executor(), WriteCommands(connection));
  }
  if (!call->reply) co_await call->wake.Wait(timeout);
  while (!call->reply && wait_on != nullptr && wait_on()) co_await call->wake.Wait(timeout);
  if (!call->reply) {
    connection->Fail(absl::DeadlineExceededError(
        fmt::format("the engine did not answer {} within {} ms", batch.name, timeout.count())));
  }
  co_return std::move(*call->reply);
}

asio::awaitable<void> EngineLink::WriteCommands(std::shared_ptr<Connection> connection) {
  while (!connection->out.empty() && connection->status.ok()) {
    const std::string bytes = std::exchange(connection->out, {});
    std::error_code error;
    co_await asio::async_write(connection->socket, asio::buffer(bytes),
                               asio::redirect_error(asio::use_awaitable, error));
    if (error) connection->Fail(SocketStatus(error, "writing to the engine"));
  }
  connection->writing = false;
}

asio::awaitable<void> EngineLink::ReadReplies(std::shared_ptr<Connection> connection) {
  std::vector<char> buffer(size_t{64} << 10);
  while (connection->status.ok()) {
    std::error_code error;
    const size_t bytes = co_await connection->socket.async_read_some(
        asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      connection->Fail(SocketStatus(error, "reading from the engine"));
      co_return;
    }
    if (!connection->TakeBytes(std::string_view(buffer.data(), bytes))) co_return;
  }
}

}  // namespace cairn::adapter::redis
