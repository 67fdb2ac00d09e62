// MemcacheAgent: what the role machine orders, and what the parts tell.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "adapter/memcache/memcache_agent.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {

// ---- The engine ---------------------------------------------------------------------------------

void MemcacheAgent::OnEngineReady(const EngineFacts& facts) {
  const std::string life = facts.Life();
  if (std::exchange(engine_life_, life) != life) {
    holds_ = {};
    ++engine_lives_;
  }
  spdlog::info("engine: memcached {}, {} items", facts.version, facts.use.items);
  facts_.engine = watch_->address();
  facts_.engine_life = engine_lives_;
  facts_.item_size = facts.item_size;
  TellFront();
  Tell(EngineReadyEvent{engine_life_, KnowsNothing()});
}

void MemcacheAgent::OnEngineDown(const absl::Status&) {
  ++counted_.engine_downs;
  holds_ = {};
  if (feeder_ != nullptr) feeder_->Release();
  facts_.engine.reset();
  TellFront();
  Tell(EngineDownEvent{});
}

// What leads, or was half filled, is not trusted: the machine orders anew what it shall be.
void MemcacheAgent::TellMemoryUnknown() {
  if (!watch_->ready()) return;
  Tell(EngineDownEvent{});
  Tell(EngineReadyEvent{engine_life_, KnowsNothing()});
}

void MemcacheAgent::EndEngine() {
  if (process_ != nullptr) return process_->Kill();
  spdlog::error("the engine at {} does not answer: it is out of use until it does, or is restarted",
                watch_->address().ToString());
}

// An engine that somebody else runs cannot be ended. The lease has gone, or goes, and nothing is
// filled before it has answered everything, or its connection has ended with it.
void MemcacheAgent::FenceEngine(std::unique_ptr<EngineConnection> undrained) {
  if (undrained != nullptr) feeder_->AwaitDrained(std::move(undrained));
  EndEngine();
}

void MemcacheAgent::Do(const ResyncOrder&) {
  ++counted_.resyncs;
  feeder_->Follow(watch_->address(), std::exchange(holds_, {}), watch_->facts().takes_cas());
}

void MemcacheAgent::OnResynced(Seq seq) { Tell(ResyncedEvent{seq, StreamOffset(seq.value())}); }

void MemcacheAgent::OnFed(Seq seq) {
  const StreamOffset offset(seq.value());
  Tell(EngineFedEvent{seq, seq, offset, offset});
}

void MemcacheAgent::OnFillFailed(const absl::Status& why) {
  spdlog::warn("the engine could not be fed: {}", ToStd(why.message()));
  if (absl::IsDeadlineExceeded(why)) EndEngine();
  holds_ = {};
  TellMemoryUnknown();
}

void MemcacheAgent::OnViewFailed(const absl::Status& why) {
  spdlog::critical("the view cannot go on: {}", ToStd(why.message()));
  if (absl::IsFailedPrecondition(why)) return Tell(VersionFenceEvent{true});
  Fail(why);
}

// ---- Reigns -------------------------------------------------------------------------------------

void MemcacheAgent::Do(const PromoteOrder& order) {
  const bool there = feeder_->follows() && feeder_->fed_seq().value() == order.expected.value();
  if (!there) {
    spdlog::error("promotion failed: the engine is not at {}", order.expected);
    return Tell(PromotionFailedEvent{});
  }
  holds_ = feeder_->Release();
  // One that was ordered and did not commit in an earlier reign is still to come.
  flush_ordered_.reset();
  ++counted_.promotions;
  const StreamPlace place{fmt::format("{}-{}", options_.incarnation, ++reigns_), StreamOffset(1)};
  Tell(PromotedEvent{order.expected, place});
}

asio::awaitable<void> MemcacheAgent::Attach(AttachOrder order) {
  const uint64_t attachment = attachment_;
  Attachment how = Attachment::kFailed;
  if (order.kind == AttachKind::kOpen) {
    facts_.epoch = order.epoch;
    facts_.tokens = CasTokens(order.epoch.value(), 0);
    Writer::Reign reign;
    reign.epoch = order.epoch;
    reign.from = order.from;
    reign.engine = watch_->address();
    reign.rules = {watch_->facts().clock, facts_.tokens, watch_->facts().item_size};
    reign.numbered = watch_->facts().takes_cas();
    reign.lease = desk().guard();
    how = co_await writer_->Open(std::move(reign));
  }
  if (attachment == attachment_) Tell(AttachedEvent{how});
}

void MemcacheAgent::Do(const StopPublisherOrder&) {
  ++attachment_;
  Start(StopWriter());
}

asio::awaitable<void> MemcacheAgent::StopWriter() {
  const StreamPlace place = writer_->place();
  std::optional<Writer::Standing> standing = co_await writer_->Stop();
  if (standing) holds_ = {standing->seq, std::move(standing->dirty)};
  if (standing && !standing->drained) FenceEngine(std::move(standing->undrained));
  Tell(PublisherStoppedEvent{place.history, place.offset, place.offset});
  if (standing) TellMemoryUnknown();
}

void MemcacheAgent::OnWriterFailed(PublisherTrouble why, const absl::Status& status) {
  ++counted_.publisher_failures;
  spdlog::warn("the writer: {}", ToStd(status.message()));
  // A connection to the engine that broke takes with it what the engine was told last.
  if (why == PublisherTrouble::kConnection) why = PublisherTrouble::kUnknown;
  Tell(PublisherFailedEvent{why});
}

// ---- Clients, and hand-over ---------------------------------------------------------------------

void MemcacheAgent::Do(const FrontOrder& order) {
  facts_.mode = order.mode;
  facts_.epoch = order.epoch;
  facts_.lease = order.epoch ? desk().guard() : nullptr;
  writer_->Pause(order.mode != FrontMode::kPrimary);
  TellFront();
}

// No change is begun any more: the front pauses.
asio::awaitable<void> MemcacheAgent::Drain(uint64_t drain) {
  const uint64_t attachment = attachment_;
  WakeUp pause(executor());
  while (!writer_->drained()) {
    if (attachment != attachment_ || role().state() != RoleState::kLeaving || ended()) co_return;
    co_await pause.Wait(Millis(2));
  }
  if (attachment == attachment_) Tell(DrainedEvent{drain, writer_->committed_seq()});
}

}  // namespace cairn::adapter::memcache
