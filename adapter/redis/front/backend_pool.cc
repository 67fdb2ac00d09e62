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
#include <charconv>
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

// Reads whole replies; the first error among them is the answer. `last`: the last reply.
asio::awaitable<absl::Status> ReadAnswers(EngineSocket& socket, size_t replies, std::string* last) {
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
      *last = std::exchange(reply, "");
      --replies;
    }
  }
  if (first_error.empty()) co_return absl::OkStatus();
  std::string_view words = std::string_view(first_error).substr(1);
  while (words.ends_with('\n') || words.ends_with('\r')) words.remove_suffix(1);
  co_return absl::PermissionDeniedError(ToAbsl(words));
}

// CLIENT ID, which a user may be forbidden to ask: 0.
asio::awaitable<absl::StatusOr<int64_t>> AskId(EngineSocket& socket) {
  const std::string question = EncodeCommand({"CLIENT", "ID"});
  asio::error_code error;
  co_await asio::async_write(socket, asio::buffer(question),
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return SocketStatus(error, "asking the engine for an id");
  std::string reply;
  const absl::Status answered = co_await ReadAnswers(socket, 1, &reply);
  if (!answered.ok() && !absl::IsPermissionDenied(answered)) co_return answered;
  int64_t id = 0;
  if (answered.ok()) std::from_chars(reply.data() + 1, reply.data() + reply.size(), id);
  co_return id;
}

struct Opened {
  EngineSocket socket;
  int64_t id = 0;
};

asio::awaitable<absl::StatusOr<Opened>> OpenAs(asio::io_context* io, EngineAddress engine,
                                               Identity identity, bool ask_id) {
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
  std::string last;
  const absl::Status answered = co_await ReadAnswers(socket, replies, &last);
  if (!answered.ok()) co_return answered;
  absl::StatusOr<int64_t> id = 0;
  if (ask_id) id = co_await AskId(socket);
  if (deadline.expired()) co_return absl::UnavailableError("the engine does not answer");
  if (!id.ok()) co_return id.status();
  co_return Opened{std::move(socket), *id};
}

}  // namespace

BackendPool::BackendPool(asio::io_context* io, EngineAddress engine, BackendOwner* owner)
    : io_(io),
      engine_(std::move(engine)),
      owner_(owner),
      alive_(std::make_shared<bool>(true)),
      judge_([this](Connected done) { Connect(Identity(), /*ask_id=*/false, std::move(done)); },
             [this](std::unique_ptr<Backend> broken) { Retire(std::move(broken)); }) {}

BackendPool::~BackendPool() { *alive_ = false; }

void BackendPool::Connect(const Identity& identity, bool ask_id, Connected done) {
  auto make = [this, done = std::move(done)](absl::StatusOr<Opened> opened) {
    if (!opened.ok()) return done(opened.status());
    auto backend = std::make_unique<Backend>(std::move(opened->socket), owner_);
    backend->set_engine_id(opened->id);
    done(std::move(backend));
  };
  asio::co_spawn(
      *io_,
      [](asio::io_context* io, EngineAddress engine, Identity as, bool ask,
         std::shared_ptr<bool> alive,
         std::function<void(absl::StatusOr<Opened>)> then) -> asio::awaitable<void> {
        absl::StatusOr<Opened> opened = co_await OpenAs(io, std::move(engine), std::move(as), ask);
        if (*alive) then(std::move(opened));
      }(io_, engine_, identity, ask_id, alive_, std::move(make)),
      asio::detached);
}

void BackendPool::Admit(const Identity& identity, std::string_view login, Admitted done) {
  const bool nobody = login.empty();
  judge_.Ask(login, [this, as = identity, nobody,
                     done = std::move(done)](const absl::Status& verdict) mutable {
    if (!nobody || absl::IsUnavailable(verdict)) {
      return done(verdict.ok() ? absl::StatusOr<Identity>(std::move(as)) : verdict);
    }
    // Connections of before would let in whom the engine does not let in any more.
    if (!verdict.ok() && open_to_all_) ++era_;
    open_to_all_ = verdict.ok();
    as.era = era_;
    done(std::move(as));
  });
}

Backend* BackendPool::Shared(const Identity& identity) const {
  const auto it = shared_.find(identity);
  if (it == shared_.end() || it->second.backend == nullptr) return nullptr;
  return it->second.backend->usable() ? it->second.backend.get() : nullptr;
}

