#include "adapter/memcache/memcache_agent.h"

#include <spdlog/spdlog.h>

#include <map>
#include <utility>

#include "adapter/memcache/engine_warmup.h"
#include "adapter/memcache/record_mark.h"
#include "adapter/memcache/view_snapshot.h"
#include "adapter/snapshot_fetch.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr Millis kEngineStopPatience{3'000};
// A read on a miss waits so long for the view to have folded what was committed before it.
constexpr Millis kViewPatience{5'000};

}  // namespace

MemcacheAgent::MemcacheAgent(MemcacheAgentOptions options, const Clock* clock, OnState on_state)
    : Agent(options, clock, std::move(on_state)),
      options_(std::move(options)),
      report_(ProgressReport::ForProcess(), clock) {
  facts_.local_reads = options_.local_reads;
  facts_.on_miss_view = options_.on_miss_view;
}

MemcacheAgent::~MemcacheAgent() = default;

// ---- Life -----------------------------------------------------------------------------------

absl::Status MemcacheAgent::Run(Front* front) {
  front_ = front;
  return RunUntilStopped();
}

void MemcacheAgent::MakeParts() {
  EngineAddress address = options_.engine_address;
  if (options_.engine_process) {
    EngineProcessOptions process = *options_.engine_process;
    process.expected_items = [this] { return view_ == nullptr ? 0 : view_->EstimateSize().items; };
    process_ = std::make_unique<EngineProcess>(executor(), std::move(process));
    address = process_->address();
  }
  watch_ = std::make_unique<EngineWatch>(executor(), address, process_.get(), this,
                                         EngineMinderOptions());
  Writer::Options writer = options_.writer;
  writer.lease_name = options_.lease_name;
  if (options_.on_miss_view) {
    writer.look_up = [this](std::vector<std::string> keys, Seq at_least) {
      return LookUp(std::move(keys), at_least);
    };
  }
  writer_ = std::make_unique<Writer>(
      executor(), log(), std::move(writer), clock(),
      [this](size_t thread, std::vector<WriteReply> replies) {
        front_->Deliver(thread, std::move(replies));
      },
      this);
  writer_told_ = writer_.get();
}

absl::Status MemcacheAgent::StartParts() {
  ASSIGN_OR_RETURN(view_, OpenView());
  ViewFeeder::Options feeder;
  feeder.lease_name = options_.lease_name;
  feeder.report = &report_;
  if (options_.store != nullptr) {
    feeder.restore = [this](View* view) { return RestoreView(view); };
  }
  feeder_ = std::make_unique<ViewFeeder>(executor(), &background(), log(), view_.get(),
                                         std::move(feeder), this);
  feeder_->Start();
  watch_->Start();
  ring_ = std::make_unique<OtherLogs>(executor(), &background(), client(),
                                      OtherLogs::Options{options_.ring, options_.lease_name},
                                      [this](const std::vector<OtherLog>& others) {
                                        others_ = others;
                                        RefreshView();
                                      });
  if (!options_.ring.empty()) ring_->Start();
  return absl::OkStatus();
}

// A view is made of the log, and can be made of it again.
absl::StatusOr<std::unique_ptr<View>> MemcacheAgent::OpenView() {
  ViewOptions view;
  view.directory = options_.directory + "/view";
  view.log_id = GroupId(log().id().value());
  view.lease_name = options_.lease_name;
  absl::StatusOr<std::unique_ptr<View>> opened = View::Open(view);
  if (!absl::IsDataLoss(opened.status())) return opened;
  spdlog::error("{}: it is begun anew from the log", ToStd(opened.status().message()));
  RETURN_IF_ERROR(View::Remove(view.directory));
  return View::Open(view);
}

// On a thread of the Background.
absl::Status MemcacheAgent::RestoreView(View* view) {
  ASSIGN_OR_RETURN(const std::optional<FoundSnapshot> found,
                   ChooseSnapshot(options_.store.get(), log(), {.reader = ViewEngine()}));
  if (!found) return view->Reset();
  spdlog::info("loading the snapshot as of {}", found->manifest.seq);
  const auto progress = [this](uint64_t bytes, uint64_t of) {
    report_.Update(Phase::kDownload, bytes, of);
  };
  return LoadViewSnapshot(*options_.store, found->name, found->manifest, view, progress).status();
}

asio::awaitable<void> MemcacheAgent::StopParts() {
  (void)co_await writer_->Stop();
  if (ring_ != nullptr) co_await ring_->Stop();
  if (feeder_ != nullptr) co_await feeder_->Stop();
  co_await watch_->Stop();
}

asio::awaitable<void> MemcacheAgent::StopEngine() {
  if (process_ != nullptr) co_await process_->Stop(kEngineStopPatience);
}

void MemcacheAgent::StopFront() {
  front_->Stop();
  if (options_.store != nullptr) options_.store->Stop();
}

