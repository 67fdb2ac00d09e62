// FileStore: objects in a directory of this machine, or one that is mounted from another.
//
// A key is a path below the directory. Put writes `.NAME.RANDOM.part` beside its place with mode
// 0600, syncs it, renames it, and syncs the directories whose entries changed, also those it made
// (0700). So a reader sees a whole object or none, and a power cut after OK takes nothing away. A
// failed Put removes its file; that of a killed process stays hidden until RemoveUnfinished.
//
// The directory must exist: one that is made on the fly would hide that a disk is not mounted.
// Files that others put there are listed if their names are keys; links are not followed.
//
// A write, sync or rename that failed is not tried again; the object is given up.
//
// Threads: any, without a lock; the kernel orders renames. Bounds: 1 MiB of memory per call.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/objects/object_store.h"
#include "storage/objects/store_url.h"

namespace cairn::objects {

class FileStore final : public ObjectStore {
 public:
  // NOT_FOUND when the directory is not there, PERMISSION_DENIED when it cannot be written.
  static absl::StatusOr<std::unique_ptr<ObjectStore>> Open(const FileStoreUrl& url);

  [[nodiscard]] const std::string& url() const override { return url_; }
  absl::StatusOr<uint64_t> Put(std::string_view key, Source source) override;
  absl::Status Get(std::string_view key, Sink sink) override;
  absl::StatusOr<StoredObject> Head(std::string_view key) override;
  absl::StatusOr<std::vector<StoredObject>> List(std::string_view prefix) override;
  absl::Status Delete(std::string_view key) override;
  absl::StatusOr<uint64_t> RemoveUnfinished(WallMicros older_than_us) override;
  void Stop() override { stopped_ = true; }

 private:
  explicit FileStore(std::string directory);

  [[nodiscard]] std::string PathOf(std::string_view key) const;
  // Makes what is missing of the key's directories; all of them are synced into their parents.
  absl::Status MakeDirectories(std::string_view key);
  absl::StatusOr<uint64_t> WriteWhole(int fd, std::string_view key, Source source);
  absl::StatusOr<int> OpenForReading(std::string_view key, StoredObject* object) const;
  [[nodiscard]] absl::Status CheckUsable(std::string_view key) const;

  const std::string directory_;
  const std::string url_;
  std::atomic<bool> stopped_{false};
};

}  // namespace cairn::objects
