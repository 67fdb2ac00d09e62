// ReplyGate: which replies of one client may be written, in the order that RESP asks.
//
// Each reply has a hold: an offset that must be committed, or a batch whose offset is not known
// yet (the client's own write), or batches up to one (a read of marked keys, key_marks.h). A reply
// goes when its hold is over and all before it have gone. Replies of one hold are one group, so a
// pipeline of a thousand writes costs one entry; a release costs what it releases.
//
// A batch whose ROLE failed stays unknown, and its replies held, until some later offset of the
// engine is told as its own: that one covers it.
//
// WaitIndex tells which of many connections a commit wakes, and whose time is up. SeqMap answers
// which seq of the log covers an offset.
//
// Threads: none of their own; each io thread has its own. Bounds: what a client may pipeline,
//   bounded by the session; one entry per waiting connection.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/key_marks.h"
#include "adapter/role_events.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/planted_bug.h"

namespace cairn::adapter::redis {

struct Hold {
  StreamOffset offset;  // Must be committed. 0: nothing.
  BatchId batch;        // Must be known, and its offset committed. 0: none.
  BatchId through;      // All up to it must be known, and what covers them committed. 0: none.

  [[nodiscard]] bool IsOver(StreamOffset committed) const {
    if (PLANTED(kReplyAtWrongOffset)) return !batch && !through;
    return !batch && !through && offset <= committed;
  }
  bool operator==(const Hold&) const = default;
};

class ReplyGate {
 public:
  // A reply has arrived; it may not be held beyond the deadline.
  void Push(const Hold& hold, MonoMicros deadline_us);
  void Known(BatchId batch, StreamOffset offset);
  void KnownThrough(BatchId through, StreamOffset covering);
  // How many replies, from the oldest on, are to be written now; they leave the gate.
  [[nodiscard]] size_t Release(StreamOffset committed);
  // The front is fenced or the time is up: so many replies will not be given, and the connection
  // must be cut, since their outcome is unknown.
  [[nodiscard]] size_t Cut();

  [[nodiscard]] bool empty() const { return groups_.empty(); }
  [[nodiscard]] size_t size() const { return size_; }
  // Of the oldest reply. Requires: not empty.
  [[nodiscard]] const Hold& head() const { return groups_.front().hold; }
  [[nodiscard]] MonoMicros deadline_us() const { return groups_.front().deadline_us; }

 private:
  struct Group {
    Hold hold;
    MonoMicros deadline_us;  // Of its oldest reply.
    size_t count;
  };
  std::deque<Group> groups_;
  size_t size_ = 0;
};

// Connections whose oldest reply waits for an offset, by that offset and by their deadline. Those
// that wait for a batch are only filed by deadline: whoever hears of the batch knows them.
class WaitIndex {
 public:
  using ConnectionId = uint64_t;

  // Files the connection anew by what its gate waits for now; an empty gate takes it out.
  void File(ConnectionId connection, const ReplyGate& gate);
  void Remove(ConnectionId connection);
  // Takes out and returns whom this commit concerns, by offset.
  [[nodiscard]] std::vector<ConnectionId> Commit(StreamOffset committed);
  // Takes out and returns whose deadline has passed.
  [[nodiscard]] std::vector<ConnectionId> Expire(MonoMicros now_us);
  [[nodiscard]] std::optional<MonoMicros> next_deadline_us() const;
  [[nodiscard]] size_t size() const { return filed_.size(); }

 private:
  struct Filed {
    StreamOffset offset;  // 0: waits for a batch.
    MonoMicros deadline_us;
  };
  std::map<ConnectionId, Filed> filed_;
  std::set<std::pair<StreamOffset, ConnectionId>> by_offset_;
  std::set<std::pair<MonoMicros, ConnectionId>> by_deadline_;
};

// Which seq of the log covers an offset of the engine, for CAIRN SEQ.
class SeqMap {
 public:
  explicit SeqMap(size_t capacity) : capacity_(capacity) {}

  // The log through `seq` covers everything up to `end`. In order; neither goes back.
  void Add(StreamOffset end, Seq seq);
  // The first known record that covers the offset; of an offset older than what is kept, the
  // oldest kept one, which covers it too. nullopt: not committed yet.
  [[nodiscard]] std::optional<Seq> Find(StreamOffset offset) const;

 private:
  const size_t capacity_;
  std::deque<std::pair<StreamOffset, Seq>> ends_;
};

}  // namespace cairn::adapter::redis
