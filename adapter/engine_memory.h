// EngineMemory: what is known of an engine's memory, and how it stands to the log.
//
// A memory is one of three:
//   unknown   nothing can be said: it must be thrown away before it is of use;
//   follows   it equals the log through acked();
//   leads     it has taken writes of its own in the history history(). It equals the log through
//             the *meeting*, plus effects of its own behind it that the log may lack.
// The meeting is the last whole data record of that history in the log, or, before there is one,
// the seq at which the engine was promoted.
//
// When may a leading memory go on?
//   As a primary, when no record of the log contradicts it: behind the meeting stand no data of
//   another history, and no grant to another agent (IsOutvoted). Then what it has on top of the
//   log are effects that nobody else's history excludes; they are published from the meeting on.
//   As a replica, when it holds nothing on top: its stream stands *exactly* at the meeting's
//   offset (Proof), which the engine itself says when it asks to follow. Units without effect that
//   were read behind the last record may be added, since they are known.
//
// Threads: none of its own. Pure.
#pragma once

#include <optional>
#include <string>

#include "adapter/role_events.h"
#include "base/ids.h"

namespace cairn::adapter {

class EngineMemory {
 public:
  enum class Kind { kUnknown, kFollows, kLeads };

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool follows() const { return kind_ == Kind::kFollows; }
  [[nodiscard]] bool leads() const { return kind_ == Kind::kLeads; }

  void Forget() { *this = EngineMemory(); }
  void Follow(Seq acked, StreamOffset offset);
  // While it follows, else without effect. Moves forward only.
  void Fed(const EngineFedEvent& fed);
  // It takes writes, from `base` on.
  void Promoted(const Meeting& base);
  // It says that it takes writes, and stands at `place`, which no client moves any more; the log
  // shall tell where they met.
  void Claim(const StreamPlace& place);
  // The last whole data record that the log holds.
  void Seen(const std::optional<Meeting>& published);
  // The publisher has stopped there.
  void Stopped(const PublisherStoppedEvent& stopped);

  // Requires: follows().
  [[nodiscard]] Seq acked() const { return acked_; }
  [[nodiscard]] StreamOffset acked_offset() const { return acked_offset_; }
  // Nothing that was fed is on its way.
  [[nodiscard]] bool all_acked() const { return acked_ == fed_; }

  // None unless leads().
  [[nodiscard]] const std::optional<Meeting>& meeting() const { return meeting_; }
  // Requires: leads().
  [[nodiscard]] bool IsOutvoted(const std::optional<Meeting>& published, Epoch others) const;
  [[nodiscard]] std::optional<Meeting> Proof() const;

 private:
  Kind kind_ = Kind::kUnknown;
  // Follows.
  Seq fed_;
  Seq acked_;
  StreamOffset acked_offset_;
  // Leads.
  std::string history_;
  std::optional<StreamOffset> claimed_;  // Where it stood when nobody could write any more.
  std::optional<Meeting> meeting_;
  PublisherStoppedEvent stopped_;
};

}  // namespace cairn::adapter
