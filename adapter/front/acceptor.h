// Acceptor: one address at which the agent listens.
//
//   clients ──► Acceptor ──socket──► its owner, one for each Next
//
// What cannot be accepted for lack of descriptors waits in the kernel (base/accept_pause.h).
//
// Threads: of the context that it was made with. Lifetime: from Close() on nobody is called; it
// lives until its context runs no more.
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/accept_pause.h"

namespace cairn::adapter {

class Acceptor {
 public:
  using Take = std::function<void(asio::ip::tcp::socket)>;

  explicit Acceptor(asio::io_context* io) : acceptor_(*io), timer_(*io) {}
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Once. `where`: "IP:PORT"; port 0: any. Errors: kInvalidArgument: it is no such address;
  // kUnavailable: it cannot be listened at.
  absl::Status Listen(const std::string& where);
  // The next client, whose socket is of `io`. Requires: it listens, and no other call is under way.
  void Next(asio::io_context* io, Take take);
  void Close();

  // "host:port". Requires: it listens.
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  void NextLater(asio::io_context* io, Take take, const asio::error_code& why);

  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  std::string address_;
  std::optional<AcceptPause> failures_;
};

}  // namespace cairn::adapter
