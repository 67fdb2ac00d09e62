#include "storage/archive/run_path.h"

#include <algorithm>
#include <map>
#include <utility>

namespace cairn::archive {
namespace {

using Ends = std::multimap<Seq, const StoredRun*>;  // By last seq.

// A run that ends at `seq`, on `chain` if that is known; null: there is none. Of several the one
// that begins first.
const StoredRun* EndingAt(const Ends& ends, Seq seq, std::optional<uint64_t> chain) {
  const StoredRun* found = nullptr;
  const auto [begin, end] = ends.equal_range(seq);
  for (auto at = begin; at != end; ++at) {
    const RunName& name = at->second->name;
    if (chain && name.chain != *chain) continue;
    if (found == nullptr || name.first_seq < found->name.first_seq) found = at->second;
  }
  return found;
}

// The run that reaches furthest, but not to `below`; null: there is none.
const StoredRun* FurthestBelow(const Ends& ends, Seq below) {
  const auto at = ends.lower_bound(below);
  if (at == ends.begin()) return nullptr;
  return EndingAt(ends, std::prev(at)->first, std::nullopt);
}

// Where the run with the newest record ends: a history that was given up may have gone further.
std::optional<RunPath::End> NewestEnd(const std::vector<StoredRun>& runs) {
  const auto newest =
      std::max_element(runs.begin(), runs.end(), [](const StoredRun& a, const StoredRun& b) {
        return std::pair(a.name.timestamp_us, a.name.last_seq) <
               std::pair(b.name.timestamp_us, b.name.last_seq);
      });
  if (newest == runs.end()) return std::nullopt;
  return RunPath::End{newest->name.last_seq, newest->name.chain};
}

}  // namespace

RunPath::RunPath(std::vector<StoredRun> runs, std::optional<End> end) {
  Ends ends;
  for (const StoredRun& run : runs) ends.emplace(run.name.last_seq, &run);
  if (!end) end = NewestEnd(runs);
  if (!end) return;
  // What the next run, going down, has to end with.
  Seq seq = end->seq;
  std::optional<uint64_t> chain = end->chain;
  while (seq) {
    const StoredRun* run = EndingAt(ends, seq, chain);
    if (run == nullptr) {
      run = FurthestBelow(ends, seq);
      if (run == nullptr) break;
      gaps_.push_back({run->name.last_seq + 1, seq});
    }
    runs_.push_back(*run);
    seq = run->name.first_seq.Previous();
    chain = run->name.chain_before;
  }
  std::reverse(runs_.begin(), runs_.end());
  std::reverse(gaps_.begin(), gaps_.end());
  dead_ends_ = runs.size() - runs_.size();
}

const StoredRun* RunPath::Find(Seq seq) const {
  const auto at = std::partition_point(
      runs_.begin(), runs_.end(), [&](const StoredRun& run) { return run.name.last_seq < seq; });
  return at != runs_.end() && at->name.first_seq <= seq ? &*at : nullptr;
}

const StoredRun* RunPath::FirstUnbroken() const {
  if (runs_.empty()) return nullptr;
  if (gaps_.empty()) return &runs_.front();
  return Find(gaps_.back().last_seq + 1);
}

const StoredRun* RunPath::FindTime(int64_t timestamp_us) const {
  const auto at = std::partition_point(runs_.begin(), runs_.end(), [&](const StoredRun& run) {
    return run.name.timestamp_us < timestamp_us;
  });
  return at != runs_.end() ? &*at : nullptr;
}

}  // namespace cairn::archive
