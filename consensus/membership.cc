#include "consensus/membership.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::consensus {
namespace {

constexpr char kPlainFormat = 1;
constexpr char kVersionedFormat = 2;
// A configuration of more members than this is taken for damage when it is decoded.
constexpr uint64_t kMaxMembers = 4096;

bool Has(const std::vector<NodeId>& sorted, NodeId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

// Sorts `ids`; false when one is zero or repeated.
bool Normalize(std::vector<NodeId>& ids) {
  std::sort(ids.begin(), ids.end());
  return std::adjacent_find(ids.begin(), ids.end()) == ids.end() &&
         (ids.empty() || ids.front() != NodeId());
}

void PutU64(std::string& out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

void PutList(std::string& out, const std::vector<NodeId>& ids) {
  PutU64(out, ids.size());
  for (const NodeId id : ids) PutU64(out, id.value());
}

// Reads what PutList wrote, from `offset` on, and moves it.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  absl::Status Format() {
    if (bytes_.empty() || (bytes_[0] != kPlainFormat && bytes_[0] != kVersionedFormat)) {
      return Damaged("unknown format");
    }
    offset_ = 1;
    return absl::OkStatus();
  }

  // What follows the lists; the last that is read. Version 0 is written in the plain format.
  absl::Status Version(uint64_t& version) {
    if (bytes_[0] == kVersionedFormat && (!U64(version) || version == 0)) {
      return Damaged("no version");
    }
    return offset_ == bytes_.size() ? absl::OkStatus() : Damaged("bytes left over");
  }

  absl::Status List(std::vector<NodeId>& ids) {
    uint64_t count = 0;
    if (!U64(count) || count > kMaxMembers) return Damaged("bad count");
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t id = 0;
      if (!U64(id) || id == 0) return Damaged("bad id");
      if (!ids.empty() && NodeId(id) <= ids.back()) return Damaged("ids out of order");
      ids.push_back(NodeId(id));
    }
    return absl::OkStatus();
  }

 private:
  bool U64(uint64_t& value) {
    if (bytes_.size() - offset_ < 8) return false;
    for (int i = 7; i >= 0; --i) {
      value = value << 8 | static_cast<uint8_t>(bytes_[offset_ + static_cast<size_t>(i)]);
    }
    offset_ += 8;
    return true;
  }

  [[nodiscard]] absl::Status Damaged(const char* what) const {
    return absl::DataLossError(fmt::format("membership: {} at byte {}", what, offset_));
  }

  std::string_view bytes_;
  size_t offset_ = 0;
};

void AppendList(std::string& out, const char* name, const std::vector<NodeId>& ids) {
  if (ids.empty()) return;
  if (!out.empty()) out += ' ';
  out += fmt::format("{}={}", name, fmt::join(ids, ","));
}

}  // namespace

bool Membership::IsVoter(NodeId id) const { return Has(voters, id) || Has(outgoing, id); }

bool Membership::IsLearner(NodeId id) const { return Has(learners, id) && !IsVoter(id); }

bool Membership::Contains(NodeId id) const { return IsVoter(id) || Has(learners, id); }

std::vector<NodeId> Membership::All() const {
  std::vector<NodeId> all = voters;
  all.insert(all.end(), outgoing.begin(), outgoing.end());
  all.insert(all.end(), learners.begin(), learners.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

absl::StatusOr<Membership> BeginChange(const Membership& current, const MembershipChange& change) {
  if (current.joint()) {
    return absl::FailedPreconditionError(
        fmt::format("a membership change is under way: {}", ToString(current)));
  }
  if (change.version < current.version) {
    return absl::InvalidArgumentError(fmt::format("version {} of the placement is in force, not {}",
                                                  current.version, change.version));
  }
  Membership next{.voters = change.voters,
                  .outgoing = {},
                  .learners = change.learners,
                  .version = change.version};
  if (!Normalize(next.voters) || !Normalize(next.learners)) {
    return absl::InvalidArgumentError("a node id is zero or is named twice");
  }
  if (next.voters.empty()) return absl::InvalidArgumentError("no voter would be left");
  for (const NodeId id : next.voters) {
    if (Has(next.learners, id)) {
      return absl::InvalidArgumentError(fmt::format("node {} is both voter and learner", id));
    }
    if (!current.Contains(id)) {
      return absl::InvalidArgumentError(
          fmt::format("node {} must be a learner before it can vote", id));
    }
  }
  if (next.voters != current.voters) next.outgoing = current.voters;
  return next;
}

Membership LeaveJoint(const Membership& current) {
  CHECK(current.joint());
  Membership next = current;
  next.outgoing.clear();
  return next;
}

std::string EncodeMembership(const Membership& membership) {
  std::string out(1, membership.version == 0 ? kPlainFormat : kVersionedFormat);
  PutList(out, membership.voters);
  PutList(out, membership.outgoing);
  PutList(out, membership.learners);
  if (membership.version != 0) PutU64(out, membership.version);
  return out;
}

absl::StatusOr<Membership> DecodeMembership(std::string_view bytes) {
  Membership membership;
  Reader reader(bytes);
  RETURN_IF_ERROR(reader.Format());
  RETURN_IF_ERROR(reader.List(membership.voters));
  RETURN_IF_ERROR(reader.List(membership.outgoing));
  RETURN_IF_ERROR(reader.List(membership.learners));
  RETURN_IF_ERROR(reader.Version(membership.version));
  return membership;
}

std::string ToString(const Membership& membership) {
  std::string out;
  AppendList(out, "voters", membership.voters);
  AppendList(out, "outgoing", membership.outgoing);
  AppendList(out, "learners", membership.learners);
  if (membership.version != 0) out += fmt::format(" version={}", membership.version);
  return out;
}

}  // namespace cairn::consensus
