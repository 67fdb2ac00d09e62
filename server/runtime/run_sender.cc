#include "server/runtime/run_sender.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "base/thread_priority.h"
#include "server/peer_feed.h"
#include "server/runtime/peer_frames.h"

namespace cairn::server {
namespace {

// What is read and sent at a time: little, so that others pass between two pieces.
constexpr uint64_t kPieceBytes = 256 << 10;
// What goes out at once with a limit, so that a row of megabytes does not keep a processor of the
// receiver busy in one go.
constexpr size_t kAtOnceBytes = 64 << 10;
constexpr int64_t kSendTimeoutUs = 10 * kMicrosPerSecond;

// False: the peer is gone. (It has nothing to say any more.)
bool WaitUntil(MonoMicros when, const SocketStream& stream) {
  const int64_t wait_us = when - SystemClock().Mono();
  if (wait_us <= 0) return true;
  const auto wait_ms = static_cast<int>(wait_us / kMicrosPerMilli + 1);
  return !AwaitSocket(stream.socket(), /*writable=*/false, wait_ms);
}

// Rows on their way out. With a limit each piece waits for its turn; without one nobody shall, and
// a row that is a piece of its own goes from where it lies.
class RowsOut {
 public:
  RowsOut(RateMeter* filling, uint64_t free_bytes, SocketStream* stream)
      : filling_(*filling),
        stream_(*stream),
        limited_(filling->rate() != 0),
        free_bytes_(free_bytes) {}

  // False: Send has to be called, the row was taken.
  bool Add(std::string_view row) {
    AppendFrameHeader(row.size(), piece_);
    if (limited_ || row.size() < kPieceBytes) {
      piece_.append(row);
      return piece_.size() < kPieceBytes || (!limited_ && Send());
    }
    return Send() && SendNow(row);
  }

  void AddEnd() { AppendFrameHeader(0, piece_); }

  // What is gathered. False: the peer is gone.
  bool Send() {
    const size_t at_once = limited_ ? kAtOnceBytes : piece_.size();
    for (std::string_view rest = piece_; is_open_ && !rest.empty();) {
      const std::string_view portion = rest.substr(0, at_once);
      is_open_ = WaitUntil(TurnOf(portion.size()), stream_) && SendNow(portion);
      rest.remove_prefix(portion.size());
    }
    piece_.clear();
    return is_open_;
  }

  // Since the last call.
  uint64_t TakeSentBytes() { return std::exchange(sent_bytes_, 0); }

 private:
  MonoMicros TurnOf(uint64_t bytes) {
    const uint64_t spent_free = std::min(free_bytes_, bytes);
    free_bytes_ -= spent_free;
    return filling_.Claim(bytes - spent_free, SystemClock().Mono());
  }
  bool SendNow(std::string_view bytes) {
    is_open_ = stream_.SendAll(bytes, SystemClock().Mono() + kSendTimeoutUs);
    if (is_open_) sent_bytes_ += bytes.size();
    return is_open_;
  }

  RateMeter& filling_;
  SocketStream& stream_;
  const bool limited_;
  uint64_t free_bytes_;
  uint64_t sent_bytes_ = 0;
  bool is_open_ = true;
  std::string piece_;
};

}  // namespace

void RunSender::Serve(const cairn::v1::RunFetch& wanted, SocketStream& stream) const {
  const GroupId group(wanted.group());
  const Index last(wanted.last_index());
  if (filling_->rate() != 0 && wanted.free_bytes() != kAllFree) RunInBackground();
  RowsOut out(filling_, wanted.free_bytes(), &stream);
  for (Index next(wanted.first_index()); next <= last;) {
    const absl::Status read = store_->ReadRows(group, next, last, [&](std::string_view row) {
      ++next;
      return out.Add(row);
    });
    if (!read.ok()) {
      spdlog::warn("group {}: a run that a peer fetches ends before entry {}: {}", group, next,
                   ToStd(read.message()));
      return;
    }
    if (next > last) out.AddEnd();
    const bool is_open = out.Send();
    metrics_->peer_bytes_sent_total.Increment(static_cast<double>(out.TakeSentBytes()));
    if (!is_open) return;
  }
}

}  // namespace cairn::server
