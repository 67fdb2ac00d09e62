#include "adapter/redis/sink_stream.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

// Small pieces share a chunk up to that size.
constexpr size_t kChunkBytes = size_t{64} << 10;
// What one write takes.
constexpr size_t kMaxPieces = 64;

}  // namespace

void SinkStream::Begin(StreamPlace base, Seq seq) {
  CHECK(!base.history.empty());
  End();
  history_ = std::move(base.history);
  chunks_begin_ = sent_ = handed_out_ = end_ = acked_offset_ = base.offset;
  marks_.push_back({seq, base.offset, base.offset});
}

void SinkStream::End() {
  history_.clear();
  chunks_.clear();
  chunks_begin_ = end_;
  open_begin_.reset();
  marks_.clear();
  heard_ = false;
}

bool SinkStream::MakeRoom() {
  if (marks_.size() >= kMaxMarks) return false;
  if (retained_bytes() < window_bytes_) return true;
  if (!open_begin_) return false;
  DropChunksThrough(sent_);
  return retained_bytes() < window_bytes_;
}

void SinkStream::Append(std::string_view bytes, std::optional<Seq> through) {
  CHECK(active());
  const bool empty = bytes.empty() && !open_begin_;
  if (!open_begin_) open_begin_ = end_;
  AddBytes(bytes);
  if (!through) {
    if (empty) open_begin_.reset();
    return;
  }
  CHECK_GE(*through, marks_.back().seq);
  // Without bytes of its own it is where the record before it is.
  if (empty) {
    marks_.back().seq = *through;
  } else {
    marks_.push_back({*through, *open_begin_, end_});
  }
  open_begin_.reset();
}

void SinkStream::AppendKeepalive(std::string_view bytes) {
  CHECK(active());
  CHECK(between_records());
  AddBytes(bytes);
}

void SinkStream::AddBytes(std::string_view bytes) {
  if (bytes.empty()) return;
  const bool fits = !chunks_.empty() && !chunks_.back().sealed &&
                    chunks_.back().bytes.size() + bytes.size() <= kChunkBytes;
  if (!fits) chunks_.push_back({end_, {}, false});
  chunks_.back().bytes.append(bytes);
  end_ += bytes.size();
}

std::vector<std::string_view> SinkStream::Unsent(size_t max_bytes) {
  std::vector<std::string_view> pieces;
  auto chunk = std::partition_point(chunks_.begin(), chunks_.end(), [this](const Chunk& c) {
    return c.begin + c.bytes.size() <= sent_;
  });
  StreamOffset at = sent_;
  for (; chunk != chunks_.end() && max_bytes > 0 && pieces.size() < kMaxPieces; ++chunk) {
    const std::string_view piece =
        std::string_view(chunk->bytes).substr(at - chunk->begin, max_bytes);
    chunk->sealed = true;
    pieces.push_back(piece);
    at += piece.size();
    max_bytes -= piece.size();
  }
  handed_out_ = std::max(handed_out_, at);
  return pieces;
}

void SinkStream::Sent(size_t bytes) {
  sent_ += bytes;
  CHECK_LE(sent_, handed_out_);
}

std::optional<Seq> SinkStream::SeqAt(const StreamPlace& place) const {
  if (!active() || place.history != history_ || place.offset < acked_offset_) return std::nullopt;
  for (size_t i = 0; i < marks_.size(); ++i) {
    const bool last = i + 1 == marks_.size();
    const StreamOffset next = last ? open_begin_.value_or(end_) : marks_[i + 1].begin;
    if (place.offset < marks_[i].end) return std::nullopt;
    if (place.offset <= next) return marks_[i].seq;
  }
  return std::nullopt;
}

bool SinkStream::CanContinue(const StreamPlace& place) const {
  return active() && place.history == history_ && place.offset >= chunks_begin_ &&
         place.offset >= acked_offset_ && place.offset <= end_;
}

void SinkStream::Continue(StreamOffset offset) {
  CHECK(offset >= chunks_begin_ && offset <= end_);
  sent_ = handed_out_ = offset;
  CHECK(Acknowledge(offset));
}

bool SinkStream::Acknowledge(StreamOffset offset) {
  if (!active() || offset < acked_offset_ || offset > handed_out_) return false;
  heard_ = true;
  acked_offset_ = offset;
  DropChunksThrough(offset);
  while (marks_.size() > 1 && marks_[1].end <= offset) marks_.pop_front();
  return true;
}

void SinkStream::DropChunksThrough(StreamOffset offset) {
  while (!chunks_.empty() && chunks_.front().begin + chunks_.front().bytes.size() <= offset) {
    chunks_begin_ = chunks_.front().begin + chunks_.front().bytes.size();
    chunks_.pop_front();
  }
}

SinkStream::Position SinkStream::fed() const {
  CHECK(active());
  return marks_.back().position();
}

std::optional<SinkStream::Position> SinkStream::acked() const {
  if (!active() || !heard_) return std::nullopt;
  return marks_.front().position();
}

}  // namespace cairn::adapter::redis
