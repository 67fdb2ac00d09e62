// Session: how many items are asked for at once, and a `get` in portions.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "adapter/memcache/front/session.h"
#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kEnd = "END\r\n";

std::string_view NameOf(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "get";
    case Verb::kGets:
      return "gets";
    case Verb::kGat:
      return "gat";
    case Verb::kGats:
      return "gats";
    default:
      CHECK_UNREACHABLE();
  }
}

// The same for some of its keys, never longer.
std::string PortionOf(const Request& whole, size_t first, size_t keys) {
  std::string line(NameOf(whole.verb));
  const bool touches = whole.verb == Verb::kGat || whole.verb == Verb::kGats;
  if (touches) fmt::format_to(std::back_inserter(line), " {}", whole.exptime);
  for (size_t i = first; i < first + keys; ++i) line.append(" ").append(whole.keys[i]);
  return line.append("\r\n");
}

}  // namespace

// What is buffered and what may come are not to be more than kMaxOutBytes, as far as the last items
// tell; one at a time is asked for whatever its size.
size_t Session::KeysWanted() const {
  const size_t buffered = buffered_bytes();
  if (buffered >= kMaxOutBytes || keys_due_ >= kMaxKeysDue) return 0;
  const size_t keys = (kMaxOutBytes - buffered) / key_bytes_;
  if (keys <= keys_due_) return keys_due_ == 0 ? 1 : 0;
  return std::min(keys, kMaxKeysDue) - keys_due_;
}

void Session::Expect(Slot* slot, size_t keys) {
  slot->keys_due = keys;
  slot->said_bytes = 0;
  keys_due_ += keys;
}

// Larger items count at once, smaller ones by and by.
void Session::Settle(Slot* slot) {
  const size_t keys = std::exchange(slot->keys_due, 0);
  if (keys == 0) return;
  keys_due_ -= keys;
  key_bytes_ = std::max({slot->said_bytes / keys, key_bytes_ / 2, size_t{1}});
}

void Session::BeginLongGet(const Request& request, std::string_view bytes, Slot* slot) {
  long_get_.emplace(LongGet{OwnedRequest(request, bytes), slot->number});
}

// Requires: KeysWanted() is not 0, and no portion is on its way.
void Session::AskOn() {
  LongGet& get = *long_get_;
  Slot* const slot = Find(get.slot);
  const size_t keys = std::min(KeysWanted(), get.whole->keys.size() - get.next);
  const std::string line = PortionOf(*get.whole, get.next, keys);
  get.next += keys;
  get.asked = true;
  slot->begun = false;
  slot->found = 0;
  slot->since_us = host_->now_us();
  Expect(slot, keys);
  const RequestParser::Result parsed = RequestParser().Parse(line);
  CHECK(parsed.outcome == RequestParser::Outcome::kRequest);
  Ask(parsed.request, line, slot);
}

// The last one's end is the client's.
bool Session::EndsPortion(const Slot& slot, std::string_view line) const {
  return long_get_ && long_get_->slot == slot.number &&
         long_get_->next < long_get_->whole->keys.size() && line == kEnd;
}

// Pump() goes on with the next one when there is room.
void Session::EndPortion(Slot* slot) {
  ForgetChanges(slot);
  Settle(slot);
  slot->route = Route::kNone;
  slot->request.reset();
  long_get_->asked = false;
  stalled_ = true;
  host_->Touch(this);
}

}  // namespace cairn::adapter::memcache
