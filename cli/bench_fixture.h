// BenchFixture: the connections and logs that a bench run uses.
//
// Each connection is a Client of its own, with its own sockets and threads; clients are
// dealt to the connections in turn.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/log.h"
#include "cli/bench_options.h"
#include "cli/session.h"

namespace cairn::cli {

class BenchFixture {
 public:
  // Opens the connections and creates the log if it does not exist.
  static absl::StatusOr<BenchFixture> Open(Session& session, const BenchOptions& options);

  // The log, through the connection of client number `client`.
  [[nodiscard]] Log& LogOf(size_t client) { return logs_[client % logs_.size()]; }
  // Another log, "<log>-<number>", created if it does not exist.
  absl::StatusOr<Log> OpenNumbered(size_t client, uint64_t number) const;

 private:
  std::string name_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Log> logs_;  // One per connection.
};

// A payload that does not compress, of that size.
std::string MakePayload(uint64_t size_bytes);

}  // namespace cairn::cli
