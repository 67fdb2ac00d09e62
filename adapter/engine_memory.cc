#include "adapter/engine_memory.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::adapter {

void EngineMemory::Follow(Seq acked, StreamOffset offset) {
  Forget();
  kind_ = Kind::kFollows;
  fed_ = acked;
  acked_ = acked;
  acked_offset_ = offset;
}

void EngineMemory::Fed(const EngineFedEvent& fed) {
  if (!follows()) return;
  CHECK_LE(fed.acked_seq, fed.fed_seq);
  fed_ = std::max(fed_, fed.fed_seq);
  acked_ = std::max(acked_, fed.acked_seq);
  acked_offset_ = std::max(acked_offset_, fed.acked_offset);
}

void EngineMemory::Promoted(const Meeting& base) {
  Forget();
  kind_ = Kind::kLeads;
  history_ = base.place.history;
  meeting_ = base;
}

void EngineMemory::Claim(const StreamPlace& place) {
  Forget();
  kind_ = Kind::kLeads;
  history_ = place.history;
  claimed_ = place.offset;
}

void EngineMemory::Seen(const std::optional<Meeting>& published) {
  if (!leads() || !published || published->place.history != history_) return;
  if (meeting_ && published->seq <= meeting_->seq) return;
  meeting_ = published;
}

void EngineMemory::Stopped(const PublisherStoppedEvent& stopped) {
  CHECK_LE(stopped.appended, stopped.read);
  if (leads() && stopped.history == history_) stopped_ = stopped;
}

bool EngineMemory::IsOutvoted(const std::optional<Meeting>& published, Epoch others) const {
  CHECK(leads());
  if (!meeting_) return true;
  // It has said less than the log holds of it: it is not the memory that it says it is.
  if (claimed_ && *claimed_ < meeting_->place.offset) return true;
  const bool other_data =
      published && published->place.history != history_ && published->seq > meeting_->seq;
  return other_data || others.value() > meeting_->seq.value();
}

std::optional<Meeting> EngineMemory::Proof() const {
  if (!leads() || !meeting_) return std::nullopt;
  Meeting proof = *meeting_;
  if (!stopped_.history.empty() && stopped_.appended == proof.place.offset)
    proof.place.offset = stopped_.read;
  return proof;
}

}  // namespace cairn::adapter
