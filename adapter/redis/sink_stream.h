// SinkStream: the replication stream that the agent, as a primary, has for its engine: the bytes
// that the engine has not acknowledged yet, and which seq of the log ends where. Pure.
//
//   feeder ──Append──► │ unsent ············ │ sent, not acknowledged │ ──Acknowledge──► gone
//                      end            sent_offset            acked_offset
//
// A stream has a history (the replid given to the engine) and begins at a base: an engine that is
// there holds exactly the log through the base's seq. Every byte counts in the offsets, also those
// of keepalives (PING, REPLCONF GETACK), which may stand between any two records. Positions that
// are told outside are ends of records: keepalives behind them are left out.
//
// An engine that comes back goes on wherever it stands, since all that it has not acknowledged is
// still here.
//
// Bounds: `window_bytes` and one piece more, as the caller asks MakeRoom() before each piece; for
// the seqs 24 bytes each, at most kMaxMarks. While one record is larger than the window, what was
// sent of it is forgotten, since the engine cannot acknowledge a part: after a break it has to be
// fed again from the log. Threads: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/role_events.h"
#include "base/ids.h"

namespace cairn::adapter::redis {

class SinkStream {
 public:
  struct Position {
    Seq seq;
    StreamOffset offset;
    bool operator==(const Position&) const = default;
  };

  static constexpr size_t kMaxMarks = size_t{1} << 20;

  explicit SinkStream(size_t window_bytes) : window_bytes_(window_bytes) {}

  // Forgets what was, and begins anew.
  void Begin(StreamPlace base, Seq seq);
  // No engine can go on in it any more.
  void End();
  [[nodiscard]] bool active() const { return !history_.empty(); }
  [[nodiscard]] const std::string& history() const { return history_; }

  // Whether a piece may be appended now. If not: after something was sent or acknowledged.
  [[nodiscard]] bool MakeRoom();
  // Bytes of a record, or of a part of one. `through`: with them the engine has the log through
  // that seq. They may be empty: a record of the log without effect. Requires: active().
  void Append(std::string_view bytes, std::optional<Seq> through);
  // Requires: active(), and that the last record is whole, so that a keepalive may follow.
  void AppendKeepalive(std::string_view bytes);
  [[nodiscard]] bool between_records() const { return !open_begin_; }

  // The next bytes to be sent, at most so many. They stay where they are until the engine has
  // acknowledged them, or the stream ends.
  [[nodiscard]] std::vector<std::string_view> Unsent(size_t max_bytes);
  void Sent(size_t bytes);

  // What the log says of an engine that stands at `place`: it is the end of the record with that
  // seq, and perhaps some keepalives. Nullopt: not in this stream, or within a record.
  [[nodiscard]] std::optional<Seq> SeqAt(const StreamPlace& place) const;
  // An engine asks to go on in `place`. False: it cannot, here.
  [[nodiscard]] bool CanContinue(const StreamPlace& place) const;
  // Requires: CanContinue(). What follows is sent again, and what is before it is acknowledged.
  void Continue(StreamOffset offset);
  // False: the engine cannot have that; it is not ours, or mad.
  bool Acknowledge(StreamOffset offset);

  // The end of all that was appended, and of the last record in it.
  [[nodiscard]] StreamOffset end() const { return end_; }
  [[nodiscard]] Position fed() const;
  // The last record that was acknowledged; nullopt until the engine said the first time that it is
  // at the base or behind it.
  [[nodiscard]] std::optional<Position> acked() const;
  [[nodiscard]] StreamOffset acked_offset() const { return acked_offset_; }
  [[nodiscard]] bool all_sent() const { return sent_ == end_; }
  // A record is behind what was acknowledged.
  [[nodiscard]] bool has_unacked_records() const {
    return !heard_ || marks_.back().end > acked_offset_;
  }
  [[nodiscard]] size_t retained_bytes() const { return end_ - chunks_begin_; }

 private:
  struct Chunk {
    StreamOffset begin;  // Offset before its first byte.
    std::string bytes;
    bool sealed = false;  // Was handed out: its bytes must not move.
  };

  struct Mark {
    Seq seq;
    StreamOffset begin;  // Before the record's first byte, and behind keepalives.
    StreamOffset end;
    [[nodiscard]] Position position() const { return {seq, end}; }
  };

  void AddBytes(std::string_view bytes);
  void DropChunksThrough(StreamOffset offset);

  const size_t window_bytes_;
  std::string history_;
  std::deque<Chunk> chunks_;
  StreamOffset chunks_begin_;
  StreamOffset sent_;
  StreamOffset handed_out_;  // By Unsent(): an acknowledgement may overtake Sent().
  StreamOffset end_;
  std::optional<StreamOffset> open_begin_;  // Of a record whose last part is still to come.
  StreamOffset acked_offset_;
  bool heard_ = false;
  // The newest one that is acknowledged, and those behind it. Never empty while active.
  std::deque<Mark> marks_;
};

}  // namespace cairn::adapter::redis
