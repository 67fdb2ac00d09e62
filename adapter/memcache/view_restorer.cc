#include "adapter/memcache/view_restorer.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "adapter/memcache/engine_connection.h"
#include "adapter/memcache/engine_facts.h"
#include "adapter/memcache/engine_warmup.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

constexpr Millis kCallPatience{10'000};

class NewCommands {
 public:
  explicit NewCommands(std::string path)
      : path_(std::move(path)), file_(std::fopen(path_.c_str(), "wbe")) {}
  ~NewCommands() { (void)Close(); }
  NewCommands(const NewCommands&) = delete;
  NewCommands& operator=(const NewCommands&) = delete;

  absl::Status Write(std::string_view bytes) {
    const bool written =
        file_ != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
    if (written) return absl::OkStatus();
    return absl::UnavailableError(fmt::format("cannot write {}", path_));
  }
  absl::Status Close() {
    std::FILE* const file = std::exchange(file_, nullptr);
    if (file == nullptr || std::fclose(file) == 0) return absl::OkStatus();
    return absl::UnavailableError(fmt::format("cannot write {}", path_));
  }

 private:
  const std::string path_;
  std::FILE* file_;
};

asio::awaitable<absl::Status> ExpectEmpty(asio::any_io_executor executor, EngineAddress address) {
  EngineConnection connection(executor);
  const std::string name = address.ToString();
  const absl::Status connected =
      co_await connection.Connect(std::move(address), kCallPatience, nullptr);
  if (!connected.ok()) co_return connected;
  const absl::StatusOr<std::string> stats =
      co_await connection.Call("stats\r\n", ReplyKind::kStats, kCallPatience);
  if (!stats.ok()) co_return stats.status();
  EngineFacts facts;
  const absl::Status read = ReadStats(*stats, &facts);
  if (!read.ok()) co_return read;
  if (facts.use.items == 0) co_return absl::OkStatus();
  co_return absl::FailedPreconditionError(
      fmt::format("the engine at {} has {} items: expected an empty one", name, facts.use.items));
}

}  // namespace

ViewRestorer::ViewRestorer(ReplayHost host, Log log, ViewRestoreOptions options, const Clock* clock)
    : host_(std::move(host)),
      log_(std::move(log)),
      options_(std::move(options)),
      clock_(clock),
      filler_(host_.executor) {}

void ViewRestorer::Cancel() {
  cancelled_ = true;
  filler_.Close();
  if (running_ != nullptr) running_->Cancel();
}

asio::awaitable<absl::StatusOr<RestoreResult>> ViewRestorer::Run() {
  const MonoMicros began_us = clock_->Mono();
  ViewReplay replay(log_, host_.store, host_.report, options_.work_dir + "/view");
  running_ = &replay;
  absl::Status status;
  if (options_.to) status = co_await ExpectEmpty(host_.executor, *options_.to);
  auto build = [this, &replay, &status]() -> absl::StatusOr<RestoreResult> {
    if (!status.ok()) return status;
    return Replay(&replay);
  };
  absl::StatusOr<RestoreResult> result = co_await host_.background->Run(std::move(build));
  if (result.ok() && options_.to && !cancelled_) {
    status = co_await FillEngine(&replay.view());
    if (!status.ok()) result = status;
  }
  running_ = nullptr;
  if (cancelled_) co_return absl::CancelledError("stopped");
  if (result.ok()) result->took_us = clock_->Mono() - began_us;
  co_return result;
}

absl::StatusOr<RestoreResult> ViewRestorer::Replay(ViewReplay* replay) {
  ASSIGN_OR_RETURN(const Seq through, ResolvePosition(log_, options_.at));
  RETURN_IF_ERROR(replay->Begin(through));
  ASSIGN_OR_RETURN(RestoreResult result, Describe(*replay, through));
  if (!options_.to) RETURN_IF_ERROR(WriteFile(replay->view(), &result));
  return result;
}

// An engine is told the items of today, a file those of the record's time.
absl::StatusOr<RestoreResult> ViewRestorer::Describe(const ViewReplay& replay, Seq asked) const {
  const ViewPosition position = replay.view().position();
  const int64_t time_us = options_.to ? clock_->Wall() : position.log_time_us;
  ASSIGN_OR_RETURN(const ItemsDigest digest, DigestOf(replay.view(), time_us / kMicrosPerSecond));
  RestoreResult result;
  result.asked_seq = asked;
  result.seq = position.read.seq;
  result.loaded_seq = replay.loaded_seq();
  result.databases = {{.number = 0, .keys = digest.items()}};
  result.digest = fmt::format("{:016x}{:016x}", digest.high(), digest.low());
  result.contents = digest.ToText();
  return result;
}

asio::awaitable<absl::Status> ViewRestorer::FillEngine(const View* view) {
  absl::Status status = co_await filler_.Connect(*options_.to);
  if (!status.ok()) co_return status;
  absl::StatusOr<std::unique_ptr<ViewScan>> scan = ViewScan::Begin(*view);
  if (!scan.ok()) co_return scan.status();
  const std::shared_ptr<ViewScan> items = *std::move(scan);
  WarmUpParts parts{host_.background, &filler_, items, host_.report, nullptr};
  parts.wanted = [this] { return !cancelled_; };
  status = co_await WarmUp(std::move(parts));
  if (!status.ok()) co_return status;
  if (filler_.refused() == 0) co_return absl::OkStatus();
  co_return absl::ResourceExhaustedError(
      fmt::format("the engine did not take {} of {} items", filler_.refused(), items->items()));
}

absl::Status ViewRestorer::WriteFile(const View& view, RestoreResult* result) {
  const UnixSeconds then = view.position().log_time_us / kMicrosPerSecond;
  const std::string path = options_.work_dir + "/commands";
  NewCommands file(path);
  ASSIGN_OR_RETURN(const std::unique_ptr<ViewScan> scan, ViewScan::Begin(view));
  bool more = true;
  while (more) {
    if (cancelled_) return absl::CancelledError("stopped");
    ASSIGN_OR_RETURN(FillSlice slice, NextFillSlice(scan.get(), then));
    slice.batch.EndGroup();
    more = slice.more;
    RETURN_IF_ERROR(file.Write(slice.batch.commands));
    result->file_bytes += slice.batch.commands.size();
    host_.report->Update(Phase::kSave, scan->bytes(), 0);
  }
  RETURN_IF_ERROR(file.Close());
  return MoveSynced(path, options_.file);
}

}  // namespace cairn::adapter::memcache
