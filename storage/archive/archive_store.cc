#include "storage/archive/archive_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status_macros.h"

namespace cairn::archive {
namespace {

constexpr size_t kMaxLogFileBytes = 1 << 20;

void Add(const objects::StoredObject& object, const std::string& file, ArchivedFolder& folder) {
  if (file == kLogFile) {
    folder.has_log_file = true;
  } else if (const std::optional<RunName> name = RunName::Parse(file)) {
    folder.runs.push_back({*name, object.key, object.bytes});
  } else {
    folder.strange.push_back(object.key);
  }
}

}  // namespace

absl::StatusOr<std::vector<ArchivedFolder>> ArchiveStore::List(const std::string& prefix) const {
  ASSIGN_OR_RETURN(const std::vector<objects::StoredObject> objects, store_->List(prefix));
  std::vector<ArchivedFolder> folders;
  for (const objects::StoredObject& object : objects) {
    std::optional<ArchiveKey> key = ParseKey(object.key);
    if (!key) continue;  // Somebody else's.
    if (folders.empty() || folders.back().place != key->place) {
      folders.push_back({.place = key->place, .runs = {}, .strange = {}});
    }
    Add(object, key->file, folders.back());
  }
  return folders;
}

absl::StatusOr<std::vector<StoredRun>> ArchiveStore::Runs(const LogPlace& place) const {
  ASSIGN_OR_RETURN(std::vector<ArchivedFolder> folders, List(place.Folder()));
  return folders.empty() ? std::vector<StoredRun>() : std::move(folders.front().runs);
}

absl::StatusOr<ArchivedLog> ArchiveStore::ReadLog(const LogPlace& place) const {
  const std::string key = place.LogKey();
  ASSIGN_OR_RETURN(const std::string text, objects::GetBytes(*store_, key, kMaxLogFileBytes));
  absl::StatusOr<ArchivedLog> log = ArchivedLog::FromText(text);
  const std::string where = fmt::format("{}/{}", store_->url(), key);
  if (!log.ok()) return Annotate(log.status(), where);
  if (log->place != place) return absl::DataLossError(where + " is that of another log");
  return log;
}

absl::Status ArchiveStore::WriteLog(const ArchivedLog& log) const {
  return objects::PutBytes(*store_, log.place.LogKey(), log.ToText());
}

absl::Status ArchiveStore::WriteRun(const LogPlace& place, const RunName& name,
                                    const std::string& bytes) const {
  const StoredRun run{name, place.Folder() + name.File(), bytes.size()};
  RETURN_IF_ERROR(objects::PutBytes(*store_, run.key, bytes));
  return ReadRun(run).status();
}

absl::StatusOr<Run> ArchiveStore::ReadRun(const StoredRun& run) const {
  std::string bytes;
  bytes.reserve(std::min(run.bytes, kMaxRunBytes));
  RETURN_IF_ERROR(store_->Get(run.key, [&](std::string_view piece) {
    if (bytes.size() + piece.size() > kMaxRunBytes) {
      return absl::DataLossError(fmt::format("archive object {}/{} has more than {} bytes",
                                             store_->url(), run.key, kMaxRunBytes));
    }
    bytes.append(piece);
    return absl::OkStatus();
  }));
  absl::StatusOr<Run> verified = Run::Verify(run.name, std::move(bytes));
  if (verified.ok()) return verified;
  return absl::DataLossError(fmt::format("archive object {}/{} is damaged: {}", store_->url(),
                                         run.key, std::string(verified.status().message())));
}

}  // namespace cairn::archive
