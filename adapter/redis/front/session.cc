#include "adapter/redis/front/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "adapter/redis/front/reply_signs.h"
#include "adapter/redis/front/session_host.h"
#include "base/check.h"
#include "base/planted_bug.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr size_t kMaxQueuedBytes = 16 << 20;
constexpr std::string_view kReplicaRefuses =
    "READONLY You can't write against a read only replica.";

}  // namespace

Session::Session(uint64_t id, ClientStream::Socket socket, const ClientTls& tls, SessionHost* host)
    : id_(id),
      stream_(std::move(socket), tls),
      host_(host),
      alive_(std::make_shared<bool>(true)),
      durability_(host->default_durability()),
      parser_(host->limits().requests) {
  about_.address = stream_.PeerAddress();
  about_.local_address = stream_.LocalAddress();
  about_.since_us = about_.last_us = host_->now_us();
}

Session::~Session() { *alive_ = false; }

void Session::Start() {
  if (stream_.Start()) return Close();
  Pump();
}

// ---- Taking requests ------------------------------------------------------------------------

void Session::Read() {
  if (std::exchange(reading_, true)) return;
  const std::span<char> room = parser_.Prepare();
  stream_.AsyncRead(room, [this, alive = alive_](const asio::error_code& error, size_t bytes) {
    if (!*alive) return;
    reading_ = false;
    if (closed_) return;
    if (error) return Close();
    parser_.Commit(bytes);
    about_.last_us = host_->now_us();
    Pump();
  });
}

void Session::Pump() {
  while (!closed_ && !closing_ && block_ == Block::kNone) {
    if (!has_request_) {
      if (!MayAskMore()) {
        block_ = Block::kQueue;
        return;
      }
      const RequestParser::Outcome next = parser_.Next();
      if (next == RequestParser::Outcome::kNeedMore) return Read();
      if (next == RequestParser::Outcome::kError) {
        AnswerError(parser_.error());
        closing_ = true;
        return;
      }
      host_->counters().requests.Add(1);
      host_->commands().Judge(parser_.argv(), &plan_);
      if (reply_mode_ == ReplyMode::kSkipNext) {
        reply_mode_ = ReplyMode::kSkip;
      } else if (reply_mode_ == ReplyMode::kSkip) {
        reply_mode_ = ReplyMode::kOn;
      }
      has_request_ = true;
      route_deadline_us_ = 0;
      earlier_tag_ = 0;
    }
    if (Handle()) has_request_ = false;
  }
}

bool Session::MayAskMore() const {
  if (slots_.size() >= kMaxSlots || buffered_bytes() >= kMaxOutBytes) return false;
  return engine_due_ < 2 || engine_due_ * expected_bytes_ < kMaxOutBytes;
}

void Session::ResumeIfQueued() {
  if (block_ == Block::kQueue && MayAskMore()) host_->ResumeLater(this);
}

void Session::Resume() {
  if (closed_ || block_ == Block::kNone || block_ == Block::kAnswer || block_ == Block::kOpening) {
    return;
  }
  block_ = Block::kNone;
  Pump();
}

bool Session::Handle() {
  const FrontMode mode = host_->mode();
  if (mode == FrontMode::kHolding || mode == FrontMode::kClosed) {
    host_->AwaitMode(this);
    return Blocked(Block::kMode);
  }
  about_.last_command = plan_.info != nullptr ? std::string_view(plan_.info->name) : "NULL";
  if (plan_.changes_users) RefuseOwnUser();
  if (in_multi_) return HandleQueued();
  if (raw_ && !monitors_ && !IsForSubscribers()) return AskWhetherSubscribed();
  const SlotRoute route = host_->Route(parser_.argv(), plan_, read_only_);
  if (route.held) return AwaitRoute(route);
  if (route.refusal) {
    AnswerError(*route.refusal);
    return true;
  }
  touch_ = route.touch;
  switch (plan_.kind) {
    case CommandClass::kRefused:
      return HandleRefused();
    case CommandClass::kAgent:
      // What the agent does to a client's connection has to wait for what is under way on it.
      if ((engine_due_ > 0 || push_tag_ != 0) &&
          (plan_.agent == AgentCommand::kAuth || plan_.agent == AgentCommand::kSelect ||
           plan_.agent == AgentCommand::kHello || plan_.agent == AgentCommand::kReset)) {
        return Blocked(Block::kDrain);
      }
      host_->AnswerAgentCommand(*this, plan_.agent, parser_.argv());
      return block_ == Block::kNone;
    case CommandClass::kPinned:
      return HandlePinned();
    case CommandClass::kRead:
    case CommandClass::kWrite:
    case CommandClass::kLocal:
      return own_ != nullptr && raw_ ? HandlePinned() : HandleShared();
  }
  CHECK_UNREACHABLE();
}

