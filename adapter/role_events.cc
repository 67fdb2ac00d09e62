#include "adapter/role_events.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/overloaded.h"

namespace cairn::adapter {
namespace {

std::string_view Name(FrontMode mode) {
  switch (mode) {
    case FrontMode::kClosed:
      return "closed";
    case FrontMode::kReplica:
      return "replica";
    case FrontMode::kPrimary:
      return "primary";
    case FrontMode::kPausing:
      return "pausing";
    case FrontMode::kHolding:
      return "holding";
  }
  CHECK_UNREACHABLE();
}

std::string Text(const StreamPlace& place) {
  return fmt::format("{}:{}", place.history, place.offset);
}

std::string Text(const AttachOrder& order) {
  switch (order.kind) {
    case AttachKind::kOpen:
      return fmt::format("attach epoch={} from={}", order.epoch, Text(order.from));
    case AttachKind::kAgain:
      return fmt::format("attach-again epoch={}", order.epoch);
    case AttachKind::kAdopt:
      return fmt::format("attach-adopting epoch={}", order.epoch);
  }
  CHECK_UNREACHABLE();
}

std::string Text(const TakeOverOrder& order) {
  const std::string text = fmt::format("take-over #{} epoch={}", order.attempt, order.epoch);
  return order.if_last_seq ? text + fmt::format(" if_last_seq={}", *order.if_last_seq) : text;
}

std::string Text(const ResyncOrder& order) {
  if (!order.meeting) return "resync full";
  return fmt::format("resync behind={} if={}", order.meeting->seq, Text(order.meeting->place));
}

std::string Text(const FrontOrder& order) {
  if (!order.epoch) return fmt::format("front {}", Name(order.mode));
  return fmt::format("front {} epoch={}", Name(order.mode), order.epoch);
}

}  // namespace

std::string Describe(const RoleOrder& order) {
  return std::visit(
      Overloaded{
          [](const CampaignOrder& o) {
            return fmt::format("campaign #{} if_last_seq={}", o.attempt, o.if_last_seq);
          },
          [](const AdoptLeaseOrder& o) {
            return fmt::format("adopt-lease #{} epoch={}", o.attempt, o.epoch);
          },
          [](const ReleaseOrder& o) { return fmt::format("release epoch={}", o.epoch); },
          [](const DropLeaseOrder& o) { return fmt::format("drop-lease epoch={}", o.epoch); },
          [](const TransferOrder& o) {
            return fmt::format("transfer epoch={} to={} if_last_seq={}", o.epoch, o.heir,
                               o.if_last_seq);
          },
          [](const FeedOrder& o) {
            return o.through ? fmt::format("feed through={}", *o.through) : "feed all";
          },
          [](const PromoteOrder& o) { return fmt::format("promote at={}", o.expected); },
          [](const StopPublisherOrder&) { return std::string("stop-publisher"); },
          [](const DrainOrder& o) { return fmt::format("drain #{}", o.drain); },
          [](const ReportOrder& o) { return fmt::format("report: {}", o.what); },
          [](const ExitOrder&) { return std::string("exit"); },
          [](const auto& o) { return Text(o); },
      },
      order);
}

}  // namespace cairn::adapter
