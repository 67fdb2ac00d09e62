// Doors: the sockets at which clients of a cache knock, plain and with TLS.
//
//   client ──► Doors ──socket, TLS context──► the owner's io threads, in turn
//
// With certificates there is a port for TLS: its own (tls_listen), beside the plain one, or the
// only one.
//
// Threads: Open and Close from the thread that made it; sockets are accepted on the first context
// and handed over on that of the thread that gets them. Lifetime: the contexts outlive it.
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adapter/front/acceptor.h"
#include "adapter/front/client_stream.h"
#include "base/tls_context.h"

namespace cairn::adapter {

struct DoorOptions {
  std::string listen;      // "IP:PORT"; port 0: any.
  TlsFiles tls;            // Empty: plain bytes only.
  std::string tls_listen;  // Empty: with certificates, `listen` is for TLS.
  int64_t handshake_timeout_us = kHandshakeTimeoutUs;
};

class Doors {
 public:
  // On the context of io thread `thread`.
  using Take = std::function<void(size_t thread, asio::ip::tcp::socket, const ClientTls&)>;

  Doors(std::vector<asio::io_context*> threads, Take take);
  // Requires: closed, or never opened.
  ~Doors();
  Doors(const Doors&) = delete;
  Doors& operator=(const Doors&) = delete;

  // Errors: kInvalidArgument: an address is none, or the certificate cannot be used; kUnavailable:
  // it cannot be listened at.
  absl::Status Open(const DoorOptions& options);
  // Returns when nobody is let in any more. Requires: the first context runs.
  void Close();

  // Where it listens: "host:port". Requires: open.
  [[nodiscard]] const std::string& address() const { return doors_.front()->acceptor.address(); }
  // The same of tls_listen. Requires: it was asked for.
  [[nodiscard]] const std::string& tls_address() const { return doors_.back()->acceptor.address(); }

 private:
  struct Door {
    explicit Door(asio::io_context* io) : acceptor(io) {}
    Acceptor acceptor;
    bool tls = false;
  };

  absl::Status Listen(const std::string& where, bool tls);
  void Accept(Door* door);

  const std::vector<asio::io_context*> threads_;
  const Take take_;
  std::unique_ptr<TlsCredentials> credentials_;  // Of the first thread.
  std::vector<std::unique_ptr<Door>> doors_;
  int64_t handshake_timeout_us_ = kHandshakeTimeoutUs;
  size_t next_thread_ = 0;
};

}  // namespace cairn::adapter
