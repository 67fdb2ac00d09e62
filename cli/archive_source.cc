#include "cli/archive_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/record_region.h"
#include "base/status_macros.h"

namespace cairn::cli {
namespace {

const char* Environment(const char* name) { return std::getenv(name); }

absl::StatusOr<std::string> FindUrl(Session& session, const ArchiveChoice& choice) {
  if (!choice.url.empty()) return choice.url;
  if (const char* url = Environment("CAIRN_ARCHIVE_URL"); url != nullptr && *url != '\0') {
    return std::string(url);
  }
  ASSIGN_OR_RETURN(Admin admin, session.admin());
  ASSIGN_OR_RETURN(const NodeStatus status, admin.Status());
  if (!status.archive_location.empty()) return status.archive_location;
  return absl::NotFoundError(
      fmt::format("node {} does not say where the archive is: give --url file:///directory or "
                  "s3://bucket/prefix",
                  status.endpoint));
}

ArchivePolicy PolicyOf(cairn::v1::ArchivePolicy policy) {
  switch (policy) {
    case cairn::v1::ARCHIVE_POLICY_ON:
      return ArchivePolicy::kOn;
    case cairn::v1::ARCHIVE_POLICY_OFF:
      return ArchivePolicy::kOff;
    default:
      return ArchivePolicy::kInherit;
  }
}

RawRecordBatch ToRaw(const archive::Batch& batch, Seq last_seq) {
  RawRecordBatch raw;
  raw.set_first_seq(batch.first_seq.value());
  raw.set_timestamp_us(batch.timestamp_us);
  std::string_view rest = batch.records;
  for (Seq seq = batch.first_seq; !rest.empty() && seq <= last_seq; ++seq) {
    const std::optional<std::string_view> record = SplitRecord(rest);
    CHECK(record.has_value());
    raw.add_records(record->data(), record->size());
  }
  if (rest.empty()) raw.set_chain(batch.chain);
  return raw;
}

}  // namespace

void AddArchiveChoice(CLI::App& app, ArchiveChoice& choice) {
  app.add_option("--url", choice.url,
                 "file:///directory or s3://bucket/prefix?option=value; default: "
                 "CAIRN_ARCHIVE_URL, else what the cluster says")
      ->type_name("URL");
  app.add_option("--cluster", choice.cluster, "Only logs of the cluster with this id")
      ->type_name("ID");
  AddNumber(app, "--log-id", choice.log_id, "Only the log with this id")->type_name("ID");
}

absl::StatusOr<OpenArchive> OpenArchive::Open(Session& session, const ArchiveChoice& choice) {
  ASSIGN_OR_RETURN(const std::string url, FindUrl(session, choice));
  OpenArchive archive;
  ASSIGN_OR_RETURN(archive.objects_, objects::OpenObjectStore(url, Environment));
  archive.store_ = std::make_unique<archive::ArchiveStore>(archive.objects_.get());
  return archive;
}

uint64_t HeldLog::bytes() const {
  uint64_t sum = 0;
  for (const archive::StoredRun& run : path.runs()) sum += run.bytes;
  return sum;
}

absl::StatusOr<std::vector<HeldLog>> ListHeld(const archive::ArchiveStore& store,
                                              const ArchiveChoice& choice) {
  const std::string prefix = choice.cluster.empty() ? "" : choice.cluster + "/";
  ASSIGN_OR_RETURN(std::vector<archive::ArchivedFolder> folders, store.List(prefix));
  std::vector<HeldLog> logs;
  for (archive::ArchivedFolder& folder : folders) {
    if (choice.log_id && folder.place.log_id.value() != *choice.log_id) continue;
    HeldLog log{.folder = std::move(folder), .path = {}};
    log.path = archive::RunPath(log.folder.runs, std::nullopt);
    log.log = store.ReadLog(log.folder.place);
    logs.push_back(std::move(log));
  }
  return logs;
}

LogSettings SettingsOf(const archive::ArchivedLog& log) {
  const cairn::v1::LogSettings& in = log.settings;
  LogSettings out;
  out.fenced = in.fenced();
  out.retention_bytes = in.retention_bytes();
  out.retention_ms = in.retention_ms();
  out.trim_guard = in.trim_guard();
  out.segment_bytes = in.segment_bytes();
  out.append_bytes_per_second = in.append_bytes_per_second();
  out.appends_per_second = in.appends_per_second();
  out.archive = PolicyOf(in.archive());
  return out;
}

// ---- Records -----------------------------------------------------------------------------------

RunSource::RunSource(const archive::ArchiveStore* store, const archive::RunPath* path,
                     Seq first_seq, Seq last_seq)
    : store_(store), path_(path), last_seq_(last_seq) {
  const archive::StoredRun* const first = path_->Find(first_seq);
  CHECK(first != nullptr);
  next_run_ = static_cast<size_t>(first - path_->runs().data());
}

BatchSource::Start RunSource::SkipTo(Seq seq) {
  const std::vector<archive::StoredRun>& runs = path_->runs();
  while (next_run_ < runs.size() && runs[next_run_].name.last_seq < seq &&
         runs[next_run_].name.last_seq <= last_seq_) {
    bytes_ += runs[next_run_++].bytes;
  }
  if (next_run_ == runs.size()) return {runs.back().name.last_seq + 1, runs.back().name.chain};
  return {runs[next_run_].name.first_seq, runs[next_run_].name.chain_before};
}

absl::StatusOr<std::optional<RawRecordBatch>> RunSource::Next() {
  while (!run_ || next_batch_ == run_->batches().size()) {
    const std::vector<archive::StoredRun>& runs = path_->runs();
    if (next_run_ == runs.size() || runs[next_run_].name.first_seq > last_seq_) {
      return std::nullopt;
    }
    const archive::StoredRun& stored = runs[next_run_++];
    ASSIGN_OR_RETURN(run_, store_->ReadRun(stored));
    bytes_ += stored.bytes;
    next_batch_ = 0;
  }
  const archive::Batch& batch = run_->batches()[next_batch_++];
  if (batch.first_seq > last_seq_) {
    next_batch_ = run_->batches().size();
    next_run_ = path_->runs().size();
    return std::nullopt;
  }
  return ToRaw(batch, last_seq_);
}

}  // namespace cairn::cli
