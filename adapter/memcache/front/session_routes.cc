// Session: who answers what.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "adapter/memcache/agent_stats.h"
#include "adapter/memcache/auto_discovery.h"
#include "adapter/memcache/effects.h"
#include "adapter/memcache/front/session.h"
#include "adapter/memcache/passed_line.h"
#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

// An agent that forwards says so first, and is told at once if this one is not the primary.
constexpr std::string_view kForwarding = "cairn:forwarding";
constexpr std::string_view kUnknown =
    "SERVER_ERROR the primary went away: it is unknown whether this was done\r\n";
constexpr std::string_view kEngineGone = "SERVER_ERROR the cache's engine went away\r\n";
constexpr std::string_view kLeaseOver = "SERVER_ERROR the primary changed\r\n";
constexpr std::string_view kEndOfGroup = "MN\r\n";
constexpr std::string_view kEnd = "END\r\n";
constexpr size_t kPromptBytes = size_t{256} << 10;

// How many items a reply may have.
size_t CountItems(const Request& request) {
  switch (request.verb) {
    case Verb::kGet:
    case Verb::kGets:
    case Verb::kGat:
    case Verb::kGats:
    case Verb::kMetaGet:
      return request.keys.size();
    default:
      return 0;
  }
}

// What a plain get or gets asks for, when its reply comes.
const Request& PlainGet(Verb verb) {
  static const Request kPlain[2] = {[] {
                                      Request get;
                                      get.verb = Verb::kGet;
                                      return get;
                                    }(),
                                    [] {
                                      Request gets;
                                      gets.verb = Verb::kGets;
                                      return gets;
                                    }()};
  return kPlain[verb == Verb::kGets ? 1 : 0];
}

bool IsPlainGet(const Request& request) {
  return request.verb == Verb::kGet || request.verb == Verb::kGets;
}

}  // namespace

void Session::Take(const Request& request, std::string_view bytes) {
  Slot& slot = Add();
  slot.verb = request.verb;
  const bool discovers = AsksForDoors(request);
  if (request.line == kAgentStatsRequest) return Finish(&slot, host_->AgentStats());
  if (discovers || Classify(request) == RequestClass::kAgent) return AnswerAsAgent(request, &slot);
  const bool many = request.keys.size() > 1 && request.keys.size() > KeysWanted();
  if (many) return BeginLongGet(request, bytes, &slot);
  Expect(&slot, CountItems(request));
  Ask(request, bytes, &slot);
}

void Session::Ask(const Request& request, std::string_view bytes, Slot* slot) {
  if (Dispatch(request, bytes, slot)) return;
  slot->request = std::make_unique<OwnedRequest>(request, bytes);
  AwaitSomebody(slot);
}

void Session::AnswerAsAgent(const Request& request, Slot* slot) {
  switch (request.verb) {
    case Verb::kQuit:
      slot->closes = true;
      closing_ = true;
      return Finish(slot, "");
    case Verb::kMetaNoop:
      return Finish(slot, kEndOfGroup);
    case Verb::kVerbosity:
      return Finish(slot, request.noreply ? "" : "OK\r\n");
    case Verb::kConfigGet:
      if (request.keys.front() == kForwarding) {
        forwarded_ = true;
        return Finish(slot, "OK\r\n");
      }
      return Finish(slot, DoorsReply(request, host_->facts().doors, host_->facts().doors_version));
    default:
      return Finish(slot, DoorsReply(request, host_->facts().doors, host_->facts().doors_version));
  }
}

// False: nobody serves it for now.
bool Session::Dispatch(const Request& request, std::string_view bytes, Slot* slot) {
  if (AwaitsOldPrimary()) return false;
  const FrontFacts& facts = host_->facts();
  const RequestClass kind = Classify(request);
  const bool changes = kind == RequestClass::kKeyed || kind == RequestClass::kFlush;
  if (facts.reigns()) {
    if (changes || (kind == RequestClass::kRead && ReadsOwnChange(request))) {
      ToWriter(request, bytes, slot);
      return true;
    }
    if (host_->engine() == nullptr) return false;
    ToEngine(request, bytes, slot);
    return true;
  }
  if (forwarded_) {
    Finish(slot, kNotPrimary);
    return true;
  }
  const bool local =
      kind == RequestClass::kEngine ||
      (kind == RequestClass::kRead && facts.local_reads && facts.mode == FrontMode::kReplica);
  if (local && host_->engine() != nullptr) {
    ToEngine(request, bytes, slot);
    return true;
  }
  if (facts.mode == FrontMode::kHolding || host_->primary() == nullptr) return false;
  ToPrimary(request, bytes, slot);
  return true;
}

void Session::AwaitSomebody(Slot* slot) {
  slot->route = Route::kNone;
  // They come back in any order, and go on in the client's.
  waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), slot->number), slot->number);
  host_->AwaitChange(this);
}

