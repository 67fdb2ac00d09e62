// MemcacheClient: a client's connection to an agent of memcached, or to an engine behind its back.
//
// Threads: one. Errors: nullopt: no whole reply within the patience, or the connection broke; then
// it is of no more use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "adapter/memcache/reply_parser.h"
#include "base/tls_context.h"

namespace cairn::integration {

struct MemcacheItem {
  std::string value;
  uint64_t cas = 0;
};

// Takes the next reply, of this kind, from the front of `input`. Nullopt: it is not whole yet.
// Errors: what is there is no such reply.
absl::StatusOr<std::optional<std::string>> TakeReply(adapter::memcache::ReplyKind kind,
                                                     std::string* input);

// Of a reply to `gets` with one key. Outer nullopt: it is none; inner: no such item.
std::optional<std::optional<MemcacheItem>> ReadItem(const std::string& reply);

class MemcacheClient {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(20);

  // Nullptr when nobody listens. "host:port", and a socket's path.
  static std::unique_ptr<MemcacheClient> Connect(const std::string& address,
                                                 absl::Duration patience = kPatience);
  static std::unique_ptr<MemcacheClient> ConnectUnix(const std::string& path,
                                                     absl::Duration patience = kPatience);
  // With TLS, as `context` says; nullptr also when the handshake fails. The other side's
  // certificate has to name the address's host.
  static std::unique_ptr<MemcacheClient> ConnectTls(const std::string& address,
                                                    const TlsContext& context,
                                                    absl::Duration patience = kPatience);
  ~MemcacheClient();
  MemcacheClient(const MemcacheClient&) = delete;
  MemcacheClient& operator=(const MemcacheClient&) = delete;

  // False: it broke.
  bool Send(std::string_view bytes);
  // Nothing more is sent.
  void EndOutput();
  // The next reply, of this kind.
  std::optional<std::string> Read(adapter::memcache::ReplyKind kind);
  // All that comes until it ends with `suffix`.
  std::optional<std::string> ReadUntil(std::string_view suffix);
  // What has come and was not returned.
  [[nodiscard]] const std::string& unread() const { return input_; }
  // All that comes until the other side closes.
  std::optional<std::string> ReadToEnd();

  // One command whose reply is a line; without its end.
  std::optional<std::string> Line(const std::string& command);
  std::optional<std::string> Set(const std::string& key, const std::string& value);
  // Outer nullopt: no answer, or an error; inner: no such item.
  std::optional<std::optional<MemcacheItem>> Get(const std::string& key);

 private:
  MemcacheClient(int fd, absl::Duration patience);
  bool Receive();

  const int fd_;
  TlsSession tls_;  // Null: plain.
  std::string input_;
};

// Sends the command on a new connection, and returns what comes until `suffix`; less if the other
// side closes or is silent for long, nothing if nobody listens.
std::string AskMemcache(const std::string& address, const std::string& command,
                        const std::string& suffix = "\r\n");
// Nullopt: a miss, or no answer.
std::optional<std::string> GetFrom(const std::string& address, const std::string& key);
bool StoreIn(const std::string& address, const std::string& key, const std::string& value,
             int64_t exptime = 0);

}  // namespace cairn::integration
