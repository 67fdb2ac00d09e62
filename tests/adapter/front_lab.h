// FrontLab: a front over a real engine, whose effects count as committed when the test says so; and
// clients to use it.
//
// The lab plays the publisher: it attaches as the engine's replica and tells the front what it has
// read. The test's own thread runs the engine's io_context (engine_fixture.h), so clients here
// never block: they poll while that runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/lease_guard.h"
#include "adapter/redis/front/front.h"
#include "adapter/redis/repl_source.h"
#include "adapter/redis/reply_scanner.h"
#include "tests/adapter/engine_fixture.h"

namespace cairn::adapter::redis {

class FrontLab {
 public:
  explicit FrontLab(FrontOptions options = {}, std::vector<std::string> engine_options = {});
  ~FrontLab();

  // Off: effects are read, but not committed, until it is on again: then all of them.
  void SetCommitting(bool on);
  // As the lease says.
  void SetSafe(bool safe);
  void SetMode(FrontMode mode);
  // As the agent does with an engine that is gone, and with the same that is there again: the front
  // reaches it at `address` from now on.
  void EngineDown() { front_->EngineDown(); }
  void EngineUpAt(const EngineAddress& address);

  [[nodiscard]] Front& front() { return *front_; }
  [[nodiscard]] EngineWorld& world() { return world_; }
  [[nodiscard]] TestEngine& engine() { return engine_; }

 private:
  asio::awaitable<void> Publish();
  void Tell(StreamOffset offset);

  EngineWorld world_;
  TestEngine engine_;
  ReplSource source_;
  std::shared_ptr<LeaseGuard> guard_;
  FrontReign reign_;
  FrontEngine known_engine_;
  std::unique_ptr<Front> front_;
  bool committing_ = true;
  bool publishing_ = true;
  uint64_t seq_ = 1;
};

// A connection to the front.
class FrontClient {
 public:
  explicit FrontClient(FrontLab* lab);
  ~FrontClient();
  FrontClient(const FrontClient&) = delete;
  FrontClient& operator=(const FrontClient&) = delete;

  void Send(std::string_view bytes);
  void Do(const std::vector<std::string>& argv);
  // The next reply as it came; "" when the front has closed the connection.
  std::string Next();
  // Of a command: its reply.
  std::string Ask(const std::vector<std::string>& argv);
  // No reply is there, although the front has answered somebody else since.
  [[nodiscard]] bool Waits();
  // Whatever the front says from now on is dropped: it may be no RESP.
  void SkipReplies() { skips_ = true; }
  // It was closed by the front.
  [[nodiscard]] bool IsCut();

 private:
  bool Receive();

  FrontLab* const lab_;
  int socket_ = -1;
  bool closed_ = false;
  bool skips_ = false;
  ReplyScanner scanner_;
  std::string partial_;
  std::vector<std::string> replies_;  // Not asked for yet.
};

}  // namespace cairn::adapter::redis
