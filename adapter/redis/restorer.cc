#include "adapter/redis/restorer.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "adapter/agent_identity.h"
#include "adapter/redis/borrowed_engine.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace fs = std::filesystem;

Restorer::Restorer(ReplayHost host, Log log, RestoreOptions options, const Clock* clock)
    : host_(std::move(host)), log_(std::move(log)), options_(std::move(options)), clock_(clock) {}

void Restorer::Cancel() {
  cancelled_ = true;
  if (running_ != nullptr) running_->Cancel();
}

asio::awaitable<absl::StatusOr<RestoreResult>> Restorer::Run() {
  const MonoMicros began_us = clock_->Mono();
  const std::string directory = options_.work_dir + "/e1";
  std::unique_ptr<WorkEngine> borrowed;
  WorkEngine* engine = nullptr;
  if (options_.to) {
    borrowed = std::make_unique<BorrowedEngine>(host_.executor, *options_.to, RandomName());
    engine = borrowed.get();
  } else {
    scratch_ = std::make_unique<ScratchEngine>(host_.executor,
                                               ScratchOptions(host_, directory + "/engine"));
    engine = scratch_.get();
  }
  ReplayedEngine replayed(host_, log_, directory, engine);
  running_ = &replayed;
  absl::StatusOr<RestoreResult> result = co_await Build(&replayed);
  running_ = nullptr;
  co_await replayed.Stop();
  if (result.ok() && scratch_ != nullptr && options_.verify && !cancelled_) {
    const absl::Status verified = co_await Verify(&*result);
    if (!verified.ok()) result = verified;
  }
  if (cancelled_) co_return absl::CancelledError("stopped");
  if (result.ok()) result->took_us = clock_->Mono() - began_us;
  co_return result;
}

asio::awaitable<absl::StatusOr<RestoreResult>> Restorer::Build(ReplayedEngine* replayed) {
  auto resolve = [log = log_, at = options_.at] { return ResolvePosition(log, at); };
  const absl::StatusOr<Seq> through = co_await host_.background->Run(std::move(resolve));
  if (!through.ok()) co_return through.status();
  const absl::StatusOr<ReplayedEngine::State> state = co_await replayed->Begin(*through);
  if (!state.ok()) co_return state.status();
  RestoreResult result;
  result.asked_seq = *through;
  result.seq = state->seq;
  result.loaded_seq = state->loaded_seq;
  absl::StatusOr<KeyspaceDigest> keyspace = co_await ReadKeyspace(replayed->link());
  if (!keyspace.ok()) co_return keyspace.status();
  keyspace_ = *std::move(keyspace);
  result.databases = keyspace_.databases;
  result.digest = keyspace_.digest;
  result.contents = keyspace_.ToText();
  if (scratch_ == nullptr) co_return result;
  host_.report->Update(Phase::kSave, 0, 0);
  absl::StatusOr<std::string> saved = co_await scratch_->Save();
  if (!saved.ok()) co_return saved.status();
  const absl::Status kept = co_await KeepDump(*std::move(saved), &result);
  if (!kept.ok()) co_return kept;
  co_return result;
}

asio::awaitable<absl::Status> Restorer::KeepDump(std::string saved, RestoreResult* result) {
  auto move = [saved, file = options_.file, result]() -> absl::Status {
    RETURN_IF_ERROR(MoveSynced(saved, file));
    std::error_code error;
    result->file_bytes = fs::file_size(file, error);
    return absl::OkStatus();
  };
  co_return co_await host_.background->Run(std::move(move));
}

// A file that does not hold what it should is not left behind.
asio::awaitable<absl::Status> Restorer::Verify(const RestoreResult* result) {
  const std::string directory = options_.work_dir + "/e2";
  ScratchEngine engine(host_.executor, ScratchOptions(host_, directory + "/engine"));
  ReplayedEngine second(host_, log_, directory, &engine);
  running_ = &second;
  const absl::Status status = co_await Rehearse(&second, options_.file, result->seq, keyspace_);
  running_ = nullptr;
  co_await second.Stop();
  std::error_code ignored;
  if (!status.ok()) fs::remove(options_.file, ignored);
  co_return status;
}

}  // namespace cairn::adapter::redis
