#include "adapter/redis/front/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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

Session::Session(uint64_t id, ClientStream::Socket socket, const TlsContext& context,
                 SessionHost* host)
    : id_(id),
      stream_(std::move(socket), context),
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
      if (slots_.size() >= kMaxSlots || out_.size() - out_sent_ >= kMaxOutBytes) {
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
    }
    if (Handle()) has_request_ = false;
  }
}

void Session::Resume() {
  if (closed_ || block_ == Block::kNone || block_ == Block::kAnswer) return;
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
  if (const auto elsewhere = host_->Redirect(parser_.argv(), plan_, read_only_)) {
    AnswerError(*elsewhere);
    return true;
  }
  switch (plan_.kind) {
    case CommandClass::kRefused:
      return HandleRefused();
    case CommandClass::kAgent:
      // What the agent does to a client's connection has to wait for what is under way on it.
      if (engine_due_ > 0 &&
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
  Backend* const backend = host_->pool().Shared(identity_);
  if (backend == nullptr) {
    block_ = Block::kBackend;
    host_->pool().Open(identity_, [this, alive = alive_](absl::StatusOr<Backend*> opened) {
      if (!*alive || closed_) return;
      if (opened.ok()) return Resume();
      AnswerUnreachable(opened.status());
      has_request_ = false;
      Resume();
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

bool Session::HandleShared() {
  const bool write = plan_.writes;
  if (write && !AdmitWrite()) return block_ == Block::kNone;
  Backend* const backend = own_ != nullptr ? own_ : NeedShared();
  if (backend == nullptr) return false;
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
  slot.silent = reply_mode_ != ReplyMode::kOn;
  return slot;
}

void Session::SendTo(Backend* backend, Rule rule, After after) {
  Slot& slot = NewSlot();
  slot.rule = host_->mode() == FrontMode::kReplica ? Rule::kFree : rule;
  slot.after = after;
  slot.write = plan_.writes && slot.rule == Rule::kBatch;
  if (slot.rule == Rule::kBatch) {
    const BatchId batch = backend->Batch();
    if (slot.write) {
      last_write_batch_ = batch;
      ++writes_under_way_;
      if (durability_ == Durability::kAsync) host_->AwaitBatch(batch, this);
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

// ---- Connections of its own -----------------------------------------------------------------

// True once there is one.
bool Session::NeedOwn() {
  if (own_ != nullptr) {
    if (own_->usable()) return true;
    Cut();
    return false;
  }
  if (engine_due_ > 0) return Blocked(Block::kDrain);
  if (!std::exchange(taking_own_, true)) {
    host_->pool().TakeOwn(identity_, [this, alive = alive_, pool = &host_->pool(),
                                      as = identity_](absl::StatusOr<Backend*> taken) {
      if (!*alive) {
        if (taken.ok()) pool->GiveBack(as, *taken, /*clean=*/true);
        return;
      }
      taking_own_ = false;
      if (taken.ok()) own_ = *taken;
      if (closed_) return Unpin(/*clean=*/true);
      if (!taken.ok()) {
        AnswerUnreachable(taken.status());
        has_request_ = false;
      }
      Resume();
    });
  }
  return Blocked(Block::kBackend);
}

void Session::Unpin(bool clean) {
  if (own_ == nullptr) return;
  host_->pool().GiveBack(identity_, std::exchange(own_, nullptr), clean);
  in_multi_ = watching_ = raw_ = dedicated_ = subscribed_ = monitors_ = false;
}

bool Session::HandlePinned() {
  if (plan_.writes && !AdmitWrite()) return block_ == Block::kNone;
  if (!NeedOwn()) return closed_;
  if (raw_) {
    own_->SendOneWay(parser_.bytes());
    host_->Touch(this);
    return true;
  }
  switch (plan_.pin) {
    case PinReason::kTransaction:
      return HandleTransaction(plan_.info != nullptr ? plan_.info->name : "");
    case PinReason::kBlocking:
      return HandleBlocking();
    case PinReason::kSubscription:
      return HandleSubscription(/*monitor=*/false);
    case PinReason::kMonitor:
      return HandleSubscription(/*monitor=*/true);
    case PinReason::kTracking:
    case PinReason::kSettings:
    case PinReason::kReplies:
    case PinReason::kNone:
      dedicated_ = true;
      own_->SetPushReceiver(this);
      SendTo(own_, plan_.writes ? Rule::kBatch : Rule::kFree, After::kNothing);
      return true;
  }
  CHECK_UNREACHABLE();
}

// MULTI and WATCH count once the engine has said OK: until then nothing else is sent.
bool Session::HandleTransaction(std::string_view name) {
  if (name == "multi") {
    own_->Flush();  // A ROLE that is due would be queued.
    SendTo(own_, Rule::kFree, After::kMulti);
    block_ = Block::kReply;
  } else if (name == "watch") {
    SendTo(own_, Rule::kFree, After::kWatch);
    block_ = Block::kReply;
  } else {
    // EXEC and DISCARD outside of a transaction are errors, UNWATCH is harmless.
    if (name != "discard") watching_ = false;
    SendTo(own_, Rule::kFree, After::kNothing);
  }
  return true;
}

// Inside MULTI: what is queued takes effect at EXEC, which marks all of its keys before it leaves.
bool Session::HandleQueued() {
  if (!own_->usable()) {
    Cut();
    return true;
  }
  const std::string_view name = plan_.info != nullptr ? plan_.info->name : std::string_view();
  if (name == "quit") {
    host_->AnswerAgentCommand(*this, plan_.agent, parser_.argv());
    return true;
  }
  if (name == "reset") {
    if (engine_due_ > 0) return Blocked(Block::kDrain);
    in_multi_ = false;
    host_->AnswerAgentCommand(*this, plan_.agent, parser_.argv());
    return true;
  }
  if (plan_.kind == CommandClass::kRefused) {
    RefuseQueued(CommandTable::RefusalText(parser_.argv(), plan_));
    return true;
  }
  if (!MayBeQueued()) {
    RefuseQueued("ERR the agent does not serve this command inside MULTI");
    return true;
  }
  if (auto elsewhere = host_->Redirect(parser_.argv(), plan_, read_only_)) {
    RefuseQueued(*std::move(elsewhere));
    return true;
  }
  if (name == "exec") {
    plan_.writes = multi_writes_;
    if (multi_writes_ && !AdmitWrite()) return block_ == Block::kNone;
    for (const KeyHash key : multi_keys_) host_->marks().Mark(own_->Batch(), key);
  }
  if (name == "exec" || name == "discard") {
    in_multi_ = watching_ = multi_writes_ = false;
    multi_keys_.clear();
    SendTo(own_, name == "exec" ? Rule::kBatch : Rule::kFree, After::kNothing);
    own_->Flush();  // ROLE right behind it: the next MULTI may be in the same turn.
    return true;
  }
  if (plan_.writes) QueueMarks();
  SendTo(own_, Rule::kFree, After::kNothing);
  return true;
}

void Session::QueueMarks() {
  multi_writes_ = true;
  const std::span<const std::string_view> argv = parser_.argv();
  if (plan_.marks == MarkScope::kDatabase) {
    multi_keys_.push_back(WholeDatabase(identity_.database));
  } else if (plan_.marks == MarkScope::kAllDatabases) {
    multi_keys_.push_back(kEverything);
  } else if (plan_.marks == MarkScope::kKeys) {
    for (const KeyRef& key : plan_.keys) {
      if (key.written) multi_keys_.push_back(HashKey(identity_.database, argv[key.argument]));
    }
  }
  plan_.writes = false;  // Not now.
}

// What would change the connection at EXEC, or speak of it, cannot be: the connection is not the
// client's. Settings of a transaction's own, and what blocks, which inside does not, can.
bool Session::MayBeQueued() const {
  switch (plan_.kind) {
    case CommandClass::kRead:
    case CommandClass::kWrite:
    case CommandClass::kLocal:
      return true;
    case CommandClass::kPinned:
      return plan_.pin == PinReason::kTransaction || plan_.pin == PinReason::kBlocking;
    case CommandClass::kAgent:
      return plan_.agent == AgentCommand::kInfo || plan_.agent == AgentCommand::kRole ||
             plan_.agent == AgentCommand::kWait;
    case CommandClass::kRefused:
      return false;
  }
  CHECK_UNREACHABLE();
}

// The engine has to know, too, so that EXEC fails as a whole: it is told something that it cannot
// queue either.
void Session::RefuseQueued(std::string text) {
  queue_refusal_ = std::move(text);
  NewSlot().after = After::kRefusal;
  ++engine_due_;
  own_->Send("*1\r\n$13\r\nCAIRN-REFUSED\r\n", this, first_tag_ + slots_.size() - 1);
  host_->Touch(this);
  block_ = Block::kReply;
}

// It takes effect at a moment that nobody knows: until its reply is out, reads of its keys ask for
// an offset of their own.
bool Session::HandleBlocking() {
  const std::span<const std::string_view> argv = parser_.argv();
  std::vector<KeyHash> keys;
  for (const KeyRef& key : plan_.keys) {
    keys.push_back(HashKey(identity_.database, argv[key.argument]));
  }
  SendTo(own_, Rule::kAsk, After::kNothing);
  Slot& slot = slots_.back();
  slot.write = false;  // It may never write.
  slot.block = host_->BlockKeys(std::move(keys));
  return true;
}

bool Session::HandleSubscription(bool monitor) {
  dedicated_ = true;
  (monitor ? monitors_ : subscribed_) = true;
  own_->SetPushReceiver(this);
  if (monitor || identity_.version == RespVersion::k2) {
    raw_ = true;
    own_->SetRaw();
  }
  own_->SendOneWay(parser_.bytes());
  host_->Touch(this);
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

void Session::BecomeAnd(Identity identity, std::string reply) {
  CHECK_EQ(engine_due_, 0u);
  Unpin(/*clean=*/false);
  block_ = Block::kBackend;
  host_->pool().Open(
      identity, [this, alive = alive_, identity, reply](absl::StatusOr<Backend*> opened) mutable {
        if (!*alive || closed_) return;
        if (opened.ok()) {
          identity_ = std::move(identity);
          parser_.set_authenticated(true);
          Answer(std::move(reply));
        } else {
          AnswerUnreachable(opened.status());
        }
        has_request_ = false;
        Resume();
      });
}

void Session::AskInfo() {
  Backend* const backend = own_ != nullptr ? own_ : NeedShared();
  if (backend != nullptr && backend->usable()) SendTo(backend, Rule::kFree, After::kInfo);
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
  Backend* const backend = own_ != nullptr ? own_ : NeedShared();
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

void Session::ResetState() {
  CHECK_EQ(engine_due_, 0u);
  Unpin(/*clean=*/false);
  identity_ = Identity();
  durability_ = host_->default_durability();
  read_only_ = false;
  reply_mode_ = ReplyMode::kOn;
  about_.name.clear();
}

}  // namespace cairn::adapter::redis
