// RecoveredCatalog: the catalog of a cluster that one node of another one goes on as, made of what
// that node's replica of the old catalog said (docs/decisions/031).
//
// The new catalog is a log of its own, from its first record on: the one member, the logs that were
// kept, with their settings, and the whole policy. Nothing of the old one's ids comes back. Log ids
// begin above all that the old cluster can have given, also in a part of its catalog that is lost,
// and node ids likewise; both leave a gap that no cluster fills. The gap of log ids is random, so
// that two recoveries of one directory do not name their logs alike either.
//
// Deterministic, but for what `random` yields. Threads: the caller's.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "server/catalog.h"
#include "storage/log_visitor.h"

namespace cairn::server {

// Reads the old catalog's log into a Catalog.
class CatalogReader final : public storage::LogVisitor {
 public:
  absl::Status OnSegment(const storage::SegmentRow&) override { return absl::OkStatus(); }
  // Errors: kDataLoss: its records contradict each other.
  absl::Status OnEntry(const storage::StoredEntry& entry) override;
  [[nodiscard]] const Catalog& catalog() const { return catalog_; }

 private:
  Catalog catalog_{~uint32_t{0}};
};

// Who is left, as it shall be called from now on.
struct Survivor {
  std::string cluster_id;  // The new one.
  CatalogMember member;
};

// A node id that the cluster of `old` has not given, nor can have in what is not known of it.
NodeId NodeIdAfter(const Catalog& old);
// Where the ids of logs begin: above all that are known, of which `highest` is one more.
uint64_t LogIdBaseAfter(const Catalog& old, GroupId highest, Random& random);

class RecoveredCatalog {
 public:
  // Begins with the member and the policy of `old`. Errors: kInvalidArgument: the member's name or
  // address is none.
  static absl::StatusOr<RecoveredCatalog> Begin(const Survivor& survivor, uint64_t log_id_base,
                                                const Catalog& old);
  // Adds a log; returns its id. Errors: kInvalidArgument, when the name is taken or none.
  absl::StatusOr<GroupId> AddLog(const std::string& name, const cairn::v1::LogSettings& settings);
  // As group 0 of `store`. Errors: the store's.
  absl::Status WriteTo(storage::LogStore& store, TurnTime now) const;

  [[nodiscard]] const Catalog& catalog() const { return catalog_; }

 private:
  // Appends what Judge makes of it. Returns the answer.
  absl::StatusOr<CatalogDone> Add(const cairn::v1::CatalogCommand& command);
  absl::Status AddPolicy(const AccessPolicy& policy);

  NodeId node_;
  Catalog catalog_{~uint32_t{0}};
  std::vector<std::string> payloads_;
};

}  // namespace cairn::server
