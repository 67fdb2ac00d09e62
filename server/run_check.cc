#include "server/run_check.h"

#include <fmt/format.h>

#include "base/status_macros.h"
#include "base/strings.h"
#include "consensus/membership.h"
#include "consensus/message.h"
#include "storage/entry_codec.h"

namespace cairn::server {
namespace {

absl::Status Wrong(const std::string& what) { return absl::DataLossError(ToAbsl(what)); }

}  // namespace

RunCheck::RunCheck(const RunRequest& request)
    : through_(request.through), last_(request.prev), position_(request.position) {}

absl::Status RunCheck::Take(const storage::EntryRef& entry) {
  if (entry.index != next() || entry.index > through_.index) {
    return Wrong(fmt::format("entry {} arrived, expected {} through {}", entry.index, next(),
                             through_.index));
  }
  if (entry.term < last_.term || entry.term > through_.term) {
    return Wrong(fmt::format("entry {} is of term {}, expected {} to {}", entry.index, entry.term,
                             last_.term, through_.term));
  }
  const auto kind = static_cast<consensus::EntryKind>(entry.kind);
  switch (kind) {
    case consensus::EntryKind::kData:
      RETURN_IF_ERROR(TakeData(entry));
      break;
    case consensus::EntryKind::kConfig:
      RETURN_IF_ERROR(consensus::DecodeMembership(entry.payload).status());
      break;
    case consensus::EntryKind::kNoop:
      break;
    default:
      return Wrong(fmt::format("entry {} has the unknown kind {}", entry.index, entry.kind));
  }
  last_ = {entry.term, entry.index};
  bytes_ += entry.payload.size();
  const bool read = kind == consensus::EntryKind::kConfig;
  entries_.push_back(
      {entry.index, entry.term, kind, read ? Bytes(std::string(entry.payload)) : Bytes()});
  return absl::OkStatus();
}

absl::Status RunCheck::TakeData(const storage::EntryRef& entry) {
  ASSIGN_OR_RETURN(const storage::EntryView view, storage::EntryView::Parse(entry.payload));
  const storage::EntryHeader& header = view.header();
  if (header.first_seq != position_.last_seq + 1 || header.timestamp_us < position_.timestamp_us) {
    return Wrong(fmt::format("entry {} begins with seq {} at {}, expected {} at {} or later",
                             entry.index, header.first_seq, header.timestamp_us,
                             position_.last_seq + 1, position_.timestamp_us));
  }
  if (const uint64_t chain = view.ComputeChain(position_.chain); chain != header.chain) {
    return Wrong(fmt::format("entry {} has chain {:016x}, expected {:016x}", entry.index,
                             header.chain, chain));
  }
  position_ = {header.last_seq(), header.chain, header.timestamp_us};
  return absl::OkStatus();
}

absl::Status RunCheck::Finish() const {
  if (last_ == through_) return absl::OkStatus();
  return Wrong(fmt::format("the run ends at {}, expected {}", consensus::ToString(last_),
                           consensus::ToString(through_)));
}

}  // namespace cairn::server
