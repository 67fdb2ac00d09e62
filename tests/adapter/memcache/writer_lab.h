// WriterLab: a Writer between the log of a real node and a real memcached, for tests that are its
// clients.
//
// The view is the log itself, read and folded anew for each look: what it has is all that is
// committed.
//
// Threads: one, and those of node and client library. Nothing waits for more than kPatience.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/memcache/request_parser.h"
#include "adapter/memcache/writer.h"
#include "cairn/client.h"
#include "tests/adapter/memcache/memcached.h"
#include "tests/rpc/test_node.h"

namespace cairn::adapter::memcache {

struct WriterLabOptions {
  WriteMode mode = WriteMode::kThrough;
  bool looks_up = false;            // In the view, for what the engine lacks.
  std::vector<std::string> engine;  // Options of memcached.
};

class WriterLab : public WriterOwner {
 public:
  static constexpr std::chrono::seconds kPatience{30};

  explicit WriterLab(WriterLabOptions options);
  ~WriterLab() override;

  // One request of a client, and all that the client gets for it.
  std::string Do(const std::string& bytes);
  // From now on each look into the view fails.
  void BreakView() { view_broken_ = true; }
  // Stores items in the engine, behind the writer's back, until it has no room.
  void FillEngine();
  // The value that the engine has under the key; nullopt: none.
  std::optional<std::string> InEngine(const std::string& key);
  // The same of the fold of all that is committed, which everything is by then.
  std::optional<std::string> InLog(const std::string& key);
  Writer& writer() { return *writer_; }

 private:
  void OnWriterFailed(PublisherTrouble why, const absl::Status& status) override;
  void Open();
  void RunUntil(const std::function<bool()>& done);
  std::map<std::string, Item> Fold();
  asio::awaitable<absl::StatusOr<HeldItems>> LookUp(std::vector<std::string> keys);

  rpc::TestCluster cluster_{1};
  Memcached engine_;
  std::unique_ptr<RawConnection> look_;
  std::unique_ptr<Client> client_;
  std::optional<Log> log_;
  asio::io_context io_;
  std::unique_ptr<Writer> writer_;
  std::optional<std::string> reply_;
  bool view_broken_ = false;
};

}  // namespace cairn::adapter::memcache
