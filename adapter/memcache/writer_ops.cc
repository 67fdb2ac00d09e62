// Writer: the way of one change through log and engine.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <utility>
#include <variant>

#include "adapter/memcache/engine_filler.h"
#include "adapter/memcache/passed_line.h"
#include "adapter/memcache/writer.h"
#include "base/check.h"
#include "base/overloaded.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kEngineFailed =
    "SERVER_ERROR the cache's engine failed: it is unknown whether this was done\r\n";
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kLogStuck =
    "SERVER_ERROR the log takes no records: nothing was done\r\n";
// Of replies that nobody waits for.
constexpr uint64_t kUnheardTag = uint64_t{1} << 63;
constexpr std::string_view kViewFailed =
    "SERVER_ERROR the cache's view failed: nothing was done\r\n";

size_t BytesOf(const Effect& effect) {
  constexpr size_t kHead = 32;
  const auto* const store = std::get_if<StoreEffect>(&effect);
  return kHead + (store != nullptr ? store->key.size() + store->item.value.size() : 0);
}

size_t BytesOf(const HeldItems& held) {
  size_t bytes = 0;
  for (const auto& item : held) bytes += item ? sizeof(*item) + item->item.value.size() : 0;
  return bytes;
}

// The key whose item the effect changes; nullptr: no key in particular.
const std::string* KeyOf(const Effect& effect) {
  return std::visit(Overloaded{[](const StoreEffect& e) { return &e.key; },
                               [](const DeleteEffect& e) { return &e.key; },
                               [](const TouchEffect& e) { return &e.key; },
                               [](const auto&) -> const std::string* { return nullptr; }},
                    effect);
}

// The client is told what was decided; else what the engine says.
bool TellsOutcome(const Decision& decision) {
  return decision.form == ReplyForm::kStored || decision.form == ReplyForm::kNumber;
}

// Whether the engine's whole reply is an error; behind values it is the last line.
bool Refuses(const Decision& decision, std::string_view reply) {
  if (!decision.engine || reply.empty()) return false;
  if (decision.engine->reply == ReplyKind::kValues) {
    const size_t end = reply.substr(0, reply.size() - kLineEnd.size()).rfind(kLineEnd);
    if (end != std::string_view::npos) reply.remove_prefix(end + kLineEnd.size());
  }
  return reply.starts_with("SERVER_ERROR ") || reply.starts_with("CLIENT_ERROR ") ||
         reply.starts_with("ERROR");
}

// As of an engine that has stored it. Of an item without a number no token matches anything.
std::string DoneReply(const std::optional<uint64_t>& item_cas) {
  return fmt::format("HD c{}\r\n", item_cas.value_or(CasTokens::kUnnumbered));
}

Decision PassOn(const Request& request) {
  Decision decision;
  std::string line = PlainLine(request);
  line.resize(line.size() - kLineEnd.size());
  decision.engine.emplace();
  decision.engine->line = std::move(line);
  decision.engine->reply = ReplyKindOf(request);
  decision.form = ReplyForm::kEngine;
  return decision;
}

}  // namespace

// ---- Coming in ----------------------------------------------------------------------------------

void Writer::Submit(std::vector<WriteRequest> requests) {
  const absl::MutexLock lock(&inbox_mutex_);
  for (WriteRequest& request : requests) inbox_.push_back(std::move(request));
  if (std::exchange(inbox_posted_, true)) return;
  asio::post(executor_, [self = self_] {
    if (*self != nullptr) (*self)->TakeInbox();
  });
}

void Writer::TakeInbox() {
  std::vector<WriteRequest> requests;
  {
    const absl::MutexLock lock(&inbox_mutex_);
    requests.swap(inbox_);
    inbox_posted_ = false;
  }
  for (WriteRequest& request : requests) Enter(std::move(request));
  EndTurn();
}

