// FailoverDrill: a cache under load whose agents, engines and log are harmed in one way after
// another, and the judgement of it. The drill of the log itself is tests/fault/drill.h; this one
// goes on in the same way.
//
// Threads: the main one starts and signals processes; the clients have their own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/interrupt.h"
#include "tests/failover/cache_clients.h"
#include "tests/failover/cache_faults.h"
#include "tests/failover/cache_lab.h"
#include "tests/fault/verdict.h"

namespace cairn::failover {

struct FailoverOptions {
  CacheLabOptions lab;
  absl::Duration time = absl::Minutes(1);
  uint64_t failovers = 0;           // Goes on until there were so many, too.
  std::vector<std::string> faults;  // Names; empty: all.
  bool namespaces = true;           // Try to have them.
  bool quiet = false;               // No line for each fault on stderr.
};

struct FailoverVerdict {
  std::string engine;
  uint64_t seed = 0;
  std::string network;  // "namespaces" or "loopback".
  double seconds = 0;
  uint64_t failovers = 0;  // Times that another epoch was in force after a fault.
  CacheVerdict cache;
  std::vector<fault::FaultRow> faults;
  std::vector<std::string> findings;

  [[nodiscard]] bool Passed() const;
  [[nodiscard]] std::string Text() const;
  [[nodiscard]] std::string Json() const;  // On one line.
};

class FailoverDrill {
 public:
  FailoverDrill(FailoverOptions options, const cli::Interrupt* interrupt);

  // Errors: it could not be started, or was interrupted (kCancelled).
  absl::StatusOr<FailoverVerdict> Run();

 private:
  absl::Status Start();
  void ChooseFaults();
  absl::Status Rounds(absl::Time end);
  absl::Status Inject(size_t fault);
  // Whole again, and clients are served.
  absl::Status Recover();
  absl::StatusOr<uint64_t> Epoch();
  void Say(const std::string& line) const;

  const FailoverOptions options_;
  const cli::Interrupt* const interrupt_;
  std::unique_ptr<CacheLab> lab_;
  std::unique_ptr<CacheClients> clients_;
  std::string no_small_disk_;       // Why not; empty: they can be had.
  std::vector<CacheFault> chosen_;  // As the rows of the verdict.
  uint64_t epoch_ = 0;
  FailoverVerdict verdict_;
};

}  // namespace cairn::failover