// Who serves its slots is being settled: within a few round trips, or else it is the client who
// tries again.
bool Session::AwaitRoute(const SlotRoute& route) {
  if (route_deadline_us_ == 0) route_deadline_us_ = host_->route_deadline_us();
  if (host_->now_us() < route_deadline_us_) {
    host_->AwaitMode(this);
    return Blocked(Block::kMode);
  }
  host_->counters().writes_refused.Add(plan_.writes ? 1 : 0);
  AnswerError(route.touch.slot
                  ? fmt::format("TRYAGAIN slot {} is being moved right now", *route.touch.slot)
                  : "TRYAGAIN slots are being moved right now");
  return true;
}

bool Session::HandleRefused() {
  if (plan_.hang_up) {
    closing_ = true;
  } else {
    AnswerError(CommandTable::RefusalText(parser_.argv(), plan_));
  }
  return true;
}

void Session::RefuseOwnUser() {
  const std::span<const std::string_view> argv = parser_.argv();
  if (std::find(argv.begin() + 2, argv.end(), host_->own_user()) == argv.end()) return;
  plan_.kind = CommandClass::kRefused;
  plan_.reason = "the agent itself uses the engine as that user";
}

// Writes of this moment: refused, or put off, before they reach the engine.
bool Session::AdmitWrite() {
  switch (host_->mode()) {
    case FrontMode::kPausing:
      host_->AwaitMode(this);
      block_ = Block::kMode;
      return false;
    case FrontMode::kReplica:
      AnswerError(kReplicaRefuses);
      return false;
    default:
      break;
  }
  if (const auto refusal = host_->RefuseWrite(durability_)) {
    host_->counters().writes_refused.Add(1);
    AnswerError(*refusal);
    return false;
  }
  return true;
}

Backend* Session::NeedShared() {
  if (!IsAdmitted()) return nullptr;
  Backend* const backend = host_->pool().Shared(identity_);
  if (backend == nullptr) {
    block_ = Block::kOpening;
    host_->pool().Open(identity_, [this, alive = alive_](const absl::StatusOr<Backend*>& opened) {
      if (*alive && !closed_) EndOpening(opened.status());
    });
    return nullptr;
  }
  if (backend->queued_bytes() > kMaxQueuedBytes) {
    host_->ResumeLater(this);
    block_ = Block::kBackend;
    return nullptr;
  }
  return backend;
}

// Where requests have replies: in raw mode, the own one is none of these.
Backend* Session::NeedAny() { return own_ != nullptr && !raw_ ? own_ : NeedShared(); }

// A script may take its time. Nobody must wait behind it on one connection: whoever asks meanwhile
// is told BUSY by the engine, and may kill it.
Backend* Session::NeedForScript() { return NeedOwn() ? own_ : nullptr; }

bool Session::HandleShared() {
  const bool write = plan_.writes;
  if (write && !AdmitWrite()) return block_ == Block::kNone;
  const bool script = plan_.info != nullptr && RunsScript(plan_.info->name);
  Backend* const backend = script ? NeedForScript() : NeedAny();
  if (backend == nullptr) return closed_;
  if (!backend->usable()) {
    Cut();
    return true;
  }
  Rule rule = Rule::kFree;
  if (write) {
    if (!PLANTED(kMarkAfterSend)) MarkWrite(backend);
    rule = Rule::kBatch;
  } else if (plan_.kind == CommandClass::kRead && plan_.read == ReadRule::kWholeOffset) {
    rule = Rule::kBatch;
  } else if (plan_.kind == CommandClass::kRead && plan_.read == ReadRule::kKeys) {
    rule = Rule::kKeys;
  }
  SendTo(backend, rule, After::kNothing);
  return true;
}

// Before it is sent: whoever reads what it writes finds the mark.
void Session::MarkWrite(Backend* backend) {
  const BatchId batch = backend->Batch();
  SharedKeyMarks& marks = host_->marks();
  const std::span<const std::string_view> argv = parser_.argv();
  switch (plan_.marks) {
    case MarkScope::kNothing:
      break;
    case MarkScope::kKeys:
      for (const KeyRef& key : plan_.keys) {
        if (key.written) marks.Mark(batch, HashKey(identity_.database, argv[key.argument]));
      }
      break;
    case MarkScope::kDatabase:
      marks.Mark(batch, WholeDatabase(identity_.database));
      break;
    case MarkScope::kAllDatabases:
      marks.Mark(batch, kEverything);
      break;
  }
}

Session::Slot& Session::NewSlot() {
  Slot& slot = slots_.emplace_back();
  slot.database = identity_.database;
  slot.durability = durability_;
  slot.touch = std::exchange(touch_, SlotTouch());
  slot.silent = reply_mode_ != ReplyMode::kOn;
  return slot;
}

