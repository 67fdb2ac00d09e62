// What the archive holds, as the tool's commands need it: opened by --url, or where the cluster
// says; logs by name; the records of one, in order.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/types.h"
#include "cli/commands.h"
#include "cli/log_restore.h"
#include "storage/archive/archive_store.h"

namespace cairn::cli {

// Options that all commands of the archive take.
struct ArchiveChoice {
  std::string url;      // Empty: CAIRN_ARCHIVE_URL, else as the cluster says.
  std::string cluster;  // Empty: of all clusters.
  std::optional<uint64_t> log_id;
};
void AddArchiveChoice(CLI::App& app, ArchiveChoice& choice);

// The store; closed with this object.
class OpenArchive {
 public:
  // Errors: those of the store; kNotFound when nobody says where it is.
  static absl::StatusOr<OpenArchive> Open(Session& session, const ArchiveChoice& choice);
  [[nodiscard]] const archive::ArchiveStore& store() const { return *store_; }

 private:
  std::unique_ptr<objects::ObjectStore> objects_;
  std::unique_ptr<archive::ArchiveStore> store_;
};

// A log that the archive holds.
struct HeldLog {
  archive::ArchivedFolder folder;
  archive::RunPath path;
  absl::StatusOr<archive::ArchivedLog> log = absl::UnknownError("not read");

  // Its name; "" when its small object cannot be read.
  [[nodiscard]] std::string name() const { return log.ok() ? log->name : ""; }
  [[nodiscard]] uint64_t bytes() const;
};
// Those chosen, in order of cluster and id.
absl::StatusOr<std::vector<HeldLog>> ListHeld(const archive::ArchiveStore& store,
                                              const ArchiveChoice& choice);

LogSettings SettingsOf(const archive::ArchivedLog& log);

// The runs of a path from one on none is missing, to `last_seq`.
class RunSource final : public BatchSource {
 public:
  // `store` and `path` outlive it.
  RunSource(const archive::ArchiveStore* store, const archive::RunPath* path, Seq first_seq,
            Seq last_seq);

  Start SkipTo(Seq seq) override;
  absl::StatusOr<std::optional<RawRecordBatch>> Next() override;
  [[nodiscard]] uint64_t bytes() const override { return bytes_; }

 private:
  const archive::ArchiveStore* const store_;
  const archive::RunPath* const path_;
  const Seq last_seq_;
  size_t next_run_ = 0;
  std::optional<archive::Run> run_;
  size_t next_batch_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace cairn::cli
