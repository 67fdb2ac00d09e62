// DataDir: the directory itself: its mode, who may use it, which version of it this is, and
// whether it is to be trusted.
//
// Creation is finished by FORMAT, the last file to appear: a directory without it was never
// in use (unless it holds turns, which the opener checks). VERDICT stands there from the
// moment that damage was found, before anything is cut, until the node was made whole. DAMAGED
// says that the database itself has to be rebuilt at the next start; IDENTITY, which node that
// will be then (rocks_rebuild.cc).
//
// Threads: not safe, but for NoteDamage. The lock is held until destruction.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/log_store.h"

namespace cairn::storage {

inline constexpr int kDirectoryFormat = 1;

class DataDir {
 public:
  // Makes the directory if `create`, takes its lock, reads its version. Errors (each names
  // the directory and the way out): kFailedPrecondition: in use, newer, or something else's
  // directory; kNotFound: no store and not `create`; kDataLoss: FORMAT is not readable.
  static absl::StatusOr<std::unique_ptr<DataDir>> Open(const std::string& path, bool create);
  // For one who only looks: takes the lock, if there is a file for it, and writes nothing, not even
  // who holds it. What stands in FORMAT is for the caller to ask. Errors: kNotFound: no directory;
  // kFailedPrecondition: in use; kPermissionDenied.
  static absl::StatusOr<std::unique_ptr<DataDir>> OpenToRead(const std::string& path);
  // Gives the directory `draft`, which nobody has open, the name `path`, durably. Requires: both
  // have one parent; `path` is an empty directory, or nothing.
  static absl::Status Publish(const std::string& draft, const std::string& path);
  ~DataDir();
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string File(const char* name) const { return path_ + "/" + name; }
  // No FORMAT yet: the opener has to make the store and then call FinishCreation.
  [[nodiscard]] bool is_new() const { return is_new_; }
  absl::Status FinishCreation();
  // What FORMAT holds, and nothing else.
  [[nodiscard]] static std::string FormatText();
  // As FORMAT says it. Errors: kNotFound: there is none; kDataLoss: it is not readable.
  [[nodiscard]] absl::StatusOr<int> FormatVersion() const;
  // kFailedPrecondition if this program does not know that version.
  [[nodiscard]] absl::Status CheckVersion(int version) const;

  // kSound without the file; kLost when it does not say anything known.
  [[nodiscard]] RecoveryVerdict StoredVerdict() const;
  // Durable before they return.
  absl::Status StoreVerdict(RecoveryVerdict verdict, const std::string& detail);
  absl::Status ClearVerdict();

  // Who this node is, beside the database. Errors of Load: kDataLoss, when the file is missing or
  // does not match its checksum. Store is durable, and writes nothing that stands there already.
  [[nodiscard]] absl::StatusOr<NodeIdentity> LoadIdentity() const;
  absl::Status StoreIdentity(const NodeIdentity& identity);

  // What of the database cannot be read, and whether it may be rebuilt by the next start: not
  // before others can do without this node's replicas. Durable.
  struct Damage {
    std::string detail;  // Empty: nothing is known to be damaged.
    bool rebuild = false;
  };
  [[nodiscard]] Damage NotedDamage() const;
  absl::Status NoteDamage(const Damage& damage);
  absl::Status ClearDamageNote();

  // A rebuilt database is made in File(kRebuiltDb) and takes its place in two steps: PutInPlace
  // declares it complete and moves it; OpenLeftovers, at each start, finishes a move that was cut
  // short and drops what is not complete. The old one stands in damaged/db afterwards, instead of
  // whatever stood there.
  static constexpr const char* kRebuiltDb = "db.new";
  absl::Status PutInPlace();
  // Runs that are not in the database yet (rocks_run.h); OpenLeftovers empties it.
  static constexpr const char* kRuns = "runs";
  absl::Status OpenLeftovers();

 private:
  DataDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  absl::Status ReadFormat(bool create);
  absl::Status CheckNothingForeign() const;
  absl::Status Unlink(const char* name);
  // Moves the complete database into its place.
  absl::Status FinishMove();

  const std::string path_;
  const int lock_fd_;
  bool is_new_ = false;
};

}  // namespace cairn::storage