void Writer::Enter(WriteRequest asked) {
  if (!reigns() || failed_) return GiveBack(std::move(asked));
  // In write-behind it waits for a place first.
  const bool refuse = options_.mode == WriteMode::kThrough && LogIsStuck();
  if (refuse && Classify(*asked.request) != RequestClass::kRead) return Refuse(asked);
  const OpId id = next_op_++;
  auto op = std::make_unique<Op>(std::move(asked));
  const Request& request = *op->asked.request;
  op->bytes = op->asked.request.memory_bytes();
  op->since_us = clock_->Mono();
  const RequestClass kind = Classify(request);
  op->is_read = kind == RequestClass::kRead;
  pending_bytes_ += op->bytes;
  std::vector<OpId> ready;
  if (kind == RequestClass::kFlush) {
    order_.EnterBarrier(id, &ready);
  } else {
    const bool blind = !op->is_read && NeededFacts(request) == Facts::kNothing;
    order_.Enter(id, HashesOf(request), blind ? KeyOrder::Manner::kBlind : KeyOrder::Manner::kLooks,
                 &ready);
  }
  ops_.emplace(id, std::move(op));
  ready_.insert(ready_.end(), ready.begin(), ready.end());
}

void Writer::FlushNow() {
  static constexpr std::string_view kLine = "flush_all\r\n";
  Request request;
  request.verb = Verb::kFlushAll;
  request.line = kLine.substr(0, kLine.size() - 2);
  const OpId id = next_op_++;
  auto op = std::make_unique<Op>(WriteRequest{OwnedRequest(request, kLine), {}});
  op->internal = true;
  op->since_us = clock_->Mono();
  std::vector<OpId> ready;
  order_.EnterBarrier(id, &ready);
  ops_.emplace(id, std::move(op));
  ready_.insert(ready_.end(), ready.begin(), ready.end());
  ScheduleEndTurn();
}

bool Writer::MayBegin() const {
  if (!reigns() || paused_ || failed_) return false;
  if (options_.mode == WriteMode::kThrough) return in_flight_bytes_ < options_.lag_bytes;
  return in_flight_bytes_ < options_.lag_bytes && lag_us() < options_.lag_us;
}

void Writer::BeginReady() {
  while (!ready_.empty() && MayBegin()) {
    const OpId id = ready_.front();
    ready_.pop_front();
    const auto op = ops_.find(id);
    CHECK(op != ops_.end());
    ++begun_;
    Begin(id, op->second.get());
  }
}

// ---- The way of one -----------------------------------------------------------------------------

void Writer::Begin(OpId id, Op* op) {
  const Request& request = *op->asked.request;
  const Facts facts = op->is_read ? Facts::kNothing : NeededFacts(request);
  if (MustFill(*op, facts)) {
    return BeginFill(id, op);
  }
  if (op->is_read) {
    op->decision = PassOn(request);
    return Store(id, op);
  }
  if (facts == Facts::kNothing) return Decided(id, op);
  Ask(id, op, facts);
}

// A plain store does not care what was there; who asks learns whether there is an item.
bool Writer::MustFill(const Op& op, Facts facts) const {
  if (options_.look_up == nullptr || op.filled || op.asked.request->keys.empty()) return false;
  const Verb verb = op.asked.request->verb;
  return op.is_read || (facts == Facts::kNothing && verb != Verb::kSet && verb != Verb::kMetaSet);
}

void Writer::BeginFill(OpId id, Op* op) {
  op->stage = Stage::kFilling;
  if (!ahead_.Await(HashesOf(*op->asked.request), id)) Spawn(executor_, Fill(id, reigns_));
}

asio::awaitable<void> Writer::Fill(OpId id, uint64_t reign) {
  const std::shared_ptr<Writer*> self = self_;
  std::vector<std::string> keys;
  ForEachKey(*ops_.at(id)->asked.request, [&](std::string_view key) { keys.emplace_back(key); });
  absl::StatusOr<HeldItems> items = co_await options_.look_up(std::move(keys), committed_seq_);
  if (*self == nullptr || reign != reigns_ || !reign_ || failed_) co_return;
  const auto it = ops_.find(id);
  if (it == ops_.end() || it->second->stage != Stage::kFilling) co_return;
  if (!items.ok()) {
    spdlog::error("the view: {}", ToStd(items.status().message()));
    EndOp(id, std::string(kViewFailed));
    co_return;
  }
  Offer(id, it->second.get(), *std::move(items));
  ScheduleEndTurn();
}

