#include "adapter/snapshot_fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "adapter/snapshot_transfer.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);

// A file that vanishes unless it was kept.
class NewFile {
 public:
  explicit NewFile(std::string path)
      : path_(std::move(path)),
        fd_(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {}
  ~NewFile() {
    if (fd_ < 0) return;
    close(fd_);
    if (!kept_) unlink(path_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  absl::Status Write(std::string_view bytes) {
    while (fd_ >= 0 && !bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) break;
      if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
    }
    if (fd_ >= 0 && bytes.empty()) return absl::OkStatus();
    const std::string text = fmt::format("{}: {}", path_, std::strerror(errno));
    if (errno == ENOSPC) return absl::ResourceExhaustedError(text);
    return absl::UnavailableError(text);
  }
  void Keep() { kept_ = true; }

 private:
  const std::string path_;
  const int fd_;
  bool kept_ = false;
};

// As of when the log began with adopted data; 0: it began with nothing.
Seq AdoptedSeq(const LogDescription& log_now) {
  for (const SnapshotInfo& snapshot : log_now.snapshots) {
    if (snapshot.name == kAdoptedName) return snapshot.seq;
  }
  return Seq();
}

absl::Status NotCovered(const LogDescription& log_now, const std::string& why) {
  const Seq adopted = AdoptedSeq(log_now);
  const std::string begins =
      adopted >= log_now.first_seq
          ? fmt::format("began with data that were adopted, as of record {}", adopted)
          : fmt::format("begins with record {}", log_now.first_seq);
  return absl::FailedPreconditionError(fmt::format(
      "the log {} {}, and an empty engine cannot begin there: {}", log_now.name, begins, why));
}

absl::StatusOr<const SnapshotObject*> DumpOf(const FoundSnapshot& found) {
  const auto& objects = found.manifest.objects;
  const auto dump = std::find_if(objects.begin(), objects.end(), [](const SnapshotObject& object) {
    return object.name == kDumpObject;
  });
  if (dump != objects.end()) return &*dump;
  return absl::DataLossError(fmt::format("snapshot {} has no {}", found.name.folder, kDumpObject));
}

absl::Status Download(objects::ObjectStore& store, const FoundSnapshot& found,
                      const FetchOptions& options) {
  ASSIGN_OR_RETURN(const SnapshotObject* dump, DumpOf(found));
  NewFile file(options.path);
  uint64_t bytes = 0;
  RETURN_IF_ERROR(file.Write(""));
  RETURN_IF_ERROR(DownloadObject(store, found.name, *dump, [&](std::string_view content) {
    bytes += content.size();
    if (options.progress) options.progress(bytes, dump->content_bytes);
    return file.Write(content);
  }));
  file.Keep();
  return absl::OkStatus();
}

// The chain behind record `seq`, which ends a group commit; 0: it does not, or is not kept.
absl::StatusOr<uint64_t> ReadChain(Log log, Seq seq) {
  ReadOptions read;
  read.call.timeout = kCallTimeout;
  read.start_seq = seq;
  read.end_seq = seq;
  ReadStream stream = log.Read(read);
  ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
  return batch ? batch->chain : 0;
}

// What the log says of the chain at `seq`; 0: nothing.
absl::StatusOr<uint64_t> ChainAt(Log log, const LogDescription& log_now, Seq seq) {
  if (seq == log_now.last_seq) return log_now.chain;
  for (const SnapshotInfo& snapshot : log_now.snapshots) {
    if (snapshot.seq == seq) return snapshot.chain;
  }
  for (const SegmentInfo& segment : log_now.segments) {
    if (segment.first_seq == seq + 1) return segment.chain_before;
  }
  if (seq < log_now.first_seq) return 0;
  return ReadChain(std::move(log), seq);
}

}  // namespace

absl::StatusOr<LogDescription> DescribeNow(Log log, bool with_segments) {
  DescribeOptions describe;
  describe.call.timeout = kCallTimeout;
  describe.linearizable = true;
  describe.with_segments = with_segments;
  return log.Describe(describe);
}

absl::Status CheckChain(Log log, const LogDescription& log_now, Seq seq, uint64_t chain) {
  if (seq > log_now.last_seq) {
    return absl::DataLossError(
        fmt::format("the snapshot is of record {}, and the log {} ends with {}", seq, log_now.name,
                    log_now.last_seq));
  }
  ASSIGN_OR_RETURN(const uint64_t actual, ChainAt(std::move(log), log_now, seq));
  if (actual == chain) return absl::OkStatus();
  if (actual == 0) {
    return absl::FailedPreconditionError(
        fmt::format("the log {} does not tell its chain at record {}", log_now.name, seq));
  }
  return absl::DataLossError(
      fmt::format("the chain at record {} is {:016x} in the snapshot and {:016x} in the log {}: "
                  "they are not of "
                  "one history",
                  seq, chain, actual, log_now.name));
}

namespace {

// A log that was made again, from a backup or by `cairn recover`, has another id and the history
// that the snapshots of its name are of. Whether a snapshot is of that history, the chain tells.
// Errors: kNotFound: none is; those of the store and the log.
absl::StatusOr<FoundSnapshot> FindUnderOtherId(objects::ObjectStore& store, const Log& log,
                                               const LogDescription& log_now, SnapshotQuery query) {
  query.any_id = true;
  query.max_seq = std::min(query.max_seq, log_now.last_seq);
  ASSIGN_OR_RETURN(FoundSnapshot found, FindSnapshot(store, query));
  const absl::Status same = CheckChain(log, log_now, found.manifest.seq, found.manifest.chain);
  if (absl::IsDataLoss(same) || absl::IsFailedPrecondition(same)) {
    return absl::NotFoundError(same.message());
  }
  RETURN_IF_ERROR(same);
  spdlog::info("snapshot {} is of the log {} when it had the id {}", found.name.folder, log.name(),
               found.manifest.log_id);
  return found;
}

}  // namespace

absl::StatusOr<std::optional<FoundSnapshot>> ChooseSnapshot(objects::ObjectStore* store, Log log,
                                                            const SnapshotChoice& choice) {
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log, /*with_segments=*/true));
  const Seq adopted = AdoptedSeq(log_now);
  const bool whole = log_now.first_seq <= Seq(1) && !adopted;
  if (store == nullptr) {
    if (whole) return std::nullopt;
    return NotCovered(log_now, "give the agent the --store that holds the cache's snapshots");
  }
  SnapshotQuery query;
  query.log_name = log.name();
  query.log_id = log.id();
  query.max_seq = choice.max_seq;
  query.reader = choice.reader;
  absl::StatusOr<FoundSnapshot> found = FindSnapshot(*store, query);
  if (absl::IsNotFound(found.status())) {
    if (whole) return std::nullopt;
    const absl::Status none = found.status();
    found = FindUnderOtherId(*store, log, log_now, query);
    if (absl::IsNotFound(found.status())) return NotCovered(log_now, std::string(none.message()));
  }
  if (!found.ok()) return found.status();
  for (const std::string& passed_over : found->passed_over) {
    spdlog::warn("snapshot passed over: {}", passed_over);
  }
  const SnapshotManifest& manifest = found->manifest;
  const bool exact = manifest.seq == choice.max_seq;
  const bool continues = manifest.seq + 1 >= log_now.first_seq || exact;
  if (!continues || manifest.seq < adopted) {
    return NotCovered(
        log_now, fmt::format("the newest snapshot in {} is as of {}", store->url(), manifest.seq));
  }
  const absl::Status same = CheckChain(log, log_now, manifest.seq, manifest.chain);
  const bool untold = exact && absl::IsFailedPrecondition(same);
  if (untold) spdlog::warn("the snapshot is not checked: {}", ToStd(same.message()));
  if (!same.ok() && !untold) return same;
  return *std::move(found);
}

absl::StatusOr<std::optional<FetchedSnapshot>> FetchSnapshot(objects::ObjectStore* store, Log log,
                                                             const FetchOptions& options) {
  ASSIGN_OR_RETURN(std::optional<FoundSnapshot> found,
                   ChooseSnapshot(store, std::move(log), {options.reader, options.max_seq}));
  if (!found) return std::nullopt;
  RETURN_IF_ERROR(Download(*store, *found, options));
  return FetchedSnapshot{found->name, std::move(found->manifest), options.path};
}

}  // namespace cairn::adapter
