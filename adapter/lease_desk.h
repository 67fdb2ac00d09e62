// LeaseDesk: does the role machine's orders about the lease, and tells what came of them.
//
//   Role ──Campaign, TakeOver, AdoptLease, Transfer, Release, Drop──► LeaseDesk ──LeaseKeeper──►
//   log
//        ◄─Granted, Refused, AttemptUnknown, Transferred, …, LeaseSafe, LeaseLost──
//
// At most one lease is held. From the moment it is on its way out its guard says no: before the
// request leaves for a Release or Transfer, at once for a Drop. Only a certain refusal of a
// Transfer makes the guard safe again.
//
// Threads: the engine thread; calls that block run in the Background. The keeper's callback only
// revokes the guard and asks for a look. Lifetime: Stop() before it is destroyed.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "adapter/background.h"
#include "adapter/denial_note.h"
#include "adapter/holder_names.h"
#include "adapter/lease_guard.h"
#include "adapter/role_events.h"
#include "cairn/lease_keeper.h"
#include "cairn/log.h"

namespace cairn::adapter {

class LeaseDesk {
 public:
  struct Options {
    std::string lease_name = "primary";
    absl::Duration ttl = absl::Seconds(2);
    // Of one call; an acquisition that takes longer than the lease lives is of no use.
    absl::Duration call_timeout = absl::Seconds(2);
  };
  using Tell = std::function<void(RoleEvent)>;

  LeaseDesk(asio::any_io_executor executor, Background* background, Log log, Options options,
            const HolderNames* names, const Clock* clock, Tell tell);
  ~LeaseDesk();
  LeaseDesk(const LeaseDesk&) = delete;
  LeaseDesk& operator=(const LeaseDesk&) = delete;

  void Do(const CampaignOrder& order);
  void Do(const TakeOverOrder& order);
  void Do(const AdoptLeaseOrder& order);
  void Do(const TransferOrder& order);
  void Do(const ReleaseOrder& order);
  void Do(const DropLeaseOrder& order);

  // Tells whether the lease is still safe, and until when. To be called a few times per TTL.
  void Look();

  // Of the lease that is held; else one that says no.
  [[nodiscard]] const std::shared_ptr<LeaseGuard>& guard() const { return guard_; }

  // Waits for what is under way; a lease that is still held runs out.
  asio::awaitable<void> Stop();

 private:
  using Granted = absl::StatusOr<std::shared_ptr<LeaseKeeper>>;

  [[nodiscard]] LeaseOptions KeeperOptions(uint64_t attempt,
                                           const std::shared_ptr<LeaseGuard>& guard);
  void Attempt(uint64_t attempt, std::shared_ptr<LeaseGuard> guard,
               std::function<Granted()> acquire);
  asio::awaitable<void> RunAttempt(uint64_t attempt, std::shared_ptr<LeaseGuard> guard,
                                   std::function<Granted()> acquire);
  asio::awaitable<void> RunTransfer(TransferOrder order);
  asio::awaitable<void> RunRelease(Epoch epoch, std::shared_ptr<LeaseKeeper> keeper);
  void Spawn(asio::awaitable<void> coroutine);
  void LetGo();

  const asio::any_io_executor executor_;
  Background* const background_;
  const Log log_;
  const Options options_;
  const HolderNames* const names_;
  const Clock* const clock_;
  const Tell tell_;
  // What comes from other threads is for a living desk.
  std::shared_ptr<LeaseDesk*> self_;
  std::shared_ptr<LeaseKeeper> keeper_;
  std::shared_ptr<LeaseGuard> guard_;
  DenialNote denial_;
  bool transferring_ = false;
  size_t under_way_ = 0;
};

}  // namespace cairn::adapter
