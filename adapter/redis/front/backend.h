// Backend: one connection of an io thread to the engine, shared by many clients or owned by one.
//
//   clients ──Send──► this turn's bytes ──Flush──► engine ──► ReplyScanner ──► the next receiver
//
// What is sent between two flushes is a *batch* if somebody needs to know the offset behind it:
// then it ends with ROLE, whose reply tells the replication offset behind everything in it (design
// section 11). An engine that answers ROLE with something else leaves the offset unknown: the owner
// asks again elsewhere, and that later offset covers this batch too.
//
// Replies come in the order of the requests; each piece goes to the receiver of the oldest request
// that is not answered. A receiver must not be destroyed while it is due a reply: a client that
// went away stays as a shell until the count is zero. Bytes that are no reply, a reply that nobody
// asked for, or a lost connection break the backend: every receiver still due one is told once,
// and nothing is sent or received any more. What it had sent is unknown.
//
// Threads: of one io thread. Lifetime: destroying it tells nobody.
// Bounds: queued_bytes() grows while the engine does not read; callers look at it before they take
//   more from clients.
#pragma once

#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "adapter/redis/key_marks.h"
#include "adapter/redis/reply_scanner.h"
#include "adapter/role_events.h"

namespace cairn::adapter::redis {

// Who has sent a request.
class ReplyReceiver {
 public:
  virtual ~ReplyReceiver() = default;
  // A piece of the reply to `tag`, sent in `batch` (0: in none). A push has tag 0 and no batch.
  virtual void OnReply(uint64_t tag, BatchId batch, const ReplyPiece& piece) = 0;
  // There will be no (more of the) reply to `tag`.
  virtual void OnBroken(uint64_t tag) = 0;
};

// What a backend tells its thread.
class BackendOwner {
 public:
  virtual ~BackendOwner() = default;
  virtual BatchId NewBatch() = 0;
  // Everything sent in `batch` or before it, on this connection, is covered by `offset`.
  virtual void OnOffset(BatchId batch, StreamOffset offset) = 0;
  // The engine does not say the offset of `batch`; one is asked for elsewhere.
  virtual void OnOffsetUnknown(BatchId batch) = 0;
  // After all receivers. It must not be destroyed within.
  virtual void OnBackendBroken(class Backend* backend, const absl::Status& why) = 0;
};

class Backend {
 public:
  using Socket = asio::generic::stream_protocol::socket;

  // Takes a connected socket.
  Backend(Socket socket, BackendOwner* owner);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // The batch that is being filled, which ends with ROLE from now on. Requires: usable(), and that
  // ROLE may be sent there: not inside MULTI, nor in raw mode.
  BatchId Batch();
  // Appends one whole command, and notes who gets the reply. Requires: usable().
  void Send(std::string_view command, ReplyReceiver* receiver, uint64_t tag);
  // Appends a command that has no reply of its own: what it causes are pushes. For raw mode.
  void SendOneWay(std::string_view command);
  // Appends a command that RESP3 answers by pushes alone, or by an error. The reply is the error,
  // or has no bytes: it ends with the reply to a HELLO behind the command, which everybody may ask.
  void SendPushed(std::string_view command, ReplyReceiver* receiver, uint64_t tag);

  // Pushes, and in raw mode all replies, go to this receiver. In raw mode no request is matched
  // with a reply: subscribed connections of RESP2, and MONITOR, send what they like. The mode
  // begins behind the replies that are due.
  void SetPushReceiver(ReplyReceiver* receiver) { push_receiver_ = receiver; }
  void SetRaw() { raw_ = true; }
  // When the last reply of the mode has come, or within it.
  void EndRaw() { raw_ = false; }

  // Ends the batch and hands what was sent to the kernel. To be called at the end of a turn of the
  // event loop in which something was sent.
  void Flush();
  // Nothing more is sent. The engine ends what blocks here, as for any client that has gone, and
  // closes; whoever is due a reply gets it if it came before that.
  void EndSending();
  // Breaks it: receivers are told.
  void Close() {
    if (usable()) Break(absl::CancelledError("closed"));
  }

  // Its CLIENT ID there; 0: not known.
  [[nodiscard]] int64_t engine_id() const { return engine_id_; }
  void set_engine_id(int64_t id) { engine_id_ = id; }

  [[nodiscard]] bool usable() const { return broken_.ok(); }
  // Sent by clients, not taken by the kernel.
  [[nodiscard]] size_t queued_bytes() const {
    return batch_bytes_.size() + out_.size() - out_sent_;
  }
  [[nodiscard]] size_t due_replies() const { return due_.size(); }
  // No client waits for anything from it.
  [[nodiscard]] bool idle() const { return due_.empty() && batch_bytes_.empty(); }

 private:
  struct Due {
    ReplyReceiver* receiver;  // Null: ROLE, or nobody any more.
    uint64_t tag;
    BatchId batch;
    bool pushed = false;  // Ends with a greeting.
  };

  void Read();
  void OnBytes(std::string_view bytes);
  absl::Status Dispatch(const ReplyPiece& piece);
  void OnPushed(const ReplyPiece& piece);
  void OnRole(BatchId batch, const ReplyPiece& piece);
  void Write();
  void WaitWritable();
  void Break(absl::Status why);

  static constexpr size_t kReadBytes = 64 << 10;

  Socket socket_;
  BackendOwner* const owner_;
  std::shared_ptr<bool> alive_;  // False for handlers that outlive this object.
  ReplyScanner scanner_;
  std::vector<char> in_;
  std::deque<Due> due_;
  ReplyReceiver* push_receiver_ = nullptr;
  bool raw_ = false;
  bool in_push_ = false;  // The reply being read is for push_receiver_.
  std::string role_reply_;

  BatchId batch_;  // The one being filled; 0: nobody needs an offset so far.
  std::string batch_bytes_;
  std::string out_;
  size_t out_sent_ = 0;
  bool waits_writable_ = false;
  bool ending_ = false;
  int64_t engine_id_ = 0;
  absl::Status broken_;
};

}  // namespace cairn::adapter::redis
