#include "adapter/redis/snapshot_feed.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "adapter/redis/rdb_source.h"

namespace cairn::adapter::redis {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFilePrefix = "fetched-";

void RemoveLeftovers(const std::string& directory) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    if (!entry.path().filename().string().starts_with(kFilePrefix)) continue;
    std::error_code ignored;
    fs::remove(entry.path(), ignored);
  }
}

}  // namespace

adapter::EngineVersion CatalogVersion(const EngineVersion& version) {
  return {version.name, fmt::format("{}.{}.{}", version.major, version.minor, version.patch)};
}

SnapshotFeed::SnapshotFeed(Background* background, SnapshotStore* store, Log log, Options options)
    : background_(background), store_(store), log_(std::move(log)), options_(std::move(options)) {
  RemoveLeftovers(options_.directory);
}

asio::awaitable<absl::StatusOr<SinkFull>> SnapshotFeed::Next(EngineVersion reader) {
  FetchOptions fetch;
  fetch.reader = CatalogVersion(reader);
  fetch.max_seq = options_.max_seq;
  fetch.path = fmt::format("{}/{}{}.rdb", options_.directory, kFilePrefix, ++files_);
  fetch.progress = options_.on_download;
  using Fetched = absl::StatusOr<std::optional<FetchedSnapshot>>;
  auto call = [store = store_, log = log_, fetch]() -> Fetched {
    return FetchSnapshot(store, log, fetch);
  };
  Fetched fetched = co_await background_->Run(std::move(call));
  if (!fetched.ok()) co_return fetched.status();
  loaded_ = *std::move(fetched);
  if (!loaded_) co_return SinkFull{EmptyRdb(), Seq()};
  absl::StatusOr<std::unique_ptr<RdbSource>> dump = OpenRdbFile(loaded_->path);
  unlink(loaded_->path.c_str());
  if (!dump.ok()) co_return dump.status();
  SinkFull full{*std::move(dump), loaded_->manifest.seq};
  if (options_.on_load) full.dump = CountReads(std::move(full.dump), options_.on_load);
  co_return full;
}

}  // namespace cairn::adapter::redis