void Session::DispatchWaiting() {
  while (!waiting_.empty()) {
    Slot* const slot = Find(waiting_.front());
    const std::unique_ptr<OwnedRequest> request = std::move(slot->request);
    waiting_.pop_front();
    if (Dispatch(**request, request->bytes(), slot)) continue;
    slot->request = std::make_unique<OwnedRequest>(std::move(*request));
    waiting_.push_front(slot->number);
    return host_->AwaitChange(this);
  }
}

bool Session::AwaitsOldPrimary() const {
  if (writer_due_ > 0 && !host_->facts().reigns()) return true;
  return primary_due_ > 0 &&
         (host_->primary() == nullptr || host_->primary_number() != primary_number_);
}

bool Session::ReadsOwnChange(const Request& request) const {
  if (own_changes_.empty()) return false;
  bool own = false;
  ForEachKey(request, [&](std::string_view key) { own |= own_changes_.contains(HashKey(key)); });
  return own;
}

// ---- Ways out -----------------------------------------------------------------------------------

void Session::ToEngine(const Request& request, std::string_view bytes, Slot* slot) {
  slot->route = Route::kEngine;
  EngineConnection* const engine = host_->engine();
  const FrontFacts& facts = host_->facts();
  slot->gathers = facts.on_miss_view && facts.reigns() && request.verb != Verb::kMetaDebug &&
                  Classify(request) == RequestClass::kRead;
  if (slot->gathers || !IsPlainGet(request)) {
    slot->request = std::make_unique<OwnedRequest>(request, bytes);
  } else {
    slot->plain_get = bytes;
  }
  slot->epoch = facts.reigns() ? facts.epoch : Epoch();
  engine->out()->append(PlainLine(request));
  engine->Expect(ReplyKindOf(request), this, slot->number);
  ++due_;
  host_->counters().reads.fetch_add(1, std::memory_order_relaxed);
  host_->Touch(this);
}

void Session::ToWriter(const Request& request, std::string_view bytes, Slot* slot) {
  slot->route = Route::kWriter;
  if (Classify(request) == RequestClass::kKeyed) {
    slot->changes = HashesOf(request);
    for (const KeyHash key : slot->changes) ++own_changes_[key];
  }
  ++writer_due_;
  host_->Submit({OwnedRequest(request, bytes), {host_->thread_index(), id_, slot->number}});
  host_->counters().changes.fetch_add(1, std::memory_order_relaxed);
}

void Session::ToPrimary(const Request& request, std::string_view bytes, Slot* slot) {
  slot->route = Route::kPrimary;
  EngineConnection* const primary = host_->primary();
  ReplyKind kind = ReplyKindOf(request);
  if (request.too_large) {
    // Its value was not read. The item that it was to replace goes, as in memcached.
    slot->instead = Decide(request, std::nullopt, {.item_size = host_->facts().item_size}).reply;
    primary->out()->append(MetaLine("md", request.key(), request.binary)).append("\r\n");
    kind = ReplyKind::kMeta;
  } else {
    slot->grouped = request.noreply || request.meta.quiet;
    primary->out()->append(bytes);
    if (slot->grouped) {
      primary->out()->append("mn\r\n");
      kind = ReplyKind::kMetaGroup;
    }
  }
  slot->request = std::make_unique<OwnedRequest>(request, bytes);
  primary->Expect(kind, this, slot->number);
  ++due_;
  ++primary_due_;
  primary_number_ = host_->primary_number();
  host_->counters().forwarded.fetch_add(1, std::memory_order_relaxed);
  host_->Touch(this);
}

// ---- Replies ------------------------------------------------------------------------------------

void Session::OnWritten(WriteReply reply) {
  --writer_due_;
  if (closed_) return;
  Slot* const slot = Find(reply.to.slot);
  if (!reply.returned) return OnWriterReply(slot, reply.bytes);
  slot->request = std::make_unique<OwnedRequest>(*std::move(reply.returned));
  ForgetChanges(slot);
  AwaitSomebody(slot);
}

void Session::OnWriterReply(Slot* slot, std::string_view bytes) {
  const size_t line = bytes.size() - std::min(bytes.size(), kEnd.size());
  if (!EndsPortion(*slot, bytes.substr(line))) return Finish(slot, bytes);
  Say(slot, bytes.substr(0, line));
  EndPortion(slot);
}

void Session::OnReply(uint64_t tag, const ReplyPiece& piece) {
  if (piece.ends) --due_;
  if (closed_) return host_->Touch(this);
  Slot* const slot = Find(tag);
  if (slot->route != Route::kPrimary) return OnEngineLine(slot, piece);
  const bool awaited = AwaitsOldPrimary();
  if (piece.ends) --primary_due_;
  OnPrimaryLine(slot, piece);
  if (awaited && !AwaitsOldPrimary()) Resume();
}

