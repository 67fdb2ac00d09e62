// HttpServer: the pages of a process, for monitoring and, with HttpPages::other, for people.
//   /metrics   Prometheus text
//   /healthz   200 while the process serves at all
//   /readyz    200 when the process takes requests; 503 with the reason in the body otherwise
// Where visitors must show a certificate, the last two, which probes ask for, stay open to all.
//
// Threads: one that accepts and some that answer (two; eight where there are other pages), all its
//   own; pages are called on the latter. Pages that take long must leave some of these free for
//   the three above.
// Bounds: one request a thread and a connection, 16 waiting, 4 KiB of request body, 2 s
//   until a connection's first byte, 10 s from there to the last of its answer.
// Lifetime: whatever the pages reach must outlive this.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace cairn {

class TlsCredentials;

struct HttpRequest {
  std::string method;                         // "GET", "POST".
  std::string path;                           // Without the query, decoded.
  std::map<std::string, std::string> query;   // Decoded; of a name that is repeated, the first.
  std::map<std::string, std::string> header;  // Names in lower case; the first of each.
  std::string body;

  // "" where there is none.
  [[nodiscard]] std::string Header(const std::string& lower_case_name) const;
};

struct HttpResponse {
  int status = 200;
  std::string type;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct HttpPages {
  std::function<std::string()> metrics;
  // Empty when ready, else why not.
  std::function<std::string()> not_ready;
  // Pages are served with TLS only, by what this gives for each connection. Null: in clear.
  std::shared_ptr<TlsCredentials> tls;
  // What visitors who have shown no certificate are told (403) of all pages but /healthz and
  // /readyz; `tls` asks for one. Empty: nobody has to show one.
  std::string certificate_wanted;
  // Answers GET and POST of all other paths. Empty: those are not found.
  std::function<HttpResponse(const HttpRequest&)> other;
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
