// Where to send: what the client knows of the cluster's nodes, and one search among them.
//
// RouteTable is shared by all calls of a Client: the endpoints, who led each log last, and which
// endpoint answered last. Route is the search of one call or stream: it begins at the best guess,
// follows NOT_LEADER hints, goes round the endpoints when a node fails, and pauses 10–20 ms per
// round, so that a new leader is found within a few tens of milliseconds of its election.
//
// Threads: RouteTable any, under one leaf lock. Route: its owner's.
// Bounds: 64 endpoints, 4,096 remembered leaders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/random.h"
#include "client/src/retry.h"

namespace cairn::client {

class RouteTable {
 public:
  // Requires: `endpoints` is not empty. `seed` picks the first one and the jitter, so that many
  // clients do not all begin at the same node.
  RouteTable(std::vector<std::string> endpoints, uint64_t seed);

  // The node that led `log` last; empty when not known.
  std::string Leader(std::string_view log) const;
  void SetLeader(std::string_view log, std::string_view endpoint);
  // Forgets it, unless somebody has learned a newer one since.
  void ForgetLeader(std::string_view log, std::string_view endpoint);

  // The endpoint that answered last, or the first guess.
  std::string Preferred() const;
  void Prefer(std::string_view endpoint);
  // The one after `endpoint`, in a fixed circle that holds all known endpoints.
  std::string After(std::string_view endpoint) const;
  size_t size() const;

  // Uniform in [low_us, high_us].
  int64_t Jitter(int64_t low_us, int64_t high_us);

 private:
  size_t Find(std::string_view endpoint) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remember(std::string_view endpoint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Random random_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> endpoints_ ABSL_GUARDED_BY(mutex_);
  size_t preferred_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, std::string> leaders_ ABSL_GUARDED_BY(mutex_);
};

class Route {
 public:
  enum class Goal {
    kLeader,  // Only the leader of the log can serve it.
    kAny,     // Any replica can.
    kPinned,  // This endpoint and no other.
  };

  // `log` may be empty (the catalog). `first` is asked first, if not empty; kPinned requires it.
  // `table` must outlive the route.
  Route(RouteTable& table, std::string log, Goal goal, std::string first = {});

  // The endpoint to try now.
  [[nodiscard]] const std::string& current() const { return current_; }

  // `current()` failed with `status`, which was judged `verdict` (not kGiveUp). Moves on, and
  // returns how long to pause before the next try, in microseconds.
  int64_t OnFailure(const absl::Status& status, Verdict verdict);

  // `current()` served. Also ends a search: the next failure begins a new one.
  void OnSuccess();

  // Endpoints tried in vain since the last success.
  [[nodiscard]] uint64_t misses() const { return misses_; }
  [[nodiscard]] uint64_t full_rounds() const { return rounds_; }

 private:
  int64_t FollowHint(const std::string& leader);
  int64_t NextInCircle();
  int64_t RoundPauseUs();
  bool IsSuspect(const std::string& endpoint) const;

  RouteTable& table_;
  const std::string log_;
  const Goal goal_;
  std::string current_;
  // Endpoints that failed in this round. A follower goes on naming a dead leader until the next
  // election; a hint to a suspect is not followed.
  std::vector<std::string> suspects_;
  uint64_t misses_ = 0;
  uint64_t rounds_ = 0;
};

}  // namespace cairn::client
