#include "tests/fault/log_churn.h"

#include <fmt/format.h>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/admin.h"
#include "cairn/log.h"
#include "tests/fault/numbered_stream.h"

namespace cairn::fault {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(700);
constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr uint64_t kRecords = 16;
constexpr size_t kRecordBytes = 1024;

}  // namespace

absl::Status DeleteLogs(Client& client, const std::string& prefix) {
  ASSIGN_OR_RETURN(const auto logs, client.admin().ListLogs(prefix, {kCallTimeout}));
  for (const LogSummary& log : logs) {
    const absl::Status gone = client.admin().DeleteLog(log.name, log.log_id, {kCallTimeout});
    if (!gone.ok() && GetReason(gone) != Reason::kLogNotFound) return gone;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LogChurn>> LogChurn::Start(std::vector<std::string> endpoints) {
  std::unique_ptr<LogChurn> churn(new LogChurn());
  ClientOptions options;
  options.endpoints = std::move(endpoints);
  ASSIGN_OR_RETURN(churn->client_, Client::Connect(std::move(options)));
  churn->thread_ = std::thread([c = churn.get()] { c->Run(); });
  return churn;
}

LogChurn::~LogChurn() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void LogChurn::Run() {
  for (uint64_t number = 1; !stop_; ++number) {
    const absl::Status done = MakeAndDelete(fmt::format("{}{}", kChurnLogs, number));
    {
      absl::MutexLock lock(&mutex_);
      result_.logs += done.ok() ? 1 : 0;
      if (absl::IsDataLoss(done)) result_.findings.emplace_back(done.message());
    }
    // What a fault left behind goes when it is over, or the logs would grow in number.
    if (!done.ok()) static_cast<void>(DeleteLogs(*client_, kChurnLogs).ok());
    absl::SleepFor(kPause);
  }
}

absl::Status LogChurn::MakeAndDelete(const std::string& name) {
  OpenLogOptions open;
  open.create_if_missing = true;
  open.call.timeout = kCallTimeout;
  ASSIGN_OR_RETURN(Log log, client_->OpenLog(name, open));
  std::vector<NewRecord> records(kRecords);
  for (uint64_t i = 0; i < kRecords; ++i) records[i].payload = NumberedRecord(0, i, kRecordBytes);
  AppendOptions append;
  append.call.timeout = kCallTimeout;
  RETURN_IF_ERROR(log.Append(records, append).status());
  ReadOptions read;
  read.linearizable = true;
  read.call.timeout = kCallTimeout;
  ASSIGN_OR_RETURN(const auto batches, log.ReadAll(read));
  uint64_t right = 0;
  for (const RecordBatch& batch : batches) {
    for (const Record& record : batch.records) {
      right += right < kRecords && record.payload == records[right].payload ? 1 : 0;
    }
  }
  if (right != kRecords) {
    return absl::DataLossError(ToAbsl(
        fmt::format("log {}: {} of {} acknowledged records are read back", name, right, kRecords)));
  }
  return client_->admin().DeleteLog(name, log.id(), {kCallTimeout});
}

ChurnResult LogChurn::Finish() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  absl::MutexLock lock(&mutex_);
  return result_;
}

}  // namespace cairn::fault
