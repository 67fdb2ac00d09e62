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
  explicit PendingCall(const asio::any_io_executor& executor) : wake(executor) {}
  WakeUp wake;
  std::optional<absl::StatusOr<RespValue>> reply;
};

}  // namespace

struct EngineLink::Connection {
  explicit Connection(const asio::any_io_executor& executor) : socket(executor) {}

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
    absl::StatusOr<RespValue> value = ReadRespValue(reply);
    if (value.ok() && calls.empty()) value = absl::InternalError("a reply that nobody asked for");
    if (!value.ok()) {
      Fail(absl::UnavailableError(
          fmt::format("the engine's reply: {}", ToStd(value.status().message()))));
      return false;
    }
    const std::shared_ptr<PendingCall> call = std::move(calls.front());
    calls.pop_front();
    call->reply = std::move(value);
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
      if (partial.size() > RespBounds().max_bytes) {
        Fail(absl::UnavailableError("the engine's reply is too large"));
        return false;
      }
      if (piece->ends && !TakeReply(std::exchange(partial, {}))) return false;
    }
    return true;
  }

  EngineSocket socket;
  absl::Status status;  // Why it has failed.
  ReplyScanner scanner;
  std::string partial;  // Of the reply being read.
  std::string out;
  bool writing = false;
  std::deque<std::shared_ptr<PendingCall>> calls;
};

EngineLink::EngineLink(asio::any_io_executor executor, EngineAddress address)
    : executor_(std::move(executor)), address_(std::move(address)) {}

EngineLink::~EngineLink() { Close(); }

void EngineLink::Close() {
  if (connection_ == nullptr) return;
  connection_->Fail(absl::UnavailableError("the connection to the engine was closed"));
  connection_ = nullptr;
}

bool EngineLink::connected() const { return connection_ != nullptr && connection_->status.ok(); }

asio::awaitable<absl::Status> EngineLink::Connect(Millis timeout) {
  Close();
  const auto connection = std::make_shared<Connection>(executor_);
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
  if (!connected()) {
    const absl::Status why = absl::UnavailableError(
        fmt::format("not connected to the engine at {}", address_.ToString()));
    co_return connection_ == nullptr ? why : connection_->status;
  }
  co_return co_await CallOn(connection_, std::move(argv), timeout, std::move(wait_on));
}

asio::awaitable<absl::StatusOr<RespValue>> EngineLink::CallOk(std::vector<std::string> argv,
                                                              Millis timeout) {
  const std::string name = argv.front() + (argv.size() > 1 ? " " + argv[1] : "");
  absl::StatusOr<RespValue> reply = co_await Call(std::move(argv), timeout);
  if (reply.ok() && reply->error()) {
    co_return absl::FailedPreconditionError(
        fmt::format("the engine refuses {}: {}", name, reply->text));
  }
  co_return reply;
}

asio::awaitable<absl::StatusOr<RespValue>> EngineLink::CallOn(
    std::shared_ptr<Connection> connection, std::vector<std::string> argv, Millis timeout,
    std::function<bool()> wait_on) {
  const auto call = std::make_shared<PendingCall>(connection->socket.get_executor());
  connection->calls.push_back(call);
  const std::vector<std::string_view> views(argv.begin(), argv.end());
  AppendCommand(views, &connection->out);
  if (!connection->writing) {
    connection->writing = true;
    Spawn(connection->socket.get_executor(), WriteCommands(connection));
  }
  if (!call->reply) co_await call->wake.Wait(timeout);
  while (!call->reply && wait_on != nullptr && wait_on()) co_await call->wake.Wait(timeout);
  if (!call->reply) {
    connection->Fail(absl::DeadlineExceededError(
        fmt::format("the engine did not answer {} within {} ms", argv.front(), timeout.count())));
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
