// EngineFiller: brings items and effects into an engine that nobody else writes to: a standby's, a
// new one's, one whose reign has ended.
//
// What an engine was sent on a connection that is not needed any more may still be on its way
// there, and would come behind what is sent on the next one. So Connect first waits until the
// engine has answered all of it.
//
// It has several connections, since memcached serves each of them by one thread.
//
// Threads: the engine thread (engine_socket.h). Lifetime: after Close() its coroutines end soon.
// Bounds: one batch under way on each connection.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "adapter/engine_socket.h"
#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/engine_connection.h"

namespace cairn::adapter::memcache {

// Commands in a row. Stores and deletions are quiet, in groups that are answered at their ends: an
// answer for each costs the engine and the agent more than the item. May be made on any thread.
struct FillBatch {
  std::string commands;
  std::vector<ReplyKind> replies;  // That are due, in order.

  // `cas`: the number that a stored item shall have; 0: the engine's own, as of one without the
  // flag E.
  void Add(const EffectView& effect, UnixSeconds now, uint64_t cas = 0);
  // Only where the engine has no such item.
  void AddIfMissing(std::string_view key, const Item& item, bool binary, UnixSeconds now,
                    uint64_t cas = 0);
  // Ends the group that is open, if one is: before anything else is sent.
  void EndGroup();

 private:
  void CountQuiet();

  size_t quiet_ = 0;  // Commands of the group that is open.
};

class EngineFiller {
 public:
  explicit EngineFiller(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // What it was sent by somebody else and has not answered; Connect waits for it, too.
  void AwaitDrained(std::unique_ptr<EngineConnection> connection);

  // Errors: kDeadlineExceeded also if the engine does not answer what it was sent before: then it
  // must end before anything new counts.
  asio::awaitable<absl::Status> Connect(EngineAddress address);
  [[nodiscard]] bool connected() const;
  void Close();

  // Requires: connected, of all below.
  // Errors: kUnavailable, kDeadlineExceeded, kCancelled: it is not known what the engine holds.
  //
  // Done when the batch is under way, so that the next one can be made meanwhile. What is streamed
  // between two Settle is taken in any order.
  asio::awaitable<absl::Status> Stream(FillBatch batch);
  // Done when the engine has answered everything.
  asio::awaitable<absl::Status> Settle();
  // Both.
  asio::awaitable<absl::Status> Put(FillBatch batch);

  // What the engine did not take for lack of room: as good as evicted.
  [[nodiscard]] uint64_t refused() const;

 private:
  // Outlives the filler as long as replies are due.
  struct Replies;
  struct Lane {
    std::shared_ptr<EngineConnection> connection;
    std::shared_ptr<Replies> replies;
  };

  asio::awaitable<absl::Status> DrainOld();
  static asio::awaitable<absl::Status> Await(Lane lane);

  const asio::any_io_executor executor_;
  std::vector<Lane> lanes_;
  size_t next_lane_ = 0;
  std::vector<Lane> old_;  // With replies that are due.
  uint64_t refused_before_ = 0;
};

}  // namespace cairn::adapter::memcache
