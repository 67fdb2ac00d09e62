// RespClient: a blocking connection to whoever speaks RESP at "IP:PORT".
//
// Threads: one. Every call waits for at most kPatience.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/redis/reply_scanner.h"
#include "adapter/redis/resp_value.h"

namespace cairn::testing {

class RespClient {
 public:
  // Nullptr when nobody listens.
  static std::unique_ptr<RespClient> Connect(const std::string& address);
  ~RespClient();
  RespClient(const RespClient&) = delete;
  RespClient& operator=(const RespClient&) = delete;

  // False: the connection is broken.
  bool Send(const std::vector<std::string>& argv);
  // The next reply or push; nullopt when the connection broke or nothing came in time.
  std::optional<adapter::redis::RespValue> Next();
  std::optional<adapter::redis::RespValue> Do(const std::vector<std::string>& argv);

 private:
  explicit RespClient(int fd) : fd_(fd) {}

  const int fd_;
  adapter::redis::ReplyScanner scanner_;
  std::string input_;
  std::string partial_;
};

}  // namespace cairn::testing
