#include "adapter/memcache/front/session.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

constexpr size_t kReadBytes = size_t{16} << 10;
constexpr size_t kKeptOutBytes = size_t{64} << 10;
constexpr std::string_view kNobody =
    "SERVER_ERROR the cache has no primary for now: nothing was done\r\n";

}  // namespace

Session::Session(uint64_t id, ClientStream::Socket socket, const ClientTls& tls, SessionHost* host)
    : id_(id),
      stream_(std::move(socket), tls),
      host_(host),
      alive_(std::make_shared<bool>(true)),
      parser_(RequestParser::Options{.item_size = host->facts().item_size}),
      room_(kReadBytes) {}

Session::~Session() { *alive_ = false; }

void Session::Start() {
  if (stream_.Start()) return Close();
  Read();
}

// ---- Bytes in -----------------------------------------------------------------------------------

void Session::Read() {
  if (closed_ || std::exchange(reading_, true)) return;
  stream_.AsyncRead(room_, [this, alive = alive_](const asio::error_code& error, size_t bytes) {
    if (!*alive) return;
    reading_ = false;
    if (closed_) return;
    if (error == asio::error::eof && waiting_.empty()) return EndInput();
    if (error) return Close();
    in_.append(room_.data(), bytes);
    Pump();
  });
}

// Who has said all it has to say may still listen: what it asked for comes, as from memcached.
void Session::EndInput() {
  closing_ = true;
  host_->Touch(this);
}

void Session::Pump() {
  while (!closed_ && (!closing_ || long_get_)) {
    const bool portion_due = long_get_ && long_get_->asked;
    stalled_ = slots_.size() >= kMaxSlots || portion_due || KeysWanted() == 0;
    // Behind a request that waits for somebody, everything waits.
    if (stalled_ || !waiting_.empty()) break;
    if (host_->WriterFull()) {
      host_->AwaitChange(this);
      break;
    }
    if (long_get_) {
      AskOn();
      continue;
    }
    if (!TakeOne()) {
      Read();
      break;
    }
  }
  in_.erase(0, std::exchange(in_taken_, 0));
}

bool Session::TakeOne() {
  const std::string_view bytes = std::string_view(in_).substr(in_taken_);
  if (bytes.size() < wanted_) return false;
  RequestParser::Result next = parser_.Parse(bytes);
  in_taken_ += next.consumed;
  wanted_ = 1;
  switch (next.outcome) {
    case RequestParser::Outcome::kNeedMore:
      wanted_ = std::max<size_t>(next.wanted, 1);
      return false;
    case RequestParser::Outcome::kRejected: {
      host_->counters().rejected.fetch_add(1, std::memory_order_relaxed);
      closing_ = next.close;
      Finish(&Add(), next.reply);
      return true;
    }
    case RequestParser::Outcome::kRequest:
      Take(next.request, bytes.substr(0, next.consumed));
      return true;
  }
  CHECK_UNREACHABLE();
}

void Session::Resume() {
  if (closed_) return;
  DispatchWaiting();
  Pump();
}

void Session::GiveUp(MonoMicros before_us) {
  while (!waiting_.empty()) {
    Slot* const slot = Find(waiting_.front());
    if (slot->since_us > before_us) break;
    waiting_.pop_front();
    host_->counters().rejected.fetch_add(1, std::memory_order_relaxed);
    const bool silent = (**slot->request).noreply && !forwarded_;
    const std::string_view line = forwarded_ ? kNotPrimary : kNobody;
    Finish(slot, silent ? std::string_view() : line);
  }
  if (!closed_ && waiting_.empty()) Pump();
}

void Session::Leave() {
  if (closed_) return;
  closing_ |= !forwarded_;
  GiveUp(std::numeric_limits<MonoMicros>::max());
  host_->Touch(this);
}

// ---- Slots --------------------------------------------------------------------------------------

Session::Slot& Session::Add() {
  slots_.emplace_back();
  slots_.back().number = first_slot_ + slots_.size() - 1;
  slots_.back().since_us = host_->now_us();
  return slots_.back();
}

Session::Slot* Session::Find(uint64_t slot) {
  CHECK_GE(slot, first_slot_);
  CHECK_LT(slot - first_slot_, slots_.size());
  return &slots_[slot - first_slot_];
}

void Session::Say(Slot* slot, std::string_view bytes) {
  slot->said_bytes += bytes.size();
  if (is_head(*slot)) {
    out_.append(bytes);
  } else {
    slot->reply.append(bytes);
    held_bytes_ += bytes.size();
  }
}

void Session::CountIfError(std::string_view line) {
  const bool error = line.starts_with("SERVER_ERROR ") || line.starts_with("CLIENT_ERROR ") ||
                     line.starts_with("ERROR");
  if (error) host_->counters().errors.fetch_add(1, std::memory_order_relaxed);
}

void Session::Finish(Slot* slot, std::string_view reply) {
  CountIfError(reply);
  Say(slot, reply);
  slot->done = true;
  ForgetChanges(slot);
  Settle(slot);
  if (long_get_ && long_get_->slot == slot->number) long_get_.reset();
  if (is_head(*slot)) PopDone();
  host_->Touch(this);
}

void Session::ForgetChanges(Slot* slot) {
  for (const KeyHash key : slot->changes) {
    const auto it = own_changes_.find(key);
    if (--it->second == 0) own_changes_.erase(it);
  }
  slot->changes.clear();
}

void Session::PopDone() {
  while (!slots_.empty() && slots_.front().done) {
    const bool closes = slots_.front().closes;
    slots_.pop_front();
    ++first_slot_;
    if (closes) closing_ = true;
    if (slots_.empty()) return;
    held_bytes_ -= slots_.front().reply.size();
    out_.append(std::exchange(slots_.front().reply, std::string()));
  }
}

// ---- Bytes out ----------------------------------------------------------------------------------

// Who never reads all that there is must not keep what it has read; an idle one keeps little.
void Session::DropSent() {
  if (out_sent_ == out_.size()) {
    if (out_.capacity() > kKeptOutBytes) out_ = std::string();
    out_.clear();
    out_sent_ = 0;
  } else if (out_sent_ >= kKeptOutBytes && out_sent_ >= out_.size() / 2) {
    out_.erase(0, std::exchange(out_sent_, 0));
  }
  CountOut();
}

void Session::CountOut() {
  const size_t now = closed_ ? 0 : buffered_bytes();
  host_->counters().reply_bytes.fetch_add(now - std::exchange(out_told_, now),
                                          std::memory_order_relaxed);
}

void Session::FlushOut() {
  if (closed_ || writing_) return;
  asio::error_code error;
  while (!error && out_sent_ < out_.size()) {
    out_sent_ += stream_.Write(std::string_view(out_).substr(out_sent_), error);
  }
  if (!error) stream_.Flush(error);
  DropSent();
  if (error == asio::error::would_block || error == asio::error::try_again) {
    writing_ = true;
    stream_.AsyncWaitWritable([this, alive = alive_](const asio::error_code& failed) {
      if (!*alive) return;
      writing_ = false;
      if (closed_) return;
      if (failed) return Close();
      FlushOut();
    });
    return;
  }
  if (error) return Close();
  if (closing_ && slots_.empty()) return Close();
  if (std::exchange(stalled_, false)) Pump();
}

void Session::Close() {
  if (std::exchange(closed_, true)) return;
  stream_.Close();
  waiting_.clear();
  long_get_.reset();
  CountOut();
  host_->Touch(this);
}

}  // namespace cairn::adapter::memcache