// The engine takes back what it has room for.
void Writer::Offer(OpId id, Op* op, HeldItems held) {
  FillBatch batch;
  size_t index = 0;
  ForEachKey(*op->asked.request, [&](std::string_view key) {
    const std::optional<HeldItem>& item = held[index++];
    if (!item) return;
    const uint64_t cas = reign_->numbered ? item->cas : 0;
    batch.AddIfMissing(key, item->item, item->binary, reign_->rules.clock.now, cas);
  });
  engine_->out()->append(batch.commands);
  for (const ReplyKind kind : batch.replies) engine_->Expect(kind, this, id);
  const size_t bytes = BytesOf(held);
  op->bytes += bytes;
  pending_bytes_ += bytes;
  op->fills_due = batch.replies.size();
  op->held = std::move(held);
  op->filled = true;
  if (op->fills_due == 0) Begin(id, op);
}

void Writer::OnFilled(OpId id, Op* op, const ReplyPiece& piece) {
  if (piece.bytes.starts_with("SERVER_ERROR")) {
    op->no_room = true;
    ++refills_refused_;
  }
  if (piece.ends && --op->fills_due == 0) Begin(id, op);
}

void Writer::Ask(OpId id, Op* op, Facts facts) {
  op->stage = Stage::kAsking;
  AppendQuestion(*op->asked.request, facts, engine_->out());
  engine_->Expect(ReplyKind::kMeta, this, id);
  ScheduleEndTurn();
}

void Writer::OnAsked(OpId id, Op* op) {
  const Request& request = *op->asked.request;
  absl::StatusOr<std::optional<EngineItem>> item = ReadAnswer(op->reply, reign_->rules.clock.now);
  if (!item.ok()) {
    spdlog::error("the engine: {}", ToStd(item.status().message()));
    return EndOp(id, std::string(kEngineFailed));
  }
  op->reply.clear();
  if (!item->has_value() && options_.look_up != nullptr && !op->filled) {
    return BeginFill(id, op);
  }
  op->item = *std::move(item);
  const bool held = op->filled && op->held.front().has_value();
  if (!op->item && held) op->item = AsEngineItem(*op->held.front());
  if (op->item && op->item->took_token) {
    engine_->Send(RepairCommand(request), ReplyKind::kMeta, this, kUnheardTag);
    op->item->cas = 0;
  }
  Decided(id, op);
}

void Writer::Decided(OpId id, Op* op) {
  op->decision = Decide(*op->asked.request, op->item, reign_->rules);
  op->item.reset();
  const bool logs = !op->decision.effects.empty();
  if (options_.mode == WriteMode::kThrough && logs) return Log(id, op);
  Store(id, op);
}

void Writer::Log(OpId id, Op* op) {
  op->stage = Stage::kLogging;
  Logged logged{id, {}, 0, clock_->Mono(), {}, false};
  absl::InlinedVector<KeyHash, 2> changed;
  std::vector<EffectRecord> ready;
  for (const Effect& effect : op->decision.effects) {
    logged.bytes += BytesOf(effect);
    builder_->Add(effect, &ready);
    if (options_.mode == WriteMode::kThrough) continue;
    if (const std::string* const key = KeyOf(effect); key != nullptr) {
      logged.keys.push_back(*key);
      changed.push_back(HashKey(*key));
    }
    logged.all_keys |= std::holds_alternative<FlushEffect>(effect);
  }
  for (EffectRecord& record : ready) records_.push_back(std::move(record));
  logged.end = builder_->place().offset;
  in_flight_bytes_ += logged.bytes;
  const bool ahead = options_.mode == WriteMode::kBehind && options_.look_up != nullptr;
  if (ahead && (logged.all_keys || !changed.empty())) ahead_.Add(changed, logged.end);
  logged_.push_back(std::move(logged));
  ScheduleEndTurn();
}

void Writer::Store(OpId id, Op* op) {
  op->stage = Stage::kStoring;
  // It would only make a placeholder (flag N) of what it has no room for.
  if (op->no_room && op->asked.request->verb == Verb::kMetaGet) {
    op->decision.engine.reset();
    op->decision.form = ReplyForm::kFixed;
  }
  if (!op->decision.engine) return OnStored(id, op);
  op->decision.engine->AppendTo(op->item_cas, engine_->out());
  engine_->Expect(op->decision.engine->reply, this, id);
  ScheduleEndTurn();
}

