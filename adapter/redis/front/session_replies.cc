// Session's other half: replies on their way to the client.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/error.hpp>
#include <utility>

#include "adapter/redis/front/reply_signs.h"
#include "adapter/redis/front/session.h"
#include "adapter/redis/front/session_host.h"
#include "base/check.h"
#include "base/planted_bug.h"

namespace cairn::adapter::redis {

// ---- What a reply waits for -----------------------------------------------------------------

void Session::Judge(Slot& slot, BatchId batch) {
  slot.begun = true;
  // Of what was sent behind it on its connection, the last write covers it.
  if (slot.may_write && writes_under_way_ == 0) {
    NoteWrite(host_->AskOffset(identity_));
    host_->AwaitBatch(last_write_batch_, this);
  }
  if (slot.durability == Durability::kAsync) return;
  switch (slot.rule) {
    case Rule::kFree:
      return;
    case Rule::kBatch:
      if (PLANTED(kMarkAfterSend)) {
        for (const KeyHash key : slot.keys) host_->marks().Mark(batch, key);
      }
      slot.hold.batch = batch;
      return host_->AwaitBatch(batch, this);
    case Rule::kAsk:
      return AskOffset(slot);
    case Rule::kKeys: {
      if (host_->AreBlocked(slot.keys)) return AskOffset(slot);
      const MarkVerdict verdict = host_->marks().Judge(slot.database, slot.keys);
      slot.hold.offset = verdict.offset;
      slot.hold.through = verdict.through;
      if (verdict.through) host_->AwaitThrough(verdict.through, this);
      return;
    }
  }
  CHECK_UNREACHABLE();
}

// An offset of now, which covers all that the engine had done when it said this.
void Session::AskOffset(Slot& slot) {
  if (host_->mode() == FrontMode::kReplica) return;
  slot.hold.batch = host_->AskOffset(identity_);
  host_->AwaitBatch(slot.hold.batch, this);
}

// ---- What the engine says -------------------------------------------------------------------

void Session::OnReply(uint64_t tag, BatchId batch, const ReplyPiece& piece) {
  if (tag == 0) return OnPush(piece);
  CHECK_GE(tag, first_tag_);
  Slot& slot = slots_[tag - first_tag_];
  if (piece.begins) Judge(slot, batch);
  if (piece.ends) {
    --engine_due_;
    OnEnded(slot, piece);
  }
  if (closed_) {
    if (finished()) host_->OnFinished(this);
    return;
  }
  Take(slot, tag, piece);
}

void Session::OnPush(const ReplyPiece& piece) {
  if (closed_) return;
  if (piece.begins) {
    Slot& slot = NewSlot();
    slot.rule = Rule::kAsk;
    slot.pushed = true;
    slot.silent = false;  // CLIENT REPLY speaks of answers.
    if (asked_whether_subscribed_) slot.after = After::kSubscribed;
    // A line of MONITOR is judged when it can be read: to ask for an offset is another line.
    if (monitors_) {
      slot.after = After::kMonitor;
    } else {
      Judge(slot, BatchId());
    }
    push_tag_ = first_tag_ + slots_.size() - 1;
  }
  const uint64_t tag = push_tag_;
  if (piece.ends) push_tag_ = 0;
  Take(slots_[tag - first_tag_], tag, piece);
  if (piece.ends && block_ == Block::kDrain && engine_due_ == 0) host_->ResumeLater(this);
}

void Session::Take(Slot& slot, uint64_t tag, const ReplyPiece& piece) {
  const bool next = tag == first_tag_ && gate_.empty() && slot.hold.IsOver(host_->committed());
  slot.bytes += piece.bytes;
  slot.size += piece.bytes.size();
  held_bytes_ += piece.bytes.size();
  if (slot.streaming || (next && slot.bytes.size() >= kStreamFrom && MayStream(slot))) {
    CHECK(next);
    slot.streaming = true;
    if (!slot.silent) out_ += slot.bytes;
    held_bytes_ -= slot.bytes.size();
    slot.bytes.clear();
  }
  CutIfItDoesNotRead(slot);
  if (closed_) return;
  host_->Touch(this);
  if (!piece.ends) return;
  expected_bytes_ = std::max(slot.size, expected_bytes_ - expected_bytes_ / 8);
  if (!slot.streaming) Finish(slot);
  slot.ended = true;
  Advance();
  ResumeIfQueued();
}

void Session::CutIfItDoesNotRead(const Slot& slot) {
  const SessionLimits& limits = host_->limits();
  const size_t most = slot.pushed ? limits.max_pushed_bytes : limits.max_held_bytes;
  if (buffered_bytes() <= most || (!slot.pushed && slots_.size() == 1)) return;
  spdlog::warn("the client at {} is cut: it has {} bytes of {} to read, more than {}",
               about_.address, buffered_bytes(), slot.pushed ? "messages" : "replies", most);
  Cut();
}

// What a reply turns out to be may say that it has to wait, or be worded anew.
bool Session::MayStream(const Slot& slot) const {
  if (slot.after == After::kInfo || slot.after == After::kMonitor) return false;
  return slot.durability == Durability::kAsync ||
         !(slot.absence == AbsenceSign::kAnyNull ||
           ShowsAbsence(slot.absence, slot.keys.size(), slot.bytes));
}

// All of the reply is in hand.
void Session::Finish(Slot& slot) {
  if (slot.after == After::kInfo) {
    held_bytes_ -= slot.bytes.size();
    slot.bytes = host_->WordInfo(std::move(slot.bytes), identity_.version);
    held_bytes_ += slot.bytes.size();
  }
  if (slot.after == After::kRefusal) {
    held_bytes_ -= slot.bytes.size();
    slot.bytes.clear();
    ReplyWriter(identity_.version, &slot.bytes).Error(queue_refusal_);
    held_bytes_ += slot.bytes.size();
  }
  if (!slot.moved.empty() && slot.bytes.starts_with("-UNBLOCKED")) {
    held_bytes_ -= slot.bytes.size();
    slot.bytes.clear();
    ReplyWriter(identity_.version, &slot.bytes).Error(slot.moved);
    held_bytes_ += slot.bytes.size();
  }
  if (slot.after == After::kPermission) FinishPermission(slot);
  if (slot.after == After::kIdentity) FinishIdentity(slot);
  if (slot.after == After::kSubscribed) FinishSubscribed(slot);
  if (slot.after == After::kMonitor) {
    slot.silent = slot.silent || IsAgentsQuestion(slot.bytes);
    if (!slot.silent) Judge(slot, BatchId());
  }
  if (!slot.scripted && SaysNotBegun(slot.bytes)) slot.hold = Hold();
  // It has expired, perhaps: then a deletion is on its way into the log.
  if (slot.durability == Durability::kSync &&
      ShowsAbsence(slot.absence, slot.keys.size(), slot.bytes)) {
    AskOffset(slot);
  }
}

void Session::FinishPermission(Slot& slot) {
  const std::function<void()> permitted = std::exchange(permitted_, nullptr);
  const std::string_view words = slot.bytes;
  if (words.starts_with("-NOPERM") || words.starts_with("-NOAUTH")) {
    has_request_ = false;
    block_ = Block::kReply;
    return host_->ResumeLater(this);
  }
  held_bytes_ -= slot.bytes.size();
  slot.bytes.clear();
  permitted();
}

// What stands in the way may still be a message.
void Session::FinishSubscribed(Slot& slot) {
  constexpr std::string_view kRefused = "-ERR Can't execute 'hello'";
  const bool subscribed = slot.bytes.starts_with(kRefused);
  if (!subscribed && !IsGreeting(slot.bytes)) return;
  asked_whether_subscribed_ = false;
  held_bytes_ -= slot.bytes.size();
  if (subscribed) {
    const std::string_view name =
        plan_.info != nullptr ? std::string_view(plan_.info->name) : "cairn";
    slot.bytes.replace(slot.bytes.find("hello"), 5, name);
    has_request_ = false;
  } else {
    slot.bytes.clear();
    raw_ = subscribed_ = false;
    own_->EndRaw();
  }
  held_bytes_ += slot.bytes.size();
  host_->ResumeLater(this);
}

void Session::OnEnded(Slot& slot, const ReplyPiece& piece) {
  const bool ok = piece.type == ReplyType::kSimple;
  switch (slot.after) {
    case After::kNothing:
      break;
    case After::kMulti:
      in_multi_ = ok && !closed_;
      break;
    case After::kDiscard:
      if (ok) ForgetQueued();
      break;
    case After::kWatch:
      watching_ = watching_ || ok;
      break;
    case After::kInfo:
    case After::kPermission:
    case After::kRefusal:
    case After::kMonitor:
    case After::kIdentity:
    case After::kSubscribed:
      break;
  }
  if (closed_) {
    if (slot.block != nullptr) host_->UnblockLater(std::move(slot.block));
    if (engine_due_ == 0) Unpin(/*clean=*/false);
    return;
  }
  if (own_ != nullptr && engine_due_ == 0 && !in_multi_ && !watching_ && !dedicated_) {
    Unpin(/*clean=*/true);
  }
  const bool awaited = slot.after == After::kMulti || slot.after == After::kDiscard ||
                       slot.after == After::kWatch || slot.after == After::kRefusal ||
                       slot.after == After::kIdentity;
  if ((block_ == Block::kReply && awaited) || (block_ == Block::kDrain && engine_due_ == 0)) {
    host_->ResumeLater(this);
  }
}

// Ended slots go into the gate, in their order; what need not wait goes out at once.
void Session::Advance() {
  const StreamOffset committed = host_->committed();
  while (gated_ < slots_.size() && slots_[gated_].ended) {
    Slot& slot = slots_[gated_];
    if (gated_ == 0 && slot.hold.IsOver(committed)) {
      Emit(slot);
      continue;
    }
    gate_.Push(slot.hold, host_->hold_deadline_us());
    ++gated_;
  }
  Release();
}

void Session::Release() {
  if (gate_.empty()) return;
  const MonoMicros due_us = gate_.deadline_us();
  size_t released = gate_.Release(host_->committed());
  if (released == 0) return;
  // By the oldest of them: they had the same time from the moment in which they were in hand.
  host_->counters().CountHeld(host_->hold_deadline_us() - due_us, released);
  for (; released > 0; --released) {
    Emit(slots_.front());
    --gated_;
  }
  host_->Touch(this);
  Advance();
}

// The front slot's reply leaves. Requires: its hold is over.
void Session::Emit(Slot& slot) {
  if (!slot.silent) out_ += slot.bytes;
  held_bytes_ -= slot.bytes.size();
  if (slot.write) --writes_under_way_;
  slots_.pop_front();
  ++first_tag_;
  if (block_ == Block::kEarlier && first_tag_ >= earlier_tag_) host_->ResumeLater(this);
  ResumeIfQueued();
}

void Session::OnKnown(BatchId batch, StreamOffset offset) {
  if (batch == last_write_batch_) {
    last_write_ = offset;
    if (block_ == Block::kCommit) host_->ResumeLater(this);
  }
  for (size_t i = gated_; i < slots_.size(); ++i) {
    Hold& hold = slots_[i].hold;
    if (hold.batch != batch) continue;
    hold.batch = BatchId();
    hold.offset = std::max(hold.offset, offset);
  }
  gate_.Known(batch, offset);
  Release();
}

void Session::OnKnownThrough(BatchId through, StreamOffset covering) {
  for (size_t i = gated_; i < slots_.size(); ++i) {
    Hold& hold = slots_[i].hold;
    if (!hold.through || hold.through > through) continue;
    hold.through = BatchId();
    hold.offset = std::max(hold.offset, covering);
  }
  gate_.KnownThrough(through, covering);
  Release();
}

// ---- Out ------------------------------------------------------------------------------------

void Session::FlushOut() {
  if (closed_ || waits_writable_) return;
  const bool has_more = out_sent_ < out_.size() || !stream_.flushed();
  if (has_more && !host_->MayAnswer()) return Cut();
  asio::error_code error;
  while (!error && out_sent_ < out_.size()) {
    out_sent_ += stream_.Write(std::string_view(out_).substr(out_sent_), error);
  }
  if (!error) stream_.Flush(error);
  if (error == asio::error::would_block || error == asio::error::try_again) return WaitWritable();
  if (error) return Close();
  out_.clear();
  out_sent_ = 0;
  if (out_.capacity() > kMaxOutBytes) out_.shrink_to_fit();
  if (closing_ && slots_.empty()) return Close();
  ResumeIfQueued();
}

void Session::WaitWritable() {
  waits_writable_ = true;
  stream_.AsyncWaitWritable([this, alive = alive_](const asio::error_code& error) {
    if (!*alive) return;
    waits_writable_ = false;
    if (closed_) return;
    if (error) return Close();
    FlushOut();
  });
}

// ---- The end --------------------------------------------------------------------------------

void Session::OnBroken(uint64_t tag) {
  if (tag != 0) {
    --engine_due_;
    Slot& slot = slots_[tag - first_tag_];
    if (slot.block != nullptr) host_->UnblockLater(std::move(slot.block));
  }
  if (!closed_) return Close();
  if (finished()) {
    Unpin(/*clean=*/false);
    host_->OnFinished(this);
  }
}

void Session::Cut() {
  if (!closed_) host_->counters().clients_cut.Add(1);
  Close();
}

void Session::Close() {
  if (std::exchange(closed_, true)) return;
  stream_.Close();
  bool blocks = false;
  for (Slot& slot : slots_) {
    slot.bytes.clear();
    if (slot.block == nullptr) continue;
    blocks |= !slot.ended;
    if (slot.ended) host_->UnblockLater(std::move(slot.block));
  }
  out_.clear();
  out_sent_ = 0;
  (void)gate_.Cut();
  gated_ = 0;
  host_->Touch(this);
  // What blocks for it in the engine would take what comes for others.
  if (blocks && own_ != nullptr) own_->EndSending();
  if (engine_due_ == 0) Unpin(/*clean=*/false);
  if (finished()) host_->OnFinished(this);
}

}  // namespace cairn::adapter::redis
