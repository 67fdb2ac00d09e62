// BackendPool: the engine connections of one io thread.
//
// Connections are alike that have the same login, protocol version and database (Identity): clients
// of one identity share a backend, and those that need one of their own get one that is not in use.
// A client that changes its identity (AUTH, SELECT, HELLO, RESET) moves to another backend.
//
// A connection that lives was let in when it was opened. Whoever joins it is judged by the engine
// as it is now (Admit); the engine's own words refuse.
//
// Threads: of one io thread. Lifetime: callbacks run on its io_context, never within the call that
//   asked; none runs after destruction. Backends live as long as the pool or until they break and
//   nobody is due a reply.
// Bounds: one to judge logins; one shared backend for each identity in use; own ones as many as
// clients need at a time.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/front/backend.h"
#include "adapter/redis/front/login_judge.h"
#include "adapter/redis/resp_encoder.h"

namespace cairn::adapter::redis {

struct Identity {
  std::string user;      // Empty: nobody has logged in; the engine's default user.
  std::string password;  // With user.
  RespVersion version = RespVersion::k2;
  uint32_t database = 0;
  // Of nobody: how often the default user had come to need a password by then. Who came before may
  // go on; see Admit.
  uint32_t era = 0;

  auto operator<=>(const Identity&) const = default;
};

class BackendPool {
 public:
  // Errors: kPermissionDenied, with the engine's reply ("WRONGPASS …") as the message;
  // kUnavailable.
  using Ready = std::function<void(absl::StatusOr<Backend*>)>;

  using Admitted = std::function<void(absl::StatusOr<Identity>)>;

  BackendPool(asio::io_context* io, EngineAddress engine, BackendOwner* owner);
  ~BackendPool();
  BackendPool(const BackendPool&) = delete;
  BackendPool& operator=(const BackendPool&) = delete;

  // Has the engine judge somebody who is to be `identity`, and says as whom to open connections.
  // `login`: AUTH as it was said; empty: nobody has logged in, and who that is has not been asked
  // yet. Errors: as for Ready.
  void Admit(const Identity& identity, std::string_view login, Admitted done);
  // The shared one, if it is there; else null, and Open has to be asked.
  [[nodiscard]] Backend* Shared(const Identity& identity) const;
  void Open(const Identity& identity, Ready ready);
  // One that nobody else uses until it is given back.
  void TakeOwn(const Identity& identity, Ready ready);
  // `clean`: it is in the state in which it was taken, and may be used again. Requires: no reply is
  // due to anybody but the owner.
  void GiveBack(const Identity& identity, Backend* backend, bool clean);

  // Connections that are open.
  [[nodiscard]] size_t size() const;
  // Hands out all bytes that were sent in this turn.
  void Flush();
  // To be called for each backend that broke, at any time after.
  void Forget(Backend* backend);
  // Closes all: the engine has changed. Receivers are told.
  void Clear();

 private:
  struct Shared_ {
    std::unique_ptr<Backend> backend;
    std::vector<Ready> waiting;
    bool opening = false;
  };

  using Connected = std::function<void(absl::StatusOr<std::unique_ptr<Backend>>)>;
  void Connect(const Identity& identity, bool ask_id, Connected done);
  void CollectInUse();
  void Retire(std::unique_ptr<Backend> backend);

  asio::io_context* const io_;
  const EngineAddress engine_;
  BackendOwner* const owner_;
  std::shared_ptr<bool> alive_;
  std::map<Identity, Shared_> shared_;
  std::vector<Backend*> in_use_;  // Within Flush and Clear.
  std::map<Identity, std::vector<std::unique_ptr<Backend>>> idle_;
  std::vector<std::unique_ptr<Backend>> own_;      // In use.
  std::vector<std::unique_ptr<Backend>> retired_;  // Broken; deleted between turns.
  LoginJudge judge_;
  bool open_to_all_ = true;  // The default user needed no password when somebody last asked.
  uint32_t era_ = 0;
};

}  // namespace cairn::adapter::redis
