// Session's part in who the client is to the engine.

#include <utility>

#include "adapter/redis/front/session.h"
#include "adapter/redis/front/session_host.h"
#include "base/check.h"

namespace cairn::adapter::redis {

// Who has just connected, or said RESET, is asked about when it first needs the engine.
bool Session::IsAdmitted() {
  if (admitted_) return true;
  host_->pool().Admit(identity_, "", [this, alive = alive_](const absl::StatusOr<Identity>& as) {
    if (!*alive || closed_) return;
    admitted_ = as.ok();
    if (as.ok()) identity_ = *as;
    EndOpening(as.status());
  });
  host_->Touch(this);  // The question leaves with this turn.
  return Blocked(Block::kOpening);
}

// What was waited for is there, or else the request in hand is answered why not.
void Session::EndOpening(const absl::Status& refused) {
  if (!refused.ok()) {
    AnswerUnreachable(refused);
    has_request_ = false;
  }
  block_ = Block::kBackend;
  Resume();
}

void Session::BecomeAnd(Identity identity, std::string reply, std::string_view login) {
  CHECK_EQ(engine_due_, 0u);
  if (raw_) return AnswerError("ERR MONITOR ends with RESET; until then this cannot change");
  if (!login.empty()) identity.era = 0;
  if (own_ != nullptr) {  // What it keeps, such as a WATCH, goes on.
    if (!own_->usable()) return Cut();
    next_identity_ = std::move(identity);
    next_reply_ = std::move(reply);
    SendTo(own_, Rule::kFree, After::kIdentity);
    block_ = Block::kReply;
    return;
  }
  block_ = Block::kOpening;
  if (admitted_ && login.empty()) return JoinAs(identity, std::move(reply));
  host_->pool().Admit(identity, login,
                      [this, alive = alive_, reply](const absl::StatusOr<Identity>& as) {
                        if (!*alive || closed_) return;
                        if (!as.ok()) return EndOpening(as.status());
                        JoinAs(*as, reply);
                      });
  host_->Touch(this);
}

void Session::JoinAs(const Identity& identity, std::string reply) {
  host_->pool().Open(identity, [this, alive = alive_, identity,
                                reply = std::move(reply)](const absl::StatusOr<Backend*>& opened) {
    if (!*alive || closed_) return;
    if (opened.ok()) {
      identity_ = identity;
      admitted_ = true;
      parser_.set_authenticated(true);
      Answer(reply);
      has_request_ = false;
    }
    EndOpening(opened.status());
  });
}

void Session::FinishIdentity(Slot& slot) {
  has_request_ = false;
  const std::string reply = std::exchange(next_reply_, "");
  if (slot.bytes.starts_with('-')) return;
  identity_ = std::move(next_identity_);
  parser_.set_authenticated(true);
  held_bytes_ -= slot.bytes.size();
  slot.bytes = reply;
  held_bytes_ += slot.bytes.size();
}

void Session::ResetState() {
  CHECK_EQ(engine_due_, 0u);
  Unpin(/*clean=*/false);
  identity_ = Identity();
  admitted_ = false;
  durability_ = host_->default_durability();
  read_only_ = false;
  reply_mode_ = ReplyMode::kOn;
  about_.name.clear();
}

}  // namespace cairn::adapter::redis
