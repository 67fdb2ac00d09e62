// One of several processes leads, and only the leader writes: a counter that is handed on without
// losing or repeating a number, whoever is killed.
//
//   CAIRN_ENDPOINTS=127.0.0.1:7400 example_elect_leader LOG NAME     (run it twice or more)
//
// The state is built from the log alone. A process campaigns with the position that it has
// consumed, so only one that knows every committed number can win; every append carries the lease's
// epoch, so a leader that was stopped and wakes up late can no longer write.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/client.h"
#include "cairn/election.h"
#include "cairn/lease_keeper.h"
#include "cairn/log.h"
#include "cairn/tailer.h"
#include "fmt/format.h"

namespace {

// Follows the log: the counter, and how far it was read.
class Counter {
 public:
  void Apply(const cairn::TailEvent& event) {
    for (const cairn::RecordBatch& batch : event.batches) {
      for (const cairn::Record& record : batch.records) {
        if (record.kind == cairn::RecordKind::kData) value_ = std::atoll(record.payload.c_str());
      }
      consumed_ = batch.last_seq().value();
    }
  }
  [[nodiscard]] int64_t value() const { return value_; }
  [[nodiscard]] uint64_t consumed() const { return consumed_; }

 private:
  std::atomic<int64_t> value_{0};
  std::atomic<uint64_t> consumed_{0};
};

// Writes as long as the lease holds. Returns when it is lost.
void Lead(cairn::Log log, const cairn::LeaseKeeper& keeper, const Counter& counter) {
  // The grant is a record behind everything that decided the election: read up to it first.
  while (counter.consumed() < keeper.epoch().value()) {
    if (!keeper.IsSafe()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (int64_t next = counter.value() + 1; keeper.IsSafe(); ++next) {
    cairn::AppendOptions options;
    options.if_lease_epoch = keeper.epoch();
    const auto done = log.Append(std::to_string(next), options);
    if (!done.ok()) {
      // LEASE_LOST, or an unknown outcome: the log tells the next leader which.
      fmt::print("stopped at {}: {}\n", next, cairn::ToStd(done.status().message()));
      return;
    }
    fmt::print("{} at seq {}\n", next, done->last_seq);
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

absl::Status Run(const std::string& log_name, const std::string& name) {
  ASSIGN_OR_RETURN(const auto client,
                   cairn::Client::Connect(cairn::Client::OptionsFromEnvironment()));
  ASSIGN_OR_RETURN(const cairn::Log log, client->OpenLog(log_name, {.create_if_missing = true}));
  cairn::ElectionOptions options;
  options.lease.holder = fmt::format("{}-{}", name, getpid());  // Names this incarnation.
  options.lease.ttl = absl::Seconds(3);
  cairn::Election election(log, options);
  Counter counter;
  cairn::TailerOptions tail;
  tail.on_event = [&](const cairn::TailEvent& event) {
    counter.Apply(event);
    election.Consumed(event);  // After it was applied.
  };
  tail.on_error = [&](const absl::Status&) { election.Stop(); };
  ASSIGN_OR_RETURN(const auto tailer, cairn::Tailer::Open(log, std::move(tail)));
  while (true) {
    ASSIGN_OR_RETURN(const auto keeper, election.Campaign());
    fmt::print("{} leads, epoch {}\n", name, keeper->epoch());
    Lead(log, *keeper, counter);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // Line by line, also into a pipe.
  if (argc != 3) {
    fmt::print(stderr, "usage: {} LOG NAME\n", argv[0]);
    return 2;
  }
  const absl::Status status = Run(argv[1], argv[2]);
  fmt::print(stderr, "{}\n", cairn::ToStd(status.message()));
  return 1;
}
