// Session's part with a connection of its own: transactions, blocking commands, subscriptions.

#include <algorithm>
#include <utility>
#include <vector>

#include "adapter/redis/front/session.h"
#include "adapter/redis/front/session_host.h"
#include "adapter/redis/resp_encoder.h"
#include "base/check.h"

namespace cairn::adapter::redis {

// True once there is one.
bool Session::NeedOwn() {
  if (own_ != nullptr) {
    if (own_->usable()) return true;
    Cut();
    return false;
  }
  if (engine_due_ > 0) return Blocked(Block::kDrain);
  if (!IsAdmitted()) return false;
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
  asked_whether_subscribed_ = false;
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
    own_->Flush();                     // A ROLE that is due would be queued.
    if (closed_ || !own_->usable()) {  // It broke by that.
      Cut();
      return true;
    }
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
  if (plan_.agent == AgentCommand::kQuit) {
    host_->AnswerAgentCommand(*this, plan_.agent, parser_.argv());
    return true;
  }
  if (plan_.agent == AgentCommand::kReset) {
    if (engine_due_ > 0 || push_tag_ != 0) return Blocked(Block::kDrain);
    ForgetQueued();
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
  const std::string_view name = plan_.info != nullptr ? plan_.info->name : std::string_view();
  if (name == "exec") return HandleExec();  // Also with too many arguments it ends the transaction.
  if (name == "discard") {                  // It may be refused, and the transaction goes on.
    SendTo(own_, Rule::kFree, After::kDiscard);
    block_ = Block::kReply;
    return true;
  }
  SlotRoute route = host_->Route(parser_.argv(), plan_, read_only_);
  if (route.held) return AwaitRoute(route);
  if (route.refusal) {
    RefuseQueued(*std::move(route.refusal));
    return true;
  }
  if (std::find(multi_touches_.begin(), multi_touches_.end(), route.touch) ==
      multi_touches_.end()) {
    multi_touches_.push_back(route.touch);
  }
  if (plan_.writes) QueueMarks();
  SendTo(own_, Rule::kFree, After::kNothing);
  return true;
}

// Where the slots were when the commands were queued, they may be no more.
bool Session::HandleExec() {
  SlotTouch touch;
  for (const SlotTouch& queued : multi_touches_) {
    SlotRoute route = host_->RouteAgain(queued);
    if (route.held) return AwaitRoute(route);
    if (route.refusal) {
      RefuseExec(*std::move(route.refusal));
      return true;
    }
    touch.any = touch.any || queued.any || (touch.slot && queued.slot && touch.slot != queued.slot);
    if (queued.slot) touch.slot = queued.slot;
  }
  plan_.writes = multi_writes_;
  if (multi_writes_ && !AdmitWrite()) return block_ == Block::kNone;
  for (const KeyHash key : multi_keys_) host_->marks().Mark(own_->Batch(), key);
  ForgetQueued();
  touch_ = touch;
  SendTo(own_, Rule::kBatch, After::kNothing);
  own_->Flush();  // ROLE right behind it: the next MULTI may be in the same turn.
  return true;
}

void Session::ForgetQueued() {
  in_multi_ = watching_ = multi_writes_ = false;
  multi_keys_.clear();
  multi_touches_.clear();
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
  RefuseBy("*1\r\n$13\r\nCAIRN-REFUSED\r\n", std::move(text));
}

// Of what ends a transaction, this EXEC does so even where the user may neither EXEC nor DISCARD.
void Session::RefuseExec(std::string text) {
  ForgetQueued();
  RefuseBy("*2\r\n$4\r\nEXEC\r\n$7\r\nREFUSED\r\n", std::move(text));
}

// In place of the request in hand the engine gets `command`, and the client `text` as its error.
void Session::RefuseBy(std::string_view command, std::string text) {
  queue_refusal_ = std::move(text);
  touch_ = SlotTouch();
  NewSlot().after = After::kRefusal;
  ++engine_due_;
  own_->Send(command, this, first_tag_ + slots_.size() - 1);
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
  slot.may_write = plan_.writes;
  slot.block = host_->BlockKeys(std::move(keys));
  return true;
}

bool Session::HandleSubscription(bool monitor) {
  dedicated_ = true;
  (monitor ? monitors_ : subscribed_) = true;
  own_->SetPushReceiver(this);
  if (monitor || identity_.version == RespVersion::k2) {
    own_->Flush();  // Behind it a ROLE that is due would be refused, or a message.
    if (closed_ || !own_->usable()) {  // It broke by that.
      Cut();
      return true;
    }
    raw_ = true;
    own_->SetRaw();
    own_->SendOneWay(parser_.bytes());
  } else {
    NewSlot();
    ++engine_due_;
    own_->SendPushed(parser_.bytes(), this, first_tag_ + slots_.size() - 1);
  }
  host_->Touch(this);
  return true;
}

bool Session::IsForSubscribers() const {
  if (plan_.info == nullptr) return plan_.kind != CommandClass::kAgent;  // The engine refuses it.
  return plan_.pin == PinReason::kSubscription || plan_.agent == AgentCommand::kQuit ||
         plan_.agent == AgentCommand::kReset || plan_.info->name == "ping";
}

// A client of RESP2 that has subscribed sends something else: an error, or it has unsubscribed from
// everything and is one like others again. The engine knows: HELLO is refused to subscribers, and
// to nobody else. What was sent before has been answered by then.
bool Session::AskWhetherSubscribed() {
  if (!own_->usable()) {
    Cut();
    return true;
  }
  if (!std::exchange(asked_whether_subscribed_, true)) {
    own_->SendOneWay(EncodeCommand({"HELLO"}));
    host_->Touch(this);
  }
  return Blocked(Block::kReply);
}

}  // namespace cairn::adapter::redis