// What was asked under a lease counts only while it lasts: behind it somebody else may have changed
// everything, whatever this agent is by now.
bool Session::Entitled(const Slot& slot) const {
  if (slot.epoch == Epoch()) return true;
  const FrontFacts& facts = host_->facts();
  return facts.reigns() && facts.epoch == slot.epoch && facts.lease->IsSafe();
}

void Session::OnEngineLine(Slot* slot, const ReplyPiece& piece) {
  if (!Entitled(*slot)) {
    if (slot->begun) return Close();
    if (!piece.ends) return;
    return MayAskAgain(slot) ? AwaitSomebody(slot) : Finish(slot, kLeaseOver);
  }
  if (slot->gathers && LooksFurther(slot, piece)) return;
  slot->begun = true;
  const bool goes_on = piece.ends && piece.line && EndsPortion(*slot, piece.bytes);
  if (!goes_on) Pass(slot, piece);
  if (!piece.ends) return;
  if (slot->gathers) Say(slot, std::exchange(slot->kept, {}));
  if (goes_on) return EndPortion(slot);
  Finish(slot, "");
}

void Session::Pass(Slot* slot, const ReplyPiece& piece) {
  std::string line;
  std::string_view bytes = piece.bytes;
  if (piece.line) {
    const Request& request = slot->request != nullptr ? **slot->request : PlainGet(slot->verb);
    AppendPassedLine(request, host_->facts().tokens, piece.bytes, &line);
    CountIfError(line);
    bytes = line;
  }
  if (slot->gathers) {
    slot->kept.append(bytes);
  } else {
    Say(slot, bytes);
  }
  // A large reply leaves while it comes in.
  if (is_head(*slot) && out_.size() - out_sent_ >= kPromptBytes) host_->Touch(this);
}

// Whether the reply lacks items, for which the writer looks in the view.
bool Session::LooksFurther(Slot* slot, const ReplyPiece& piece) {
  const bool item = piece.bytes.starts_with("VA") || piece.bytes.starts_with("HD");
  if (piece.line && item) ++slot->found;
  if (!piece.ends || slot->found >= (**slot->request).keys.size()) return false;
  if (piece.bytes.find("ERROR") != std::string_view::npos) return false;
  slot->kept.clear();
  slot->begun = false;
  slot->gathers = false;
  const std::unique_ptr<OwnedRequest> request = std::move(slot->request);
  ToWriter(**request, request->bytes(), slot);
  return true;
}

void Session::OnPrimaryLine(Slot* slot, const ReplyPiece& piece) {
  slot->refused |= piece.line && !slot->begun && piece.bytes == kNotPrimary;
  if (piece.ends && piece.line && EndsPortion(*slot, piece.bytes)) return EndPortion(slot);
  const bool own_end = slot->grouped && piece.ends;
  if (!slot->refused && !own_end && !slot->instead) {
    slot->begun = true;
    if (piece.line) CountIfError(piece.bytes);
    Say(slot, piece.bytes);
  }
  if (!piece.ends) return;
  if (!slot->refused) return Finish(slot, std::exchange(slot->instead, {}).value_or(""));
  slot->refused = false;
  AwaitSomebody(slot);
}

// What only looks can be looked for again.
bool Session::MayAskAgain(Slot* slot) {
  if (slot->request == nullptr) {
    const auto parsed = RequestParser(RequestParser::Options()).Parse(slot->plain_get);
    CHECK(parsed.outcome == RequestParser::Outcome::kRequest);
    slot->request = std::make_unique<OwnedRequest>(parsed.request, slot->plain_get);
    return true;
  }
  return !slot->gathers && Classify(**slot->request) == RequestClass::kRead;
}

void Session::OnUnsent(uint64_t tag) {
  --due_;
  if (closed_) return host_->Touch(this);
  Slot* const slot = Find(tag);
  if (slot->route == Route::kPrimary) --primary_due_;
  if (slot->request == nullptr) MayAskAgain(slot);
  slot->gathers = false;
  slot->instead.reset();
  AwaitSomebody(slot);
}

void Session::OnBroken(uint64_t tag) {
  --due_;
  if (closed_) return host_->Touch(this);
  Slot* const slot = Find(tag);
  if (slot->route == Route::kPrimary) --primary_due_;
  if (slot->begun) return Close();
  // What waits behind it goes on with the next change of facts.
  if (MayAskAgain(slot)) return AwaitSomebody(slot);
  const bool silent = slot->request != nullptr && (**slot->request).noreply;
  const std::string_view line = slot->route == Route::kPrimary ? kUnknown : kEngineGone;
  Finish(slot, silent ? std::string_view() : line);
}

}  // namespace cairn::adapter::memcache