void Writer::OnStored(OpId id, Op* op) {
  const Request& request = *op->asked.request;
  if (LostItem(op->decision, op->reply)) return StoreWhole(id, op);
  if (!op->decision.effects.empty() && Refuses(op->decision, op->reply)) {
    if (OfferOnceMore(id, op)) return;
    if (TellsOutcome(op->decision)) {
      ++stores_refused_;
      op->reply = DoneReply(op->item_cas);
    }
  }
  std::string reply = ClientReply(request, op->decision, op->reply, reign_->rules);
  if (op->filled) {
    reply = ReplyWithHeld(request, op->held, op->reply, std::move(reply), reign_->rules);
  }
  if (options_.mode == WriteMode::kBehind && !op->decision.effects.empty()) {
    Log(id, op);
  }
  EndOp(id, std::move(reply));
}

// In place of a command that builds on an item that is not there any more.
void Writer::StoreWhole(OpId id, Op* op) {
  op->decision.builds_on_item = false;
  op->reply.clear();
  const EngineCommand whole = CommandFor(op->decision.effects.front(), reign_->rules.clock.now);
  whole.AppendTo(op->item_cas, engine_->out());
  engine_->Expect(whole.reply, this, id);
  ScheduleEndTurn();
}

// What the engine refused must not leave an older item there; without it there may be room.
bool Writer::OfferOnceMore(OpId id, Op* op) {
  if (std::exchange(op->offered, true)) return false;
  DropItems(*op);
  if (!std::holds_alternative<StoreEffect>(op->decision.effects.front())) return false;
  StoreWhole(id, op);
  return true;
}

void Writer::DropItems(const Op& op) {
  for (const Effect& effect : op.decision.effects) {
    const std::string* const key = KeyOf(effect);
    if (key == nullptr) continue;
    engine_->out()->append(MetaLine("md", *key, op.asked.request->binary)).append(kLineEnd);
    engine_->Expect(ReplyKind::kMeta, this, kUnheardTag);
  }
  ScheduleEndTurn();
}

// ---- What the engine says -----------------------------------------------------------------------

void Writer::OnReply(uint64_t tag, const ReplyPiece& piece) {
  if (tag == kUnheardTag) return;
  const auto it = ops_.find(tag);
  CHECK(it != ops_.end());
  Op* const op = it->second.get();
  if (op->stage == Stage::kFilling) {
    OnFilled(tag, op, piece);
    return ScheduleEndTurn();
  }
  op->reply.append(piece.bytes);
  if (!piece.ends) return;
  if (op->stage == Stage::kAsking) {
    OnAsked(tag, op);
  } else {
    OnStored(tag, op);
  }
  ScheduleEndTurn();
}

// The reign ends with it; Stop() answers.
void Writer::OnBroken(uint64_t) {}

// ---- A log that takes nothing -------------------------------------------------------------------

bool Writer::LogIsStuck() const {
  if (!reigns() || paused_ || failed_) return false;
  if (options_.mode == WriteMode::kThrough) return lag_us() >= options_.hold_timeout_us;
  return !MayBegin();
}

void Writer::Refuse(const WriteRequest& request) {
  ++refused_;
  Send({request.from, (*request.request).noreply ? "" : std::string(kLogStuck), std::nullopt});
}

// What has not begun will not begin. Reads among it wait behind a change of their client's.
void Writer::RefuseLate(MonoMicros late_us) {
  std::vector<OpId> late;
  for (const auto& [id, op] : ops_) {
    if (op->stage == Stage::kQueued && op->since_us < late_us && !op->internal) late.push_back(id);
  }
  std::sort(late.begin(), late.end());
  for (const OpId id : late) {
    const auto op = ops_.find(id);
    Refuse(op->second->asked);
    pending_bytes_ -= op->second->bytes;
    ops_.erase(op);
    Leave(id);
  }
  std::erase_if(ready_, [this](OpId id) { return !ops_.contains(id); });
}

}  // namespace cairn::adapter::memcache
