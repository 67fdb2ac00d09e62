#include "adapter/redis/replayed_engine.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "adapter/agent_identity.h"
#include "adapter/redis/rdb_source.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {

ScratchEngine::Options ScratchOptions(const ReplayHost& host, std::string directory) {
  ScratchEngine::Options options;
  options.command = host.engine_command;
  options.directory = std::move(directory);
  options.sink_password = RandomName();
  return options;
}

asio::awaitable<absl::Status> Rehearse(ReplayedEngine* second, std::string dump, Seq seq,
                                       KeyspaceDigest expected) {
  absl::Status status = co_await second->BeginWithDump(std::move(dump), seq);
  if (status.ok()) {
    const absl::StatusOr<KeyspaceDigest> found = co_await ReadKeyspace(second->link());
    status = found.ok() ? ExpectEqual(expected, *found) : found.status();
  }
  co_return Annotate(status, "rehearsal of the dump");
}

ReplayedEngine::ReplayedEngine(const ReplayHost& host, const Log& log, std::string directory,
                               WorkEngine* engine)
    : host_(host), log_(log), directory_(std::move(directory)), engine_(engine) {
  std::error_code error;
  std::filesystem::create_directory(directory_, error);  // A failure shows at the first file.
}

asio::awaitable<absl::StatusOr<ReplayedEngine::State>> ReplayedEngine::Begin(Seq through) {
  ProgressReport* report = host_.report;
  SnapshotFeed::Options options;
  options.directory = directory_;
  options.max_seq = through;
  options.on_download = [report](uint64_t bytes, uint64_t of) {
    report->Update(Phase::kDownload, bytes, of);
  };
  options.on_load = [report](uint64_t bytes, uint64_t of) {
    report->Update(Phase::kLoad, bytes, of);
  };
  feed_ = std::make_unique<SnapshotFeed>(host_.background, host_.store, log_, std::move(options));
  SnapshotSource source = [feed = feed_.get()](EngineVersion reader) {
    return feed->Next(std::move(reader));
  };
  const absl::StatusOr<LogReplay::Reached> reached = co_await Replay(std::move(source), through);
  if (!reached.ok()) co_return reached.status();
  co_return StateAt(*reached);
}

asio::awaitable<absl::Status> ReplayedEngine::BeginWithDump(std::string path, Seq seq) {
  ProgressReport* report = host_.report;
  SnapshotSource source = [report, path,
                           seq](EngineVersion) -> asio::awaitable<absl::StatusOr<SinkFull>> {
    absl::StatusOr<std::unique_ptr<RdbSource>> dump = OpenRdbFile(path);
    if (!dump.ok()) co_return dump.status();
    auto told = [report](uint64_t bytes, uint64_t of) {
      report->Update(Phase::kRehearse, bytes, of);
    };
    co_return SinkFull{CountReads(*std::move(dump), told), seq};
  };
  const absl::StatusOr<LogReplay::Reached> reached = co_await Replay(source, seq);
  co_return reached.status();
}

asio::awaitable<absl::StatusOr<LogReplay::Reached>> ReplayedEngine::Replay(SnapshotSource source,
                                                                           Seq through) {
  const absl::Status started = co_await engine_->Start();
  if (!started.ok()) co_return started;
  if (cancelled_) co_return absl::CancelledError("stopped");
  LogReplay::Options options;
  options.engine = engine_->version();
  options.sink_password = engine_->sink_password();
  options.snapshots = std::move(source);
  // Not in a rehearsal, which has no records to replay.
  if (feed_ != nullptr) {
    options.on_applied = [report = host_.report, through](Seq applied) {
      report->Update(Phase::kReplay, applied.value(), through.value());
    };
  }
  replay_ = std::make_unique<LogReplay>(host_.executor, host_.background, log_, std::move(options));
  co_return co_await replay_->Run(engine_->link(), through);
}

asio::awaitable<absl::StatusOr<ReplayedEngine::State>> ReplayedEngine::Extend(Seq through) {
  const absl::StatusOr<LogReplay::Reached> reached = co_await replay_->Extend(through);
  if (!reached.ok()) co_return reached.status();
  co_return StateAt(*reached);
}

// What the records behind the snapshot do not tell, its manifest does.
ReplayedEngine::State ReplayedEngine::StateAt(const LogReplay::Reached& reached) const {
  const FeedProgress& progress = reached.progress;
  State state;
  state.seq = reached.seq;
  state.loaded_seq = reached.loaded_seq;
  state.stream = progress.position;
  state.epoch = progress.epoch.value_or(Epoch());
  if (loaded() == nullptr) return state;
  const SnapshotManifest& manifest = loaded()->manifest;
  if (!progress.epoch) state.epoch = manifest.epoch;
  if (state.stream.replid.empty()) state.stream = {manifest.replid, manifest.offset};
  return state;
}

asio::awaitable<void> ReplayedEngine::Stop() {
  co_await engine_->Stop();
  if (feed_ != nullptr) feed_->Stop();
  if (replay_ != nullptr) co_await replay_->Stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void ReplayedEngine::Cancel() {
  cancelled_ = true;
  engine_->Kill();
  if (feed_ != nullptr) feed_->Stop();
  if (replay_ != nullptr) replay_->Cancel();
}

}  // namespace cairn::adapter::redis
