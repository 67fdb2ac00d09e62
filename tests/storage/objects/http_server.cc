#include "tests/storage/objects/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "base/check.h"

namespace cairn::objects::testing {
namespace {

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// Reads until `buffered` has `bytes`; false when the client is gone before.
bool ReceiveUntil(int fd, std::string* buffered, size_t bytes) {
  char block[65536];
  while (buffered->size() < bytes) {
    const ssize_t got = recv(fd, block, sizeof(block), 0);
    if (got <= 0) return false;
    buffered->append(block, static_cast<size_t>(got));
  }
  return true;
}

HttpRequest ParseHead(const std::string& head) {
  HttpRequest request;
  std::istringstream lines(head);
  std::string target;
  std::string line;
  lines >> request.method >> target;
  std::getline(lines, line);
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  while (std::getline(lines, line) && line != "\r") {
    const size_t colon = line.find(':');
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::string value = line.substr(colon + 1);
    value.erase(0, value.find_first_not_of(' '));
    value.erase(value.find_last_not_of("\r ") + 1);
    request.headers[name] = value;
  }
  return request;
}

}  // namespace

HttpServer::HttpServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  CHECK_EQ(listen(listener_, 16), 0);
  socklen_t size = sizeof(address);
  CHECK_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

HttpServer::~HttpServer() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const int fd : connections_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& servant : servants_) servant.join();
  for (const int fd : connections_) close(fd);
}

std::string HttpServer::endpoint() const { return fmt::format("http://127.0.0.1:{}", port_); }

void HttpServer::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    connections_.push_back(fd);
    servants_.emplace_back([this, fd] { Serve(fd); });
  }
}

void HttpServer::Serve(int fd) {
  std::string buffered;
  while (ServeOne(fd, &buffered)) {
  }
  shutdown(fd, SHUT_RDWR);
}

bool HttpServer::ServeOne(int fd, std::string* buffered) {
  size_t end = std::string::npos;
  while ((end = buffered->find("\r\n\r\n")) == std::string::npos) {
    if (!ReceiveUntil(fd, buffered, buffered->size() + 1)) return false;
  }
  HttpRequest request = ParseHead(buffered->substr(0, end + 2));
  buffered->erase(0, end + 4);
  if (request.headers.count("expect") != 0) SendAll(fd, "HTTP/1.1 100 Continue\r\n\r\n");
  const auto length = request.headers.find("content-length");
  const size_t bytes = length == request.headers.end() ? 0 : std::stoull(length->second);
  if (!ReceiveUntil(fd, buffered, bytes)) return false;
  request.body = buffered->substr(0, bytes);
  buffered->erase(0, bytes);

  HttpReply reply;
  {
    const std::lock_guard<std::mutex> lock(handler_mutex_);
    reply = handler_(request);
  }
  if (reply.silent) return ReceiveUntil(fd, buffered, SIZE_MAX);
  std::string head = fmt::format("HTTP/1.1 {} Said\r\n", reply.status);
  for (const std::string& header : reply.headers) head += header + "\r\n";
  if (request.method != "HEAD") head += fmt::format("Content-Length: {}\r\n", reply.body.size());
  if (!SendAll(fd, head + "\r\n")) return false;
  if (request.method == "HEAD") return true;
  const size_t sent = reply.cut_after.value_or(reply.body.size());
  return SendAll(fd, std::string_view(reply.body).substr(0, sent)) && !reply.cut_after.has_value();
}

}  // namespace cairn::objects::testing
