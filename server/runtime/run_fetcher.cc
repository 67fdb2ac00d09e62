#include "server/runtime/run_fetcher.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "base/thread_priority.h"
#include "server/peer_feed.h"
#include "server/run_check.h"
#include "server/runtime/peer_frames.h"
#include "server/runtime/sockets.h"
#include "storage/rocks_rows.h"

namespace cairn::server {
namespace {

constexpr int kConnectTimeoutMs = 1000;
constexpr int64_t kAnswerTimeoutUs = 2 * kMicrosPerSecond;
constexpr uint32_t kMaxAnswerBytes = 64 << 10;
constexpr size_t kReadBytes = 4 << 20;
// Between two pieces: a sender waits for its allowance, which others may be spending.
constexpr int64_t kSilenceUs = 15 * kMicrosPerSecond;
// How long a run that was fetched ahead may wait until it is asked for.
constexpr int64_t kAheadKeptUs = 15 * kMicrosPerSecond;

absl::Status Broken(const SocketStream& stream, const char* where) {
  return absl::UnavailableError(ToAbsl(fmt::format(
      "the connection ended {}{}{}", where, stream.error().empty() ? "" : ": ", stream.error())));
}

MonoMicros After(int64_t us) { return SystemClock().Mono() + us; }

// Takes rows until the empty frame.
absl::Status ReadRows(SocketStream& stream, GroupId group, RunCheck& check,
                      storage::RunBuilder& builder) {
  FrameReader reader(kReadBytes);
  while (true) {
    while (const std::optional<std::string_view> row = reader.Next()) {
      if (row->empty()) return check.Finish();
      ASSIGN_OR_RETURN(const storage::EntryRef entry,
                       storage::ParseEntryRow(group, check.next(), *row));
      RETURN_IF_ERROR(check.Take(entry));
      RETURN_IF_ERROR(builder.Add(entry));
    }
    if (reader.broken()) return absl::DataLossError("a row has an impossible length");
    reader.Prepare();
    size_t got = 0;
    if (!stream.ReceiveSome({reader.space(), reader.space_bytes()}, &got, After(kSilenceUs))) {
      return Broken(stream, "before the end of the run");
    }
    reader.Filled(got);
  }
}

}  // namespace

RunFetcher::RunFetcher(Options options, storage::LogStore* store)
    : options_(std::move(options)), store_(store), thread_([this] { Run(); }) {}

RunFetcher::~RunFetcher() { Stop(); }

void RunFetcher::Submit(RunRequest request, FetchSink* sink) {
  absl::MutexLock lock(&mutex_);
  pending_.push_back({std::move(request), sink});
}

void RunFetcher::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    stream_.Shut();
  }
  if (thread_.joinable()) thread_.join();
}

bool RunFetcher::HasWork() const { return stopping_ || !pending_.empty(); }

std::optional<RunFetcher::Pending> RunFetcher::AwaitNext() {
  absl::MutexLock lock(&mutex_);
  const absl::Condition has_work(this, &RunFetcher::HasWork);
  if (!mutex_.AwaitWithTimeout(has_work, absl::Microseconds(kAheadKeptUs))) {
    // Nobody has asked for it.
    ahead_.Drop();
    mutex_.Await(has_work);
  }
  if (stopping_) return std::nullopt;
  Pending next = std::move(pending_.front());
  pending_.pop_front();
  return next;
}

bool RunFetcher::IsWanted() {
  absl::MutexLock lock(&mutex_);
  return HasWork();
}

void RunFetcher::Run() {
  while (std::optional<Pending> next = AwaitNext()) {
    const RunRequest& request = next->request;
    Fetched fetched = ahead_.Take(request, *store_);
    if (fetched.run == nullptr) fetched = Fetch(request, nullptr);
    std::optional<RunRequest> behind = RunAhead::Behind(request, fetched);
    const std::shared_ptr<storage::EntryRun> run = fetched.run;
    next->sink->OnFetched(request.group, std::move(fetched));
    // (Those that wait for a run come first.)
    if (!behind || IsWanted()) continue;
    fetched = Fetch(*behind, run.get());
    ahead_.Keep(*std::move(behind), std::move(fetched));
  }
}

