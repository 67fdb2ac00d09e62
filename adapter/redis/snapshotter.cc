#include "adapter/redis/snapshotter.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "adapter/redis/stored_dump.h"
#include "adapter/snapshot_fetch.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

// A unit that is open at the log's end is whole soon, or its writer is dead and the next one voids
// it.
constexpr int kOpenUnitTries = 100;
constexpr Millis kOpenUnitPause{100};

// Runs `call`, which returns a Status, where it may block.
template <class Call>
asio::awaitable<absl::Status> Block(Background* background, Call call) {
  co_return co_await background->Run(std::move(call));
}

}  // namespace

Snapshotter::Snapshotter(ReplayHost host, Client* client, Log log, SnapshotMakerOptions options,
                         const Clock* clock)
    : host_(std::move(host)),
      client_(client),
      log_(std::move(log)),
      options_(std::move(options)),
      clock_(clock) {}

void Snapshotter::Cancel() {
  cancelled_ = true;
  if (running_ != nullptr) running_->Cancel();
}

std::string Snapshotter::NextDirectory() {
  return fmt::format("{}/e{}", options_.work_dir, ++engines_);
}

asio::awaitable<absl::StatusOr<SnapshotResult>> Snapshotter::Run() {
  const MonoMicros began_us = clock_->Mono();
  const std::string directory = NextDirectory();
  ScratchEngine engine(host_.executor, ScratchOptions(host_, directory + "/engine"));
  ReplayedEngine replayed(host_, log_, directory, &engine);
  running_ = &replayed;
  absl::StatusOr<SnapshotResult> result = co_await Take(&replayed, &engine);
  running_ = nullptr;
  co_await replayed.Stop();
  if (cancelled_) co_return absl::CancelledError("stopped");
  if (result.ok()) result->took_us = clock_->Mono() - began_us;
  co_return result;
}

asio::awaitable<absl::StatusOr<SnapshotResult>> Snapshotter::Take(ReplayedEngine* replayed,
                                                                  ScratchEngine* engine) {
  LogDescription log_now;
  const absl::StatusOr<ReplayedEngine::State> state = co_await ReplayToEnd(replayed, &log_now);
  if (!state.ok()) co_return state.status();
  SnapshotResult result;
  result.loaded_seq = state->loaded_seq;
  absl::Status status;
  if (state->loaded_seq == state->seq && replayed->loaded() != nullptr && !options_.force) {
    result.unchanged = true;
    result.manifest = replayed->loaded()->manifest;
    result.location = LocationOf(*host_.store, replayed->loaded()->name);
  } else {
    absl::StatusOr<Dump> dump = co_await SaveDump(engine);
    if (!dump.ok()) co_return dump.status();
    result.manifest = MakeManifest(*state, log_now, engine->version(), dump->keyspace);
    result.digest = dump->keyspace.digest;
    // Two engines at once are one too many.
    co_await replayed->Stop();
    status = co_await RehearseDump(*dump, state->seq);
    if (status.ok()) status = co_await Publish(dump->path, &result);
  }
  if (status.ok()) status = co_await Settle(&result);
  if (!status.ok()) co_return status;
  co_return result;
}

// The end as of now, or a little later if the log ends within a unit that is larger than a record.
asio::awaitable<absl::StatusOr<ReplayedEngine::State>> Snapshotter::ReplayToEnd(
    ReplayedEngine* engine, LogDescription* log_now) {
  WakeUp pause(host_.executor);
  for (int tries = 0; tries < kOpenUnitTries && !cancelled_; ++tries) {
    auto describe = [log = log_] { return DescribeNow(log); };
    absl::StatusOr<LogDescription> described = co_await host_.background->Run(std::move(describe));
    if (!described.ok()) co_return described.status();
    *log_now = *std::move(described);
    if (!log_now->last_seq) {
      co_return absl::FailedPreconditionError(
          fmt::format("the log {} has no records yet", log_.name()));
    }
    absl::StatusOr<ReplayedEngine::State> state = absl::CancelledError("stopped");
    if (tries == 0) {
      state = co_await engine->Begin(log_now->last_seq);
    } else {
      state = co_await engine->Extend(log_now->last_seq);
    }
    if (!state.ok() || state->seq == log_now->last_seq) co_return state;
    co_await pause.Wait(kOpenUnitPause);
  }
  co_return absl::UnavailableError(fmt::format(
      "the log {} ends within a unit of which no end comes: no agent writes", log_.name()));
}

asio::awaitable<absl::StatusOr<Snapshotter::Dump>> Snapshotter::SaveDump(ScratchEngine* engine) {
  host_.report->Update(Phase::kSave, 0, 0);
  Dump dump;
  absl::StatusOr<std::string> saved = co_await engine->Save();
  if (!saved.ok()) co_return saved.status();
  absl::StatusOr<KeyspaceDigest> keyspace = co_await ReadKeyspace(engine->link());
  if (!keyspace.ok()) co_return keyspace.status();
  dump.keyspace = *std::move(keyspace);
  // Beside the engine's directory, which goes with it.
  dump.path = fmt::format("{}/dump.rdb", options_.work_dir);
  std::error_code error;
  std::filesystem::rename(*saved, dump.path, error);
  if (error) {
    co_return absl::UnavailableError(fmt::format("{}: {}", dump.path, error.message()));
  }
  co_return dump;
}

asio::awaitable<absl::Status> Snapshotter::RehearseDump(Dump dump, Seq seq) {
  const std::string directory = NextDirectory();
  ScratchEngine engine(host_.executor, ScratchOptions(host_, directory + "/engine"));
  ReplayedEngine second(host_, log_, directory, &engine);
  ReplayedEngine* const first = std::exchange(running_, &second);
  const absl::Status status = co_await Rehearse(&second, dump.path, seq, dump.keyspace);
  running_ = first;
  co_await second.Stop();
  co_return status;
}

SnapshotManifest Snapshotter::MakeManifest(const ReplayedEngine::State& state,
                                           const LogDescription& log_now,
                                           const EngineVersion& version,
                                           const KeyspaceDigest& keyspace) const {
  SnapshotManifest manifest;
  manifest.log_name = log_.name();
  manifest.log_id = log_.id();
  manifest.seq = state.seq;
  manifest.chain = log_now.chain;
  manifest.epoch = state.epoch;
  manifest.engine = CatalogVersion(version);
  manifest.replid = state.stream.replid;
  manifest.offset = state.stream.offset;
  manifest.databases = keyspace.databases;
  manifest.created_us = clock_->Wall();
  manifest.created_by = options_.created_by;
  return manifest;
}

asio::awaitable<absl::Status> Snapshotter::Publish(std::string path, SnapshotResult* result) {
  auto store = [host = &host_, path, result]() -> absl::Status {
    ASSIGN_OR_RETURN(const SnapshotName name,
                     StoreDump(*host->store, host->report, path, &result->manifest));
    result->location = LocationOf(*host->store, name);
    return absl::OkStatus();
  };
  const absl::Status published = co_await Block(host_.background, std::move(store));
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  if (!published.ok()) co_return published;
  result->stored_bytes = result->manifest.objects.front().bytes;
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> Snapshotter::Settle(SnapshotResult* result) {
  auto call = [this, now_us = clock_->Wall(), result] {
    return SettleSnapshot(client_, log_, host_.store, CacheKind::kRedis, options_, now_us, result);
  };
  co_return co_await Block(host_.background, std::move(call));
}

}  // namespace cairn::adapter::redis
