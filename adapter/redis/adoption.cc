#include "adapter/redis/adoption.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "adapter/redis/repl_source.h"
#include "adapter/redis/stored_dump.h"
#include "adapter/snapshot_fetch.h"
#include "adapter/snapshot_maker.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

constexpr size_t kChunkBytes = size_t{256} << 10;

class DumpWriter {
 public:
  explicit DumpWriter(const std::string& path) : file_(std::fopen(path.c_str(), "wbe")) {}
  ~DumpWriter() {
    if (file_ != nullptr) (void)std::fclose(file_);
  }
  DumpWriter(const DumpWriter&) = delete;
  DumpWriter& operator=(const DumpWriter&) = delete;

  bool Write(std::span<const char> bytes) {
    return file_ != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
  }
  // False: not all of it is written.
  bool Finish() { return file_ != nullptr && std::fflush(file_) == 0; }

 private:
  std::FILE* const file_;
};

// What the log knows of before the first effect: that it begins with a memory, and which.
absl::Status StoreAndRegister(const ReplayHost& host, Client* client, Log log,
                              const std::string& dump, SnapshotManifest manifest,
                              std::string* location) {
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log));
  if (log_now.last_seq != manifest.seq) {
    return absl::FailedPreconditionError(
        fmt::format("the log {} has moved on: it ends with record {} and not with the grant {}",
                    log.name(), log_now.last_seq, manifest.seq));
  }
  manifest.chain = log_now.chain;
  ASSIGN_OR_RETURN(const SnapshotName name, StoreDump(*host.store, host.report, dump, &manifest));
  *location = LocationOf(*host.store, name);
  RETURN_IF_ERROR(log.RegisterSnapshot(kAdoptedName, manifest.seq, manifest.chain, *location));
  return RegisterStored(client, log, manifest, *location);
}

}  // namespace

Adoption::Adoption(ReplayHost host, Client* client, Log log, Options options, const Clock* clock)
    : host_(std::move(host)),
      client_(client),
      log_(std::move(log)),
      options_(std::move(options)),
      clock_(clock),
      dump_(options_.directory + "/adopted.rdb") {}

void Adoption::Cancel() {
  cancelled_ = true;
  if (running_ != nullptr) running_->Cancel();
}

asio::awaitable<absl::StatusOr<Adoption::Adopted>> Adoption::Run(EngineAddress from,
                                                                 EngineVersion version,
                                                                 Epoch epoch) {
  const Seq seq(epoch.value());
  Adopted adopted;
  absl::StatusOr<StreamPlace> place = co_await TakeDump(std::move(from));
  absl::Status status = place.status();
  if (status.ok()) {
    adopted.place = *std::move(place);
    absl::StatusOr<KeyspaceDigest> keyspace = co_await LoadDump(seq);
    status = keyspace.status();
    if (status.ok()) adopted.keyspace = *std::move(keyspace);
  }
  if (status.ok() && cancelled_) status = absl::CancelledError("stopped");
  if (status.ok()) {
    SnapshotManifest manifest;
    manifest.log_name = log_.name();
    manifest.log_id = log_.id();
    manifest.seq = seq;
    manifest.epoch = epoch;
    manifest.engine = CatalogVersion(version);
    manifest.replid = adopted.place.history;
    manifest.offset = adopted.place.offset.value();
    manifest.databases = adopted.keyspace.databases;
    manifest.created_us = clock_->Wall();
    manifest.created_by = options_.created_by;
    published_ = true;
    status = co_await Publish(std::move(manifest), &adopted.location);
  }
  std::error_code ignored;
  std::filesystem::remove(dump_, ignored);
  if (!status.ok()) co_return status;
  co_return adopted;
}

// The connection ends with the dump: a publisher goes on from the engine's backlog.
asio::awaitable<absl::StatusOr<StreamPlace>> Adoption::TakeDump(EngineAddress from) {
  ReplSource source(host_.executor, std::move(from), {});
  const absl::StatusOr<StreamPlace> place = co_await source.AttachWithDump();
  if (!place.ok()) co_return place.status();
  DumpWriter file(dump_);
  std::vector<char> chunk(kChunkBytes);
  uint64_t bytes = 0;
  while (!cancelled_) {
    const absl::StatusOr<size_t> read = co_await source.ReadDump(chunk);
    if (!read.ok()) co_return read.status();
    if (*read == 0) break;
    host_.report->Update(Phase::kDump, bytes += *read, 0);
    if (!file.Write(std::span<const char>(chunk).first(*read))) {
      co_return absl::UnavailableError(fmt::format("{} cannot be written", dump_));
    }
  }
  source.Close();
  if (cancelled_) co_return absl::CancelledError("stopped");
  if (!file.Finish()) co_return absl::UnavailableError(fmt::format("{}: disk full?", dump_));
  spdlog::info("adoption: a dump of {} bytes, as of {} of {}", bytes, place->offset,
               place->history);
  co_return *place;
}

asio::awaitable<absl::StatusOr<KeyspaceDigest>> Adoption::LoadDump(Seq seq) {
  const std::string directory = options_.directory + "/adoption";
  ScratchEngine engine(host_.executor, ScratchOptions(host_, directory + "/engine"));
  ReplayedEngine rehearsal(host_, log_, directory, &engine);
  running_ = &rehearsal;
  const absl::Status loaded = co_await rehearsal.BeginWithDump(dump_, seq);
  absl::StatusOr<KeyspaceDigest> keyspace = KeyspaceDigest();
  if (loaded.ok()) {
    keyspace = co_await ReadKeyspace(engine.link());
  } else {
    keyspace = Annotate(loaded, "rehearsal of the dump");
  }
  running_ = nullptr;
  co_await rehearsal.Stop();
  if (keyspace.ok()) spdlog::info("adoption: {}", keyspace->ToText());
  co_return keyspace;
}

asio::awaitable<absl::Status> Adoption::Publish(SnapshotManifest manifest, std::string* location) {
  auto call = [host = &host_, client = client_, log = log_, dump = dump_, manifest, location] {
    return StoreAndRegister(*host, client, log, dump, manifest, location);
  };
  co_return co_await host_.background->Run(std::move(call));
}

}  // namespace cairn::adapter::redis
