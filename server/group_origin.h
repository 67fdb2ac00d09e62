// GroupOrigin: what a group begins with, worked out of what its store has kept, or of nothing.
//
//   GroupStart (host) ──OriginOf──► GroupOrigin ──► Raft's initial state, the log's, the first row
//
// Threads: values. Errors: kDataLoss for rows that do not parse, whose checksums were right: a
// newer program's, or damage before they were written.
#pragma once

#include "absl/status/statusor.h"
#include "consensus/membership.h"
#include "consensus/raft_core.h"
#include "server/group.h"
#include "server/log_facts.h"
#include "storage/log_store.h"

namespace cairn::server {

struct GroupOrigin {
  consensus::InitialState raft{};
  consensus::Standing standing = consensus::Standing::kSound;
  // Of the newest segment row; entries behind it are applied again.
  LogFacts facts;
  storage::SegmentRow first_row;  // Of a group of which nothing is stored.
  // What is stored may lack something that was acknowledged: the start or some row says so.
  bool doubtful = false;
};

// Of a start with nothing stored, a new group of its initial voters.
absl::StatusOr<GroupOrigin> OriginOf(const GroupStart& start);

// Of a group without entries, whatever the start has stored.
GroupOrigin EmptyOrigin(const GroupStart& start, const consensus::Membership& membership,
                        bool doubtful);

}  // namespace cairn::server