void Session::SendTo(Backend* backend, Rule rule, After after) {
  Slot& slot = NewSlot();
  slot.rule = host_->mode() == FrontMode::kReplica ? Rule::kFree : rule;
  slot.after = after;
  slot.scripted = plan_.info == nullptr || RunsScript(plan_.info->name);
  slot.write = plan_.writes && slot.rule == Rule::kBatch;
  if (slot.rule == Rule::kBatch) {
    const BatchId batch = backend->Batch();
    if (slot.write) {
      NoteWrite(batch);
      ++writes_under_way_;
    }
  }
  if (slot.rule == Rule::kKeys || PLANTED(kMarkAfterSend)) {
    const std::span<const std::string_view> argv = parser_.argv();
    for (const KeyRef& key : plan_.keys) {
      slot.keys.push_back(HashKey(identity_.database, argv[key.argument]));
    }
  }
  if (slot.rule == Rule::kKeys) {
    slot.absence = SignOfAbsence(plan_.info->name, slot.keys.size());
  }
  ++engine_due_;
  backend->Send(parser_.bytes(), this, first_tag_ + slots_.size() - 1);
  host_->Touch(this);
}

void Session::NoteWrite(BatchId batch) {
  if (batch != last_write_batch_) last_write_ = StreamOffset();
  last_write_batch_ = batch;
  if (durability_ == Durability::kAsync) host_->AwaitBatch(batch, this);
}

bool Session::IsLastWriteCommitted() const {
  if (!last_write_batch_) return true;
  return last_write_ && last_write_ <= host_->committed();
}

bool Session::AwaitEarlier() {
  if (earlier_tag_ == 0) {
    earlier_tag_ = first_tag_ + slots_.size();
    waits_since_us_ = host_->now_us();
  }
  return first_tag_ >= earlier_tag_ || Blocked(Block::kEarlier);
}

bool Session::AwaitCommit(MonoMicros timeout_us) {
  if (timeout_us != 0 && host_->now_us() - waits_since_us_ >= timeout_us) return false;
  host_->AwaitCommit(this);
  block_ = Block::kCommit;
  return true;
}

// ---- Answers of the agent -------------------------------------------------------------------

void Session::Answer(std::string reply) {
  Slot& slot = NewSlot();
  slot.bytes = std::move(reply);
  slot.begun = slot.ended = true;
  held_bytes_ += slot.bytes.size();
  Advance();
  host_->Touch(this);
}

void Session::AnswerError(std::string_view text) {
  std::string reply;
  ReplyWriter(identity_.version, &reply).Error(text);
  Answer(std::move(reply));
}

void Session::AnswerUnreachable(const absl::Status& why) {
  AnswerError(absl::IsPermissionDenied(why)
                  ? ToStd(why.message())
                  : "LOADING the engine cannot be reached right now; try again");
}

void Session::AskInfo() {
  Backend* const backend = NeedAny();
  if (backend == nullptr) return;
  if (!backend->usable()) return Cut();
  SendTo(backend, Rule::kFree, After::kInfo);
}

void Session::AnswerNow(std::string reply) {
  if (closed_) return;
  CHECK(block_ == Block::kAnswer);
  has_request_ = false;
  block_ = Block::kReply;
  Answer(std::move(reply));
  host_->ResumeLater(this);
}

void Session::AskPermission(std::string_view probe, std::function<void()> permitted) {
  Backend* const backend = NeedAny();
  if (backend == nullptr) return;
  if (!backend->usable()) return Cut();
  permitted_ = std::move(permitted);
  AnswerLater();
  NewSlot().after = After::kPermission;
  ++engine_due_;
  backend->Send(probe, this, first_tag_ + slots_.size() - 1);
  host_->Touch(this);
}

std::string Session::flags() const {
  std::string flags;
  if (blocking() != nullptr) flags += 'b';
  if (in_multi_) flags += 'x';
  if (subscribed_) flags += 'P';
  if (monitors_) flags += 'O';
  return flags.empty() ? "N" : flags;
}

Backend* Session::blocking() const {
  const bool blocks = std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
    return slot.block != nullptr && !slot.ended;
  });
  return blocks ? own_ : nullptr;
}

bool Session::HasCallsOf(const SlotRanges& slots) const {
  return !finished() && std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
    return !slot.ended && slot.touch.Of(slots);
  });
}

Backend* Session::LeaveSlots(const SlotRanges& slots,
                             const std::function<std::string(uint32_t slot)>& moved_to) {
  Backend* const backend = blocking();
  if (backend == nullptr) return nullptr;
  bool found = false;
  for (Slot& slot : slots_) {
    if (slot.block == nullptr || slot.ended || !slot.touch.slot || !slot.touch.Of(slots)) continue;
    slot.moved = moved_to(*slot.touch.slot);
    found = true;
  }
  return found ? backend : nullptr;
}

}  // namespace cairn::adapter::redis
