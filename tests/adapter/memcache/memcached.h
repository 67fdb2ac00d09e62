// Memcached and RawConnection: a real memcached for tests, and what speaks bytes to it.
//
// It listens on a unix socket in a directory of the test's own, so that no port is needed, and dies
// with the test's process.
//
// Threads: one. Nothing waits for more than kPatience.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/memcache/reply_parser.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter::memcache {

class RawConnection {
 public:
  explicit RawConnection(int fd) : fd_(fd) {}
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void Send(std::string_view bytes);
  // All that comes, until it ends with `suffix`, or the other side closes.
  std::string ReadUntil(std::string_view suffix);
  // One whole reply; dies if it is none.
  std::string ReadReply(ReplyKind kind);
  // No byte of a reply is left over.
  [[nodiscard]] bool quiet() const { return input_.empty(); }

 private:
  // False: the other side has closed.
  bool Receive();

  const int fd_;
  std::string input_;  // Came, and was not read.
};

class Memcached {
 public:
  // `more`: options of memcached.
  explicit Memcached(const std::vector<std::string>& more = {});
  ~Memcached();
  Memcached(const Memcached&) = delete;
  Memcached& operator=(const Memcached&) = delete;

  std::unique_ptr<RawConnection> Connect();
  [[nodiscard]] const std::string& socket() const { return socket_; }

 private:
  cairn::testing::TempDir directory_;
  const std::string socket_;
  pid_t pid_ = 0;
};

}  // namespace cairn::adapter::memcache
