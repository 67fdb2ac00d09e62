#include "adapter/redis/front/backend_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <utility>

#include "adapter/redis/reply_scanner.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kConnectTimeout{2000};
constexpr size_t kIdleOwn = 64;  // Of one identity.

// The commands that make a new connection one of this identity.
size_t AppendGreeting(const Identity& identity, std::string* out) {
  size_t commands = 0;
  if (identity.version == RespVersion::k3) {
    AppendCommand({"HELLO", "3"}, out);
    ++commands;
  }
  if (!identity.user.empty()) {
    // Before HELLO, which is refused to those who have not logged in.
    std::string login;
    AppendCommand({"AUTH", identity.user, identity.password}, &login);
    out->insert(0, login);
    ++commands;
  }
  if (identity.database != 0) {
    AppendCommand({"SELECT", fmt::format_int(identity.database).c_str()}, out);
    ++commands;
  }
  return commands;
}

// Reads whole replies; the first error among them is the answer.
asio::awaitable<absl::Status> ReadAnswers(EngineSocket& socket, size_t replies) {
  ReplyScanner scanner;
  std::string first_error;
  std::string reply;
  char bytes[4096];
  while (replies > 0) {
    asio::error_code error;
    const size_t got = co_await socket.async_receive(
        asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return SocketStatus(error, "reading the engine's greeting");
    std::string_view input(bytes, got);
    while (!input.empty()) {
      if (replies == 0) co_return absl::UnavailableError("the engine says more than it was asked");
      const auto piece = scanner.Next(&input);
      if (!piece.ok()) co_return piece.status();
      reply += piece->bytes;
      if (!piece->ends) continue;
      if (piece->error() && first_error.empty()) first_error = reply;
      reply.clear();
      --replies;
    }
  }
  if (first_error.empty()) co_return absl::OkStatus();
  std::string_view words = std::string_view(first_error).substr(1);
  while (words.ends_with('\n') || words.ends_with('\r')) words.remove_suffix(1);
  co_return absl::PermissionDeniedError(ToAbsl(words));
}

asio::awaitable<absl::StatusOr<EngineSocket>> OpenAs(asio::io_context* io, EngineAddress engine,
                                                     Identity identity) {
  EngineSocket socket(*io);
  const absl::Status connected = co_await ConnectEngine(&socket, engine, kConnectTimeout);
  if (!connected.ok()) co_return connected;
  std::string greeting;
  const size_t replies = AppendGreeting(identity, &greeting);
  const SocketDeadline deadline(&socket, kConnectTimeout);
  asio::error_code error;
  co_await asio::async_write(socket, asio::buffer(greeting),
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return deadline.Judge(error, "greeting the engine");
  const absl::Status answered = co_await ReadAnswers(socket, replies);
  if (!answered.ok()) co_return answered;
  co_return std::move(socket);
}

}  // namespace

BackendPool::BackendPool(asio::io_context* io, EngineAddress engine, BackendOwner* owner)
    : io_(io), engine_(std::move(engine)), owner_(owner), alive_(std::make_shared<bool>(true)) {}

BackendPool::~BackendPool() { *alive_ = false; }

void BackendPool::Connect(const Identity& identity,
                          std::function<void(absl::StatusOr<EngineSocket>)> done) {
  asio::co_spawn(
      *io_,
      [](asio::io_context* io, EngineAddress engine, Identity as, std::shared_ptr<bool> alive,
         std::function<void(absl::StatusOr<EngineSocket>)> then) -> asio::awaitable<void> {
        absl::StatusOr<EngineSocket> socket = co_await OpenAs(io, std::move(engine), std::move(as));
        if (*alive) then(std::move(socket));
      }(io_, engine_, identity, alive_, std::move(done)),
      asio::detached);
}

Backend* BackendPool::Shared(const Identity& identity) const {
  const auto it = shared_.find(identity);
  if (it == shared_.end() || it->second.backend == nullptr) return nullptr;
  return it->second.backend->usable() ? it->second.backend.get() : nullptr;
}

void BackendPool::Open(const Identity& identity, Ready ready) {
  Shared_& shared = shared_[identity];
  if (shared.backend != nullptr && shared.backend->usable()) {
    asio::post(*io_, [alive = alive_, backend = shared.backend.get(), ready = std::move(ready)] {
      if (!*alive) return;
      ready(backend->usable() ? absl::StatusOr<Backend*>(backend)
                              : absl::UnavailableError("the engine's connection broke"));
    });
    return;
  }
  shared.waiting.push_back(std::move(ready));
  if (std::exchange(shared.opening, true)) return;
  Connect(identity, [this, identity](absl::StatusOr<EngineSocket> socket) {
    Shared_& opened = shared_[identity];
    opened.opening = false;
    if (opened.backend != nullptr) Retire(std::move(opened.backend));
    std::vector<Ready> waiting;
    waiting.swap(opened.waiting);
    absl::StatusOr<Backend*> result = nullptr;
    if (socket.ok()) {
      opened.backend = std::make_unique<Backend>(*std::move(socket), owner_);
      result = opened.backend.get();
    } else {
      result = socket.status();
      shared_.erase(identity);
    }
    for (Ready& one : waiting) one(result);
  });
}

void BackendPool::TakeOwn(const Identity& identity, Ready ready) {
  std::vector<std::unique_ptr<Backend>>& idle = idle_[identity];
  while (!idle.empty()) {
    std::unique_ptr<Backend> backend = std::move(idle.back());
    idle.pop_back();
    if (!backend->usable()) {
      Retire(std::move(backend));
      continue;
    }
    own_.push_back(std::move(backend));
    asio::post(*io_, [alive = alive_, taken = own_.back().get(), ready = std::move(ready)] {
      if (*alive) ready(taken);
    });
    return;
  }
  Connect(identity, [this, ready = std::move(ready)](absl::StatusOr<EngineSocket> socket) {
    if (!socket.ok()) return ready(socket.status());
    own_.push_back(std::make_unique<Backend>(*std::move(socket), owner_));
    ready(own_.back().get());
  });
}

void BackendPool::GiveBack(const Identity& identity, Backend* backend, bool clean) {
  const auto it =
      std::find_if(own_.begin(), own_.end(), [&](const auto& one) { return one.get() == backend; });
  CHECK(it != own_.end());
  std::unique_ptr<Backend> given = std::move(*it);
  own_.erase(it);
  std::vector<std::unique_ptr<Backend>>& idle = idle_[identity];
  // ROLE may still be due: its reply is the owner's.
  if (clean && given->usable() && idle.size() < kIdleOwn) {
    given->SetPushReceiver(nullptr);
    idle.push_back(std::move(given));
  } else {
    Retire(std::move(given));
  }
}

void BackendPool::Flush() {
  for (const auto& [identity, shared] : shared_) {
    if (shared.backend != nullptr) shared.backend->Flush();
  }
  // Breaking one may give back others.
  for (size_t i = 0; i < own_.size(); ++i) own_[i]->Flush();
}

void BackendPool::Retire(std::unique_ptr<Backend> backend) {
  backend->Close();
  retired_.push_back(std::move(backend));
  // Not now: one of its own handlers may be running.
  if (retired_.size() > 1) return;
  asio::post(*io_, [this, alive = alive_] {
    if (*alive) retired_.clear();
  });
}

void BackendPool::Forget(Backend* backend) {
  for (auto it = shared_.begin(); it != shared_.end(); ++it) {
    if (it->second.backend.get() != backend) continue;
    Retire(std::move(it->second.backend));
    if (!it->second.opening) shared_.erase(it);
    return;
  }
}

void BackendPool::Clear() {
  for (auto& [identity, shared] : shared_) {
    if (shared.backend != nullptr) shared.backend->Close();
  }
  for (size_t i = 0; i < own_.size(); ++i) own_[i]->Close();
  for (auto& [identity, idle] : idle_) {
    for (std::unique_ptr<Backend>& backend : idle) Retire(std::move(backend));
  }
  idle_.clear();
}

}  // namespace cairn::adapter::redis
