// HttpServer: the pages of a process for monitoring.
//   /metrics   Prometheus text
//   /healthz   200 while the process serves at all
//   /readyz    200 when the process takes requests; 503 with the reason in the body otherwise
//
// Threads: one that accepts and two that answer, all its own; pages are called on the
//   latter. Bounds: two requests at a time, 16 waiting, no request bodies, 10 s from a
//   connection's first byte to the last of its answer.
// Lifetime: whatever the pages reach must outlive this.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace cairn {

class TlsCredentials;

struct HttpPages {
  std::function<std::string()> metrics;
  // Empty when ready, else why not.
  std::function<std::string()> not_ready;
  // Pages are served with TLS only, by what this gives for each connection. Null: in clear.
  std::shared_ptr<TlsCredentials> tls;
};

class HttpServer {
 public:
  // Listens on `address` ("host:port"; port 0 picks one) and starts to serve.
  // Errors: kInvalidArgument for the address, kUnavailable when it cannot be bound.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address,
                                                           HttpPages pages);
  // Finishes what is being answered.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] uint16_t port() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
