#include "adapter/log_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter {
namespace {

// Records that are read back at first, and by how much more each time.
constexpr uint64_t kFirstWindow = 64;
constexpr uint64_t kWindowFactor = 16;
// Next waits at most that long for a message; Close ends it sooner.
constexpr absl::Duration kNextPatience = absl::Seconds(1);
// A history that no engine has: of data that was trimmed, so that it cannot be told any more.
constexpr char kTrimmedHistory[] = "trimmed";

// Reads [from, last] into facts that began right before.
absl::StatusOr<bool> ReadBack(Log& log, Seq from, Seq last, absl::Duration timeout,
                              LogFacts* facts) {
  bool lease_seen = false;
  ReadOptions read;
  read.call.timeout = timeout;
  read.start_seq = from;
  read.end_seq = last;
  ReadStream stream = log.Read(read);
  while (true) {
    ASSIGN_OR_RETURN(std::optional<RecordBatch> batch, stream.Next());
    if (!batch) return lease_seen;
    for (Record& record : batch->records) {
      ASSIGN_OR_RETURN(const bool is_lease, facts->TakeRecord(std::move(record)));
      lease_seen |= is_lease;
    }
  }
}

}  // namespace

LogHead::LogHead(asio::any_io_executor executor, Background* background, Log log, Options options,
                 const HolderNames* names, PlaceReader read_place, LogHeadOwner* owner)
    : executor_(std::move(executor)),
      background_(background),
      log_(std::move(log)),
      options_(std::move(options)),
      facts_(options_.lease_name, names, std::move(read_place)),
      owner_(owner) {}

LogHead::~LogHead() { CHECK(!following_); }

absl::StatusOr<LogPosition> LogHead::LookUp(Log log, const Options& options, LogFacts* facts) {
  DescribeOptions describe;
  describe.call.timeout = options.call_timeout;
  describe.linearizable = true;
  ASSIGN_OR_RETURN(const LogDescription log_now, log.Describe(describe));
  if (!log_now.settings.fenced.value_or(false)) {
    return absl::FailedPreconditionError(
        fmt::format("the log {} accepts appends of everybody: a cache's log must be created fenced",
                    log.name()));
  }
  LogPosition now;
  for (const LeaseInfo& lease : log_now.leases) {
    if (lease.name != options.lease_name) continue;
    now.lease = facts->ViewOf(lease);
    if (now.lease.epoch) now.holder = lease.holder;
  }
  const Seq first = log_now.first_seq;
  const Seq last = log_now.last_seq;
  bool lease_seen = false;
  for (uint64_t window = kFirstWindow; first <= last; window *= kWindowFactor) {
    const Seq from = last - first < window ? first : last - window + 1;
    LogPosition before = now;
    before.read_seq = from.Previous();
    facts->Begin(before);
    ASSIGN_OR_RETURN(lease_seen, ReadBack(log, from, last, options.call_timeout, facts));
    if (facts->position().published || from == first) break;
  }
  LogPosition found = first <= last ? facts->position() : now;
  found.read_seq = last;
  // The lease was described as of `last`; what was read tells the same, and more.
  if (!lease_seen) found.lease = now.lease;
  if (!found.published && first > Seq(1)) {
    found.published = Meeting{{kTrimmedHistory, StreamOffset()}, first.Previous()};
  }
  return found;
}

asio::awaitable<absl::Status> LogHead::Start() {
  CHECK(!following_);
  auto look_up = [log = log_, options = options_, facts = &facts_] {
    return LookUp(log, options, facts);
  };
  absl::StatusOr<LogPosition> found = co_await background_->Run(std::move(look_up));
  if (!found.ok()) co_return found.status();
  facts_.Begin(*std::move(found));
  TailerOptions tail;
  tail.start = TailStart::AtSeq(facts_.position().read_seq + 1);
  tail.heartbeat = options_.heartbeat;
  tail.on_denied = [this](const absl::Status& why) {
    denial_.Note("the log is not followed", why);
  };
  absl::StatusOr<std::unique_ptr<Tailer>> tailer = Tailer::Open(log_, std::move(tail));
  if (!tailer.ok()) co_return tailer.status();
  tailer_ = *std::move(tailer);
  following_ = true;
  LogSeenEvent seen = facts_.Event();
  seen.lease_alive = true;
  owner_->OnSeen(seen);
  asio::co_spawn(executor_, Follow(tailer_), asio::detached);
  co_return absl::OkStatus();
}

asio::awaitable<void> LogHead::Follow(std::shared_ptr<Tailer> tailer) {
  absl::Status status;
  while (status.ok()) {
    auto next = [tailer] { return tailer->Next(kNextPatience); };
    absl::StatusOr<TailEvent> event = co_await background_->Run(std::move(next));
    if (absl::IsDeadlineExceeded(event.status())) continue;
    if (!event.ok()) {
      status = event.status();
      break;
    }
    // Heartbeats come only while there are no records, so a busy log would never be fresh again. A
    // node that is behind soon has no more records, and says so.
    stale_ = event->heartbeat ? event->heartbeat->stale : stale_ && event->batches.empty();
    std::vector<LogSeenEvent> seen;
    status = facts_.Take(*std::move(event), &seen);
    for (const LogSeenEvent& one : seen) owner_->OnSeen(one);
  }
  following_ = false;
  if (!absl::IsCancelled(status)) owner_->OnHeadFailed(status);
}

asio::awaitable<void> LogHead::Stop() {
  if (tailer_ != nullptr) tailer_->Close();
  asio::steady_timer pause(executor_);
  while (following_) {
    pause.expires_after(std::chrono::milliseconds(2));
    co_await pause.async_wait(asio::use_awaitable);
  }
}

bool LogHead::reachable() const {
  return following_ && !stale_ && tailer_->Disconnected() == absl::ZeroDuration();
}

}  // namespace cairn::adapter
