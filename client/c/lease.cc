// cairn.h: leases.
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "client/c/lease_object.h"
#include "client/c/options.h"
#include "client/c/status.h"

namespace cairn::c {
namespace {

constexpr size_t kMaxHolder = 255;

absl::Status OpenLease(cairn_log log, const cairn_lease_options* given, void* context,
                       cairn_lease* lease) {
  if (lease == nullptr) return absl::InvalidArgumentError("lease: want a place for the handle");
  *lease = {0};
  ASSIGN_OR_RETURN(const cairn_lease_options options,
                   ReadOptions<cairn_lease_options>(given, CAIRN_LEASE_OPTIONS_INIT));
  ASSIGN_OR_RETURN(const OpenedLog opened, FindOpened(log));
  ASSIGN_OR_RETURN(LeaseOptions keep, ToLease(options));
  auto voice = std::make_shared<LeaseVoice>(opened.NewOutlet(context), options.on_unsafe);
  keep.on_at_risk = [voice] { voice->AtRisk(); };
  keep.on_lost = [voice](const absl::Status& why) { voice->Lost(why); };
  keep.on_granted = [voice](const absl::Status& granted) {
    voice->Say(std::make_unique<Event>(CAIRN_EVENT_LEASE_GRANTED, granted));
  };
  ASSIGN_OR_RETURN(auto keeper, LeaseKeeper::Start(opened.log, std::move(keep)));
  auto object = std::make_shared<LeaseObject>(opened.client, voice, std::move(keeper));
  lease->id = Handles::Get().Add(std::move(object));
  voice->Name(lease->id, nullptr);
  return absl::OkStatus();
}

absl::Status ReleaseLease(cairn_lease lease) {
  ASSIGN_OR_RETURN(const auto object, Handles::Get().Find<LeaseObject>(lease.id));
  const std::shared_ptr<LeaseKeeper> keeper = object->keeper();
  if (!keeper) return absl::CancelledError("the lease is being closed");
  keeper->ReleaseAsync([voice = object->voice()](const absl::Status& left) {
    voice->Say(std::make_unique<Event>(CAIRN_EVENT_LEASE_RELEASED, left));
  });
  return absl::OkStatus();
}

// What `look` finds at the lease's keeper; 0 without one.
template <class Look>
uint64_t AskKeeper(cairn_lease lease, Look look) noexcept {
  uint64_t answer = 0;
  Run(nullptr, [&] {
    const auto object = Handles::Get().Find<LeaseObject>(lease.id);
    if (!object.ok()) return object.status();
    const std::shared_ptr<LeaseKeeper> keeper = (*object)->keeper();
    if (keeper) answer = look(*keeper);
    return absl::OkStatus();
  });
  return answer;
}

}  // namespace

absl::StatusOr<LeaseOptions> ToLease(const cairn_lease_options& options) {
  LeaseOptions lease;
  lease.holder = Text(options.holder);
  // The keeper checks it too, but an election's only when it stands.
  if (lease.holder.empty() || lease.holder.size() > kMaxHolder) {
    return absl::InvalidArgumentError("holder: want 1 to 255 bytes that name this process");
  }
  lease.lease_name = Text(options.lease_name);
  lease.ttl = Millis(options.ttl_ms, lease.ttl);
  lease.call.timeout = Millis(options.timeout_ms);
  if (options.if_last_seq != CAIRN_ANY_SEQ) lease.if_last_seq = Seq{options.if_last_seq};
  return lease;
}

}  // namespace cairn::c

using cairn::c::Handles;
using cairn::c::Run;

cairn_code cairn_lease_open(cairn_log log, const cairn_lease_options* options, void* context,
                            cairn_lease* lease, cairn_status* status) {
  return Run(status, [&] { return cairn::c::OpenLease(log, options, context, lease); });
}

uint64_t cairn_lease_safe_us(cairn_lease lease) {
  return cairn::c::AskKeeper(lease, [](const cairn::LeaseKeeper& keeper) {
    return static_cast<uint64_t>(absl::ToInt64Microseconds(keeper.SafeFor()));
  });
}

uint64_t cairn_lease_epoch(cairn_lease lease) {
  return cairn::c::AskKeeper(
      lease, [](const cairn::LeaseKeeper& keeper) { return keeper.epoch().value(); });
}

cairn_code cairn_lease_release(cairn_lease lease, cairn_status* status) {
  return Run(status, [&] { return cairn::c::ReleaseLease(lease); });
}

cairn_code cairn_lease_close(cairn_lease lease) {
  return Run(nullptr, [&] { return Handles::Get().Close<cairn::c::LeaseObject>(lease.id); });
}