void MemcacheAgent::Submit(std::vector<WriteRequest> requests) {
  if (Writer* const writer = writer_told_.load(); writer != nullptr) {
    writer->Submit(std::move(requests));
  }
}

size_t MemcacheAgent::pending_bytes() const {
  const Writer* const writer = writer_told_.load();
  return writer == nullptr ? 0 : writer->pending_bytes();
}

absl::StatusOr<std::optional<StreamPlace>> MemcacheAgent::ReadPlace(Record* record) {
  return memcache::ReadPlace(record);
}

asio::awaitable<absl::StatusOr<HeldItems>> MemcacheAgent::LookUp(std::vector<std::string> keys,
                                                                 Seq at_least) {
  const bool folded = co_await feeder_->AwaitViewSeq(at_least, kViewPatience);
  if (!folded) co_return absl::DeadlineExceededError("the view does not follow the log");
  auto look_up = [view = view_.get(), keys = std::move(keys),
                  numbered = watch_->facts().takes_cas(),
                  clock = clock()]() -> absl::StatusOr<HeldItems> {
    HeldItems held;
    held.reserve(keys.size());
    const UnixSeconds now = clock->Wall() / kMicrosPerSecond;
    for (const std::string& key : keys) {
      ASSIGN_OR_RETURN(std::optional<ViewItem> item, view->Get(key, now));
      held.emplace_back();
      if (!item) continue;
      const uint64_t cas = numbered ? NumberFor(item->stored_by, true) : CasTokens::kUnnumbered;
      held.back() = HeldItem{std::move(item->item), item->binary, cas};
    }
    return held;
  };
  co_return co_await background().Run(std::move(look_up));
}

// ---- What others see --------------------------------------------------------------------------

void MemcacheAgent::RefreshView() {
  const std::string holder(HolderNames::AddressOf(head().position().holder));
  const std::string primary = holder == options_.address ? "" : holder;
  const FrontFacts before = facts_;
  facts_.primary = primary;
  SetDoors(holder.empty() ? options_.address : holder);
  const bool same_doors =
      facts_.doors == before.doors && facts_.doors_version == before.doors_version;
  if (facts_.primary != before.primary || !same_doors) TellFront();
}

// All agents of all logs tell the same: in the order of the logs' names, and with epochs that only
// grow, so their sum does with each change.
void MemcacheAgent::SetDoors(const std::string& own) {
  std::map<std::string, std::string> doors = {{options_.log, own}};
  facts_.doors_version = head().position().lease.epoch.value();
  for (const OtherLog& other : others_) {
    facts_.doors_version += other.epoch.value();
    if (!other.primary.empty()) doors.emplace(other.name, other.primary);
  }
  facts_.doors.clear();
  for (const auto& [log, door] : doors) facts_.doors.push_back(door);
}

void MemcacheAgent::TellFront() { front_->SetFacts(facts_); }

void MemcacheAgent::RefreshStatus() {
  writer_->SetClock(watch_->facts().clock);
  writer_->Tick();
  FlushIfDue();
  MemcacheStatus status{LookAtStatus(), watch_->facts().use, "", "", {}};
  status.engine_ready = watch_->ready();
  status.primary = HolderNames::AddressOf(head().position().holder);
  status.mode = options_.writer.mode == WriteMode::kBehind ? "write-behind" : "write-through";
  for (const PresentAgent& agent : presence().agents()) status.agents.push_back(agent.address);
  const Seq last = head().position().read_seq;
  const Seq held = feeder_->follows() ? feeder_->fed_seq() : last;
  status.records_behind = last > held ? last - held : 0;
  status.in_flight_bytes = writer_->in_flight_bytes();
  status.lag_us = writer_->lag_us();
  status.refused = writer_->refused();
  status.refills_refused = writer_->refills_refused();
  status.stores_refused = writer_->stores_refused();
  status.pending_bytes = writer_->pending_bytes();
  status.view_seq = feeder_->view_seq().value();
  const View::Size size = view_->EstimateSize();
  status.view_items = size.items;
  status.view_disk_bytes = size.disk_bytes;
  const absl::MutexLock lock(&status_mutex_);
  status_told_ = status;
}

// What was asked for in advance is the matter of who is the primary when it is due.
void MemcacheAgent::FlushIfDue() {
  const UnixSeconds due = view_->position().flush_due_at;
  if (due == 0) flush_ordered_.reset();
  if (due == 0 || due > clock()->Wall() / kMicrosPerSecond) return;
  if (!writer_->reigns() || role().state() != RoleState::kPrimary) return;
  if (std::exchange(flush_ordered_, due) != due) writer_->FlushNow();
}

MemcacheStatus MemcacheAgent::Status() const {
  const absl::MutexLock lock(&status_mutex_);
  return status_told_;
}

}  // namespace cairn::adapter::memcache
