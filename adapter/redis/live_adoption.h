// LiveAdoption: takes over the data of a live Redis elsewhere, while it serves its clients, and in
// the end its place.
//
//   live engine ──dump──► snapshot as of our lease's grant (adoption.h)
//               ──stream──► StreamPublisher ──► log ──► agents of the cache, which follow
//   cut over: writes stop ─► all of them are committed ─► the lease goes to an agent, which is
//             the primary within moments ─► the live engine takes writes no more
//
// It holds the lease of the cache meanwhile, so that no agent becomes the primary before. If it is
// stopped or dies before the cut-over, the live engine is as it was, and the log holds a copy that
// goes no further: one begins again with another log.
//
// At the cut-over the live engine's writes wait (CLIENT PAUSE), until most is committed, and are
// then refused for good (min-replicas-to-write), since a client that still writes there would be
// lost to the cache. Reads go on. The pause ends by itself and may be over before the refusal,
// whose requests the engine may let wait: so what is to be committed before the hand-over is looked
// up behind the refusal. If the hand-over fails, writes are taken again.
//
// Threads: the engine thread. Lifetime: Run must have returned before this is destroyed.
// Bounds: as Adoption's; what the log has not taken yet waits in the live engine, whose backlog is
// raised while the dump is on its way. Errors: those of its parts; kFailedPrecondition when the
// live engine is no primary, or the log has data or a primary.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/adoption.h"
#include "adapter/redis/engine_facts.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/live_settings.h"
#include "adapter/redis/stream_publisher.h"
#include "cairn/client.h"
#include "cairn/lease_keeper.h"
#include "cairn/log.h"

namespace cairn::adapter::redis {

struct LiveAdoptionOptions {
  EngineAddress from;
  std::string directory;       // Exists; absolute, and this process's alone.
  bool cut_over_asap = false;  // As soon as little is left; else when RequestCutOver was called.
  absl::Duration lease_ttl = absl::Seconds(5);
};

struct LiveAdoptionLag {
  uint64_t bytes = 0;  // Behind the live engine's own offset.
  Seq committed_seq;
};

struct LiveAdoptionResult {
  std::string primary;  // The agent's address.
  Seq seq;              // Committed through there when it took over.
  KeyspaceDigest adopted;
  int64_t writes_stopped_us = 0;
};

class LiveAdoption : private StreamPublisherOwner {
 public:
  using OnLag = std::function<void(const LiveAdoptionLag&)>;

  LiveAdoption(ReplayHost host, Client* client, Log log, LiveAdoptionOptions options,
               const Clock* clock, OnLag on_lag);
  ~LiveAdoption() override;
  LiveAdoption(const LiveAdoption&) = delete;
  LiveAdoption& operator=(const LiveAdoption&) = delete;

  // Until it is cut over.
  asio::awaitable<absl::StatusOr<LiveAdoptionResult>> Run();
  void RequestCutOver() { cut_over_ = true; }
  // A run under way ends soon, with kCancelled.
  void Cancel();

 private:
  struct Heir {
    std::string holder;
    std::string address;
  };

  asio::awaitable<absl::StatusOr<LiveAdoptionResult>> Work();
  asio::awaitable<absl::Status> MeetLiveEngine();
  asio::awaitable<absl::Status> TakeLease();
  asio::awaitable<absl::Status> TakeData();
  asio::awaitable<absl::StatusOr<LiveAdoptionResult>> Follow();
  asio::awaitable<absl::StatusOr<LiveAdoptionLag>> Look();
  asio::awaitable<absl::Status> Reattach();
  asio::awaitable<absl::StatusOr<LiveAdoptionResult>> CutOver();
  asio::awaitable<void> Unpause();
  asio::awaitable<absl::Status> HandOver(Heir heir, LiveAdoptionResult* result);
  asio::awaitable<absl::Status> Drain();
  asio::awaitable<absl::Status> RefuseWrites();
  asio::awaitable<absl::Status> TakeWritesAgain();
  asio::awaitable<absl::Status> Transfer(Heir heir, Seq seq);
  asio::awaitable<absl::StatusOr<Heir>> FindHeir();
  asio::awaitable<absl::Status> Command(std::vector<std::string> argv);
  asio::awaitable<void> LetGo();
  asio::awaitable<void> PutBackAll();

  void OnCommitted(StreamOffset offset, Seq seq) override;
  void OnPublisherFailed(PublisherTrouble why, const absl::Status& status) override;

  const ReplayHost host_;
  Client* const client_;
  const Log log_;
  const LiveAdoptionOptions options_;
  const Clock* const clock_;
  const OnLag on_lag_;
  EngineLink link_;
  EngineVersion version_;
  LiveSettings settings_;
  std::shared_ptr<LeaseKeeper> keeper_;
  bool given_ = false;  // The lease is an agent's, or may be.
  std::unique_ptr<Adoption> adoption_;
  KeyspaceDigest adopted_;
  std::unique_ptr<StreamPublisher> publisher_;
  bool reattach_ = false;  // Only the connection broke.
  bool cut_over_ = false;
  bool cancelled_ = false;
  absl::Status status_;
  WakeUp moved_;
};

}  // namespace cairn::adapter::redis
