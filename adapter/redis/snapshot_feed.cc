#include "adapter/redis/snapshot_feed.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <asio/this_coro.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "adapter/redis/rdb_source.h"

namespace cairn::adapter::redis {
namespace {

namespace fs = std::filesystem;

using Monotonic = std::chrono::steady_clock;

constexpr std::string_view kFilePrefix = "fetched-";
constexpr std::chrono::seconds kSoon{60};
constexpr Millis kMinPause{1'000};
constexpr Millis kMaxPause{60'000};
constexpr Millis kLook{100};

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

SnapshotFeed::SnapshotFeed(Background* background, objects::ObjectStore* store, Log log,
                           Options options)
    : background_(background), store_(store), log_(std::move(log)), options_(std::move(options)) {
  RemoveLeftovers(options_.directory);
}

asio::awaitable<void> SnapshotFeed::AwaitTurn() {
  const bool soon = loaded_ && Monotonic::now() - handed_out_ < kSoon;
  pause_ = soon ? std::clamp(2 * pause_, kMinPause, kMaxPause) : Millis(0);
  const auto turn = Monotonic::now() + pause_;
  WakeUp look(co_await asio::this_coro::executor);
  while (!stopped_ && Monotonic::now() < turn) co_await look.Wait(kLook);
}

asio::awaitable<absl::StatusOr<SinkFull>> SnapshotFeed::Next(EngineVersion reader) {
  co_await AwaitTurn();
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
  handed_out_ = Monotonic::now();
  SinkFull full{*std::move(dump), loaded_->manifest.seq};
  if (options_.on_load) full.dump = CountReads(std::move(full.dump), options_.on_load);
  co_return full;
}

}  // namespace cairn::adapter::redis
