#include "cli/chain_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/record_region.h"
#include "cli/units.h"

namespace cairn::cli {

ChainCheck::ChainCheck(const std::vector<SegmentInfo>& segments, Seq first_seq) {
  std::copy_if(segments.begin(), segments.end(), std::back_inserter(segments_),
               [&](const SegmentInfo& segment) {
                 return segment.last_seq && segment.last_seq >= first_seq;
               });
  if (segments_.empty()) return;
  next_seq_ = segments_.front().first_seq;
  chain_ = segments_.front().chain_before;
  if (first_seq <= next_seq_) return;
  next_seq_ = first_seq;
  chain_known_ = false;
  segments_begun_ = 1;
}

absl::Status ChainCheck::Add(Seq seq, std::string_view record) {
  if (seq != next_seq_) {
    return absl::DataLossError(fmt::format("expected seq {}, found {}", next_seq_, seq));
  }
  if (segments_begun_ < segments_.size() && segments_[segments_begun_].first_seq == seq) {
    const uint64_t promised = segments_[segments_begun_].chain_before;
    if (!chain_known_) {
      chain_ = promised;
      chain_known_ = true;
    }
    if (promised != chain_) {
      return absl::DataLossError(
          fmt::format("the segment at seq {} begins on chain {}, but the "
                      "records before it give {}",
                      seq, FormatHash(promised), FormatHash(chain_)));
    }
    ++segments_begun_;
  }
  chain_ = ChainNext(chain_, record);
  ++next_seq_;
  ++records_;
  bytes_ += record.size();
  return absl::OkStatus();
}

absl::Status ChainCheck::ExpectChain(uint64_t chain) {
  if (!chain_known_ && chain != 0) {
    chain_ = chain;
    chain_known_ = true;
  }
  if (chain == 0 || chain == chain_) return absl::OkStatus();
  return absl::DataLossError(fmt::format("the chain at seq {} is {}, but the records give {}",
                                         next_seq_.Previous(), FormatHash(chain),
                                         FormatHash(chain_)));
}

absl::Status ChainCheck::Finish(Seq last_seq, uint64_t chain) {
  if (segments_.empty()) return absl::OkStatus();
  if (next_seq_ != last_seq + 1) {
    return absl::DataLossError(fmt::format("records {} … {} are missing", next_seq_, last_seq));
  }
  return ExpectChain(chain);
}

}  // namespace cairn::cli
