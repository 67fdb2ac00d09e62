// StallingLink: stands between `cairn-agent adopt` and a live Redis that stalls at the worst
// moment.
//
//   adopter ──unix socket──► StallingLink ──unix socket──► engine
//
// When the adopter is about to have writes refused (the first request with "min-replicas"), `stall`
// runs to its end before that request goes on, and what the engine says to its replicas stays here
// until the adopter next asks for INFO: so writes that are acknowledged meanwhile reach the adopter
// only if it looks for them.
//
// Threads: its own, two for each connection; `stall` runs on one of them. Lifetime: the destructor
// cuts all connections and joins.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/fd.h"

namespace cairn::integration {

class StallingLink {
 public:
  // Listens at the path `listen`. Dies if it cannot.
  StallingLink(const std::string& listen, std::string engine, std::function<void()> stall);
  ~StallingLink();
  StallingLink(const StallingLink&) = delete;
  StallingLink& operator=(const StallingLink&) = delete;

  // `stall` has ended.
  [[nodiscard]] bool stalled() const;

 private:
  struct Pair {
    Fd adopter;
    Fd engine;
    bool replicates = false;
  };

  void Accept();
  void PassUp(Pair* pair);
  void PassDown(Pair* pair);
  void OnRequest(Pair* pair, std::string_view bytes);
  void AwaitRelease(const Pair& pair);

  const std::string engine_;
  const std::function<void()> stall_;
  Fd listener_;
  mutable absl::Mutex mutex_;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool stalled_ ABSL_GUARDED_BY(mutex_) = false;
  bool holds_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Pair>> pairs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> passers_ ABSL_GUARDED_BY(mutex_);
  std::thread accepter_;
};

}  // namespace cairn::integration
