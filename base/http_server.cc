#include "base/http_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/page_socket.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/tls_context.h"

namespace cairn {
namespace {

constexpr size_t kThreads = 2;
constexpr size_t kThreadsWithOthers = 8;
constexpr size_t kMaxQueued = 16;
constexpr size_t kMaxRequestBytes = 4096;
constexpr int64_t kVisitUs = 10 * kMicrosPerSecond;
// Browsers open connections in advance; each that says nothing holds a thread so long.
constexpr int kSilenceMs = 2000;

// httplib's own pool takes any number of connections. With this one the accepting thread
// waits for room, so that further connections stay in the kernel's bounded backlog.
class BoundedPool : public httplib::TaskQueue {
 public:
  explicit BoundedPool(size_t threads) : pool_(threads) {}

  void enqueue(std::function<void()> task) override {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &BoundedPool::HasRoom));
      ++queued_;
    }
    pool_.enqueue([this, inner = std::move(task)] {
      {
        absl::MutexLock lock(&mutex_);
        --queued_;
      }
      inner();
    });
  }
  void shutdown() override { pool_.shutdown(); }

 private:
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return queued_ < kMaxQueued; }

  absl::Mutex mutex_;
  size_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  httplib::ThreadPool pool_;
};

// Unlike httplib's default (SO_REUSEPORT), two processes on one port are an error.
void SetSocketOptions(int socket) {
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

bool SpeaksSoon(int socket) {
  pollfd polled{.fd = socket, .events = POLLIN, .revents = 0};
  return poll(&polled, 1, kSilenceMs) > 0;
}

// httplib's own way with a connection bounds each read: who sends a byte now and then kept one of
// the few threads for as long as they liked. Here the whole visit has a deadline.
class PageServer : public httplib::Server {
 public:
  // Null: in clear. Before it listens.
  void UseTls(std::shared_ptr<TlsCredentials> tls) { tls_ = std::move(tls); }

 private:
  bool process_and_close_socket(socket_t socket) override {
    Fd connection(socket);
    if (!SpeaksSoon(connection.get())) return false;
    const MonoMicros now = SystemClock().Mono();
    PageSocket visitor(std::move(connection), now + kVisitUs);
    if (tls_ != nullptr && !visitor.ShakeHands(tls_->Current(now))) return false;
    bool closed = false;
    return process_request(visitor, /*close_connection=*/true, closed,
                           [&](httplib::Request& request) { request.ssl = visitor.tls(); });
  }

  std::shared_ptr<TlsCredentials> tls_;
};

// What probes of an orchestrator ask for: these have no certificate.
bool IsProbe(const httplib::Request& request) {
  return (request.method == "GET" || request.method == "HEAD") &&
         (request.path == "/healthz" || request.path == "/readyz");
}

// What was shown has been verified in the handshake.
bool ShowsCertificate(const httplib::Request& request) {
  return request.ssl != nullptr && SSL_get0_peer_certificate(request.ssl) != nullptr;
}

struct HostPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostPort> SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostPort result;
  const char* end = address.data() + address.size();
  if (colon == std::string::npos || colon == 0 ||
      std::from_chars(address.data() + colon + 1, end, result.port).ptr != end ||
      colon + 1 == address.size() || result.port < 0 || result.port > 65535) {
    return absl::InvalidArgumentError(
        ToAbsl(fmt::format("the pages' address is \"{}\": expected host:port", address)));
  }
  result.host = address.substr(0, colon);
  if (result.host.front() == '[' && result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
  }
  return result;
}

HttpRequest ToRequest(const httplib::Request& from) {
  // The library leaves the body away where only the head was asked for.
  HttpRequest request{
      .method = from.method == "HEAD" ? "GET" : from.method, .path = from.path, .body = from.body};
  for (const auto& [name, value] : from.params) request.query.emplace(name, value);
  for (const auto& [name, value] : from.headers) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    request.header.emplace(std::move(lower), value);
  }
  return request;
}

void Put(HttpResponse from, httplib::Response& response) {
  response.status = from.status;
  for (const auto& [name, value] : from.headers) response.set_header(name.c_str(), value);
  if (!from.type.empty()) response.set_content(std::move(from.body), from.type.c_str());
}

}  // namespace

std::string HttpRequest::Header(const std::string& lower_case_name) const {
  const auto found = header.find(lower_case_name);
  return found == header.end() ? "" : found->second;
}

struct HttpServer::Impl {
  HttpPages pages;
  PageServer server;
  uint16_t port = 0;
  std::thread thread;

  // Before any route is looked for, so that no page that comes later is forgotten here.
  void KeepStrangersOut() {
    using Next = httplib::Server::HandlerResponse;
    server.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          if (IsProbe(request) || ShowsCertificate(request)) return Next::Unhandled;
          response.status = 403;
          response.set_content(pages.certificate_wanted + "\n", "text/plain");
          return Next::Handled;
        });
  }

  void AddRoutes() {
    server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(pages.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    });
    server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("ok\n", "text/plain");
    });
    server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      const std::string why = pages.not_ready();
      response.status = why.empty() ? 200 : 503;
      response.set_content((why.empty() ? "ready" : why) + "\n", "text/plain");
    });
    if (!pages.other) return;
    const auto other = [this](const httplib::Request& request, httplib::Response& response) {
      Put(pages.other(ToRequest(request)), response);
    };
    server.Get(".*", other);
    server.Post(".*", other);
  }
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->server.stop();
  impl_->thread.join();
}

uint16_t HttpServer::port() const { return impl_->port; }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address,
                                                              HttpPages pages) {
  ASSIGN_OR_RETURN(const HostPort at, SplitAddress(address));
  auto impl = std::make_unique<Impl>();
  impl->pages = std::move(pages);
  impl->AddRoutes();
  if (!impl->pages.certificate_wanted.empty()) impl->KeepStrangersOut();
  PageServer& server = impl->server;
  server.UseTls(impl->pages.tls);
  const size_t threads = impl->pages.other ? kThreadsWithOthers : kThreads;
  server.new_task_queue = [threads] { return new BoundedPool(threads); };  // The server's.
  server.set_socket_options(SetSocketOptions);
  server.set_payload_max_length(kMaxRequestBytes);
  int port = at.port;
  if (port == 0) {
    port = server.bind_to_any_port(at.host.c_str());
  } else if (!server.bind_to_port(at.host.c_str(), port)) {
    port = -1;
  }
  if (port < 0) {
    return absl::UnavailableError(ToAbsl(fmt::format(
        "the pages' address {} cannot be bound (in use, or not this host's)", address)));
  }
  impl->port = static_cast<uint16_t>(port);
  impl->thread = std::thread([&server] { server.listen_after_bind(); });
  // stop() does nothing to a server that does not yet run.
  while (!server.is_running()) std::this_thread::yield();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace cairn