void BackendPool::Open(const Identity& identity, Ready ready) {
  Shared_& shared = shared_[identity];
  if (shared.backend != nullptr && shared.backend->usable()) {
    asio::post(*io_, [this, alive = alive_, identity, ready = std::move(ready)] {
      if (!*alive) return;
      Backend* const backend = Shared(identity);  // It may be gone by now.
      ready(backend != nullptr ? absl::StatusOr<Backend*>(backend)
                               : absl::UnavailableError("the engine's connection broke"));
    });
    return;
  }
  shared.waiting.push_back(std::move(ready));
  if (std::exchange(shared.opening, true)) return;
  auto take = [this, identity](absl::StatusOr<std::unique_ptr<Backend>> backend) {
    Shared_& opened = shared_[identity];
    opened.opening = false;
    if (opened.backend != nullptr) Retire(std::move(opened.backend));
    std::vector<Ready> waiting;
    waiting.swap(opened.waiting);
    absl::StatusOr<Backend*> result = nullptr;
    if (backend.ok()) {
      opened.backend = *std::move(backend);
      result = opened.backend.get();
    } else {
      result = backend.status();
      shared_.erase(identity);
    }
    for (Ready& one : waiting) one(result);
  };
  Connect(identity, /*ask_id=*/false, std::move(take));
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
  auto take = [this, ready = std::move(ready)](absl::StatusOr<std::unique_ptr<Backend>> backend) {
    if (!backend.ok()) return ready(backend.status());
    own_.push_back(*std::move(backend));
    ready(own_.back().get());
  };
  Connect(identity, /*ask_id=*/true, std::move(take));
}

void BackendPool::GiveBack(const Identity& identity, Backend* backend, bool clean) {
  const auto it =
      std::find_if(own_.begin(), own_.end(), [&](const auto& one) { return one.get() == backend; });
  CHECK(it != own_.end());
  std::unique_ptr<Backend> given = std::move(*it);
  own_.erase(it);
  std::vector<std::unique_ptr<Backend>>& idle = idle_[identity];
  // Its end is nothing to the client, who may go on elsewhere.
  given->SetPushReceiver(nullptr);
  // ROLE may still be due: its reply is the owner's.
  if (clean && given->usable() && idle.size() < kIdleOwn) {
    idle.push_back(std::move(given));
  } else {
    Retire(std::move(given));
  }
}

size_t BackendPool::size() const {
  size_t count = own_.size() + (judge_.backend() != nullptr ? 1 : 0);
  for (const auto& [identity, shared] : shared_) count += shared.backend != nullptr ? 1 : 0;
  for (const auto& [identity, idle] : idle_) count += idle.size();
  return count;
}

void BackendPool::CollectInUse() {
  in_use_.clear();
  for (const auto& [identity, shared] : shared_) {
    if (shared.backend != nullptr) in_use_.push_back(shared.backend.get());
  }
  for (const auto& own : own_) in_use_.push_back(own.get());
  if (judge_.backend() != nullptr) in_use_.push_back(judge_.backend());
}

// One that breaks is forgotten at once, and may give back others. Whoever is retired meanwhile
// lives until the turn is over.
void BackendPool::Flush() {
  CollectInUse();
  for (Backend* const backend : in_use_) {
    if (backend->usable()) backend->Flush();
  }
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
  if (backend == judge_.backend()) return judge_.Forget();
  for (auto it = shared_.begin(); it != shared_.end(); ++it) {
    if (it->second.backend.get() != backend) continue;
    Retire(std::move(it->second.backend));
    if (!it->second.opening) shared_.erase(it);
    return;
  }
  for (auto& [identity, idle] : idle_) {
    const auto it = std::find_if(idle.begin(), idle.end(),
                                 [&](const auto& one) { return one.get() == backend; });
    if (it == idle.end()) continue;
    Retire(std::move(*it));
    idle.erase(it);
    return;
  }
}

// As in Flush: whoever is closed is forgotten at once.
void BackendPool::Clear() {
  CollectInUse();
  for (Backend* const backend : in_use_) backend->Close();
  for (auto& [identity, idle] : idle_) {
    for (std::unique_ptr<Backend>& backend : idle) Retire(std::move(backend));
  }
  idle_.clear();
}

}  // namespace cairn::adapter::redis
