// MemcacheCrowd: some thousand clients of a cache's agents at once, on a few keys that they all
// share, and what each was told.
//
//   client ── its own connection, to one agent after another ── one call under way, always ──► key
//
// A key is of one kind, and so are its clients: they set it to values that are all different; or
// increment it; or read it and swap in the next number (gets, cas), again and again. All of them
// read it, too. A call whose connection breaks, or that is answered by an error which does not say
// that nothing was done, is unknown; its client goes on with the next agent.
//
// Threads: one inside, with all clients on it; calls from one other. Lifetime: the destructor cuts
// all connections. Errors: answers that no client may get are findings().
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "adapter/memcache/reply_parser.h"
#include "base/random.h"
#include "tests/history/register_history.h"

namespace cairn::integration {

struct CrowdKey {
  enum class Kind : uint8_t { kSet, kIncrement, kSwap };
  Kind kind = Kind::kSet;
  std::string name;
  // Swaps are increments. Unanswered ones are those of which it is unknown what became of them.
  std::vector<history::RegisterCall> calls;
};

class MemcacheCrowd {
 public:
  struct Options {
    std::vector<std::string> addresses;  // Of the agents; clients begin with them in turn.
    std::string prefix;                  // Of the keys' names.
    size_t clients = 2'000;
    size_t keys = 12;          // As many of each kind.
    size_t value_bytes = 100;  // Of sets.
  };
  explicit MemcacheCrowd(Options options);
  ~MemcacheCrowd();
  MemcacheCrowd(const MemcacheCrowd&) = delete;
  MemcacheCrowd& operator=(const MemcacheCrowd&) = delete;

  // Requires: keys to be incremented or swapped are there, and 0 (Prepare).
  void Start();
  // Stores these keys by way of an agent. False: it does not take them.
  bool Prepare(const std::string& address);
  // No client begins anything more; returns when all have their answers.
  void Finish();
  // Of the answered changes; and of all calls that wait for an answer.
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] size_t under_way() const { return under_way_; }
  // So many more changes are acknowledged, with all clients there. Waits.
  bool AwaitAcknowledged(uint64_t more);
  [[nodiscard]] size_t size() const { return options_.clients; }

  // Requires: Finish().
  [[nodiscard]] std::vector<CrowdKey>& keys() { return keys_; }
  [[nodiscard]] const std::vector<std::string>& findings() const { return findings_; }

 private:
  struct Client;
  using Reply = std::optional<std::string>;

  asio::awaitable<void> Live(size_t number);
  asio::awaitable<bool> Connect(Client& client);
  asio::awaitable<void> Call(Client& client);
  asio::awaitable<void> Read(Client& client);
  asio::awaitable<void> Set(Client& client);
  asio::awaitable<void> Increment(Client& client);
  asio::awaitable<void> Swap(Client& client);
  asio::awaitable<Reply> Ask(Client& client, std::string command,
                             adapter::memcache::ReplyKind kind);
  void NoteChange(Client& client, history::RegisterCall call, const Reply& reply, bool done);
  std::optional<history::RegisterCall> NoteRead(Client& client, history::RegisterCall call,
                                                const Reply& reply, uint64_t* cas);
  void Find(const Client& client, const Reply& reply);

  const Options options_;
  std::vector<asio::ip::tcp::endpoint> agents_;
  std::vector<CrowdKey> keys_;
  std::vector<std::string> findings_;
  int64_t next_value_ = 1;
  asio::io_context io_;
  std::thread thread_;
  std::atomic<bool> ending_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<size_t> under_way_{0};
};

}  // namespace cairn::integration
