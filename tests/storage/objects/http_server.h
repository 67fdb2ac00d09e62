// HttpServer: an HTTP service on 127.0.0.1 that answers as a test says, wrongly if it likes: broken
// off in the middle of a body, silent, refusing.
//
// The handler runs on the server's threads, one per connection, one request at a time (a lock).
//
// Threads: any. Lifetime: the destructor closes all connections and joins.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace cairn::objects::testing {

struct HttpRequest {
  std::string method;
  std::string path;                            // As sent.
  std::string query;                           // Behind the question mark, as sent.
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;
};

struct HttpReply {
  int status = 200;
  std::vector<std::string> headers;  // "name: value"
  std::string body;
  // Sends so many bytes of the body and closes the connection.
  std::optional<size_t> cut_after;
  // Sends nothing, and holds the connection until the client closes it.
  bool silent = false;
};

class HttpServer {
 public:
  using Handler = std::function<HttpReply(const HttpRequest&)>;

  explicit HttpServer(Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::string endpoint() const;

 private:
  void Accept();
  void Serve(int fd);
  // False when the connection is over.
  bool ServeOne(int fd, std::string* buffered);

  Handler handler_;
  std::mutex handler_mutex_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<int> connections_;       // Guarded by mutex_.
  std::vector<std::thread> servants_;  // Of the acceptor, then of the destructor.
  std::thread acceptor_;
};

}  // namespace cairn::objects::testing