Fetched RunFetcher::Fetch(const RunRequest& request, const storage::EntryRun* behind) {
  const MonoMicros begin = SystemClock().Mono();
  Fetched fetched{.ticket = request.ticket};
  if (options_.gives_way && request.free_bytes != kAllFree) {
    // A thread cannot come back from there, and the next run may be urgent.
    std::thread([&] {
      RunInBackground();
      fetched.status = FetchInto(request, behind, fetched);
    }).join();
  } else {
    fetched.status = FetchInto(request, behind, fetched);
  }
  Use(SocketStream());
  const std::string what =
      fmt::format("entries {} through {} of group {} from node {}", request.prev.index + 1,
                  request.through.index, request.group, request.from);
  if (fetched.status.ok()) {
    spdlog::info("fetched {}: {} bytes in {} ms", what, fetched.bytes,
                 (SystemClock().Mono() - begin) / kMicrosPerMilli);
  } else {
    fetched.run.reset();
    spdlog::info("could not fetch {}: {}", what, ToStd(fetched.status.message()));
  }
  return fetched;
}

absl::Status RunFetcher::FetchInto(const RunRequest& request, const storage::EntryRun* behind,
                                   Fetched& fetched) {
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::RunBuilder> builder,
                   behind != nullptr ? store_->BeginRunBehind(*behind)
                                     : store_->BeginRun(request.group, request.prev.index));
  RETURN_IF_ERROR(Open(request));
  RETURN_IF_ERROR(Greet(request));
  RunCheck check(request);
  RETURN_IF_ERROR(ReadRows(stream_, request.group, check, *builder));
  ASSIGN_OR_RETURN(fetched.run, builder->Finish());
  fetched.entries = check.TakeEntries();
  fetched.after = check.position();
  fetched.bytes = check.bytes();
  return absl::OkStatus();
}

bool RunFetcher::Use(SocketStream stream) {
  absl::MutexLock lock(&mutex_);
  stream_ = std::move(stream);
  return !stopping_;
}

absl::Status RunFetcher::Open(const RunRequest& request) {
  const std::string address = options_.address_of(request.from);
  Connecting made = ConnectTcp(address, kConnectTimeoutMs);
  if (!made.socket) {
    return absl::UnavailableError(ToAbsl(fmt::format("{} cannot be reached", address)));
  }
  TunePeerSocket(made.socket.get());
  if (!Use(SocketStream(std::move(made.socket)))) return absl::CancelledError("stopping");
  const MonoMicros deadline = After(kAnswerTimeoutUs);
  bool open = stream_.SendAll(kPeerMagic, deadline);
  if (open && options_.tls != nullptr) {
    stream_.ConnectTls(options_.tls->Now()->opening, options_.tls->NameOf(address));
    open = stream_.ShakeHands(deadline);
  }
  return open ? absl::OkStatus() : Broken(stream_, "as it was opened");
}

absl::Status RunFetcher::Greet(const RunRequest& request) {
  cairn::v1::ExchangeRequest greeting;
  *greeting.mutable_hello() = options_.hello;
  greeting.mutable_hello()->set_to_node_id(request.from.value());
  cairn::v1::RunFetch& wanted = *greeting.mutable_fetch();
  wanted.set_group(request.group.value());
  wanted.set_first_index(request.prev.index.value() + 1);
  wanted.set_last_index(request.through.index.value());
  wanted.set_free_bytes(request.free_bytes);
  std::string bytes;
  AppendFrame(greeting, bytes);
  const MonoMicros deadline = After(kAnswerTimeoutUs);
  cairn::v1::ExchangeResponse answer;
  if (!stream_.SendAll(bytes, deadline) ||
      !ReceiveFrame(stream_, kMaxAnswerBytes, deadline, answer)) {
    return Broken(stream_, "before it was accepted");
  }
  if (answer.refusal().empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(answer.refusal());
}

}  // namespace cairn::server
