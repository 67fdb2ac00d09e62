// Session: one client of the front.
//
//   socket ──► RequestParser ──► CommandTable ──► Handle ─┬─► shared backend (stateless commands)
//                                                          ├─► own backend (MULTI, BLPOP, EVAL …)
//                                                          └─► answered here (agent_commands.cc)
//   backend ──► slot of the request ──► ReplyGate (order, holds) ──► out ──► socket
//
// Each request takes a *slot*; replies leave in the order of the slots, each when its hold is over
// (reply_gate.h). What a reply has to wait for is decided when its first bytes arrive:
//   a write, and a read that keys do not explain   until its batch's offset is committed
//   a read of keys                                 until the marks on them are (key_marks.h)
//   what may rest on a missing key (absence.h)     until an offset asked for now is: it may have
//                                                  expired, which is a write
//   what a connection of its own says unasked      likewise
// Nothing is written unless the front may answer at that moment (SessionHost::MayAnswer).
//
// A request that cannot go on yet (the backend is being opened, replies are due elsewhere, writes
// are paused) blocks its client: nothing more is parsed or read until Resume.
//
// Threads: of one io thread. Lifetime: the host's. A client that has gone stays as a shell while
// replies are due to it, so that they are not given to somebody else.
// Bounds, of each client: kMaxSlots requests, and kMaxOutBytes of replies that have come from the
// engine or may be expected from it, by the size of those before; beyond that nothing more is taken
// from it. At least two requests may be with the engine. Replies larger than expected count, too:
// beyond SessionLimits::max_held_bytes the client is cut, unless they are one reply; beyond
// max_pushed_bytes if it did not ask for them (messages, MONITOR).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "adapter/front/client_stream.h"
#include "adapter/redis/command_table.h"
#include "adapter/redis/discovery/cluster_map.h"
#include "adapter/redis/front/absence.h"
#include "adapter/redis/front/backend.h"
#include "adapter/redis/front/backend_pool.h"
#include "adapter/redis/front/reign.h"
#include "adapter/redis/key_marks.h"
#include "adapter/redis/reply_gate.h"
#include "adapter/redis/request_parser.h"
#include "adapter/redis/resp_encoder.h"
#include "base/clock.h"

namespace cairn::adapter::redis {

class SessionHost;

enum class Durability : uint8_t { kSync, kAsync };

class Session : public ReplyReceiver {
 public:
  // `context`: null for plain bytes.
  Session(uint64_t id, ClientStream::Socket socket, const ClientTls& tls, SessionHost* host);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] uint64_t id() const { return id_; }
  void Start();

  // ReplyReceiver.
  void OnReply(uint64_t tag, BatchId batch, const ReplyPiece& piece) override;
  void OnBroken(uint64_t tag) override;

  // ---- The host's calls ------------------------------------------------------------------
  // What it was blocked on may be over.
  void Resume();
  void OnKnown(BatchId batch, StreamOffset offset);
  void OnKnownThrough(BatchId through, StreamOffset covering);
  // Replies whose holds are over leave.
  void Release();
  // Hands out what may be written. At the end of a turn.
  void FlushOut();
  // The outcome of what waits is unknown, or nobody may be answered: the client is cut.
  void Cut();
  [[nodiscard]] const ReplyGate& gate() const { return gate_; }
  // Of replies: that wait for a commit or for their end, or for the client to read.
  [[nodiscard]] size_t buffered_bytes() const { return held_bytes_ + out_.size() - out_sent_; }
  [[nodiscard]] bool closed() const { return closed_; }
  // Gone, and nothing is due to it.
  [[nodiscard]] bool finished() const { return closed_ && engine_due_ == 0; }
  // A call that may touch these slots is with the engine, unanswered.
  [[nodiscard]] bool HasCallsOf(const SlotRanges& slots) const;
  // The slots leave for elsewhere: if a command blocks on a key of theirs, it ends, and is answered
  // what `moved_to` says of its slot. Null: none does; or else where the engine has to be told.
  Backend* LeaveSlots(const SlotRanges& slots,
                      const std::function<std::string(uint32_t slot)>& moved_to);
  // Writes of it that are not answered yet.
  [[nodiscard]] bool has_writes_under_way() const { return writes_under_way_ > 0; }

  // ---- For agent_commands.cc ---------------------------------------------------------------
  struct About {
    std::string name;     // CLIENT SETNAME.
    std::string address;  // "host:port" of the client.
    std::string local_address;
    std::string library;  // CLIENT SETINFO.
    std::string library_version;
    MonoMicros since_us = 0;
    MonoMicros last_us = 0;
    std::string last_command;
  };
  [[nodiscard]] About& about() { return about_; }
  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] Durability durability() const { return durability_; }
  void set_durability(Durability durability) { durability_ = durability; }
  // READONLY: the client of a cluster takes what a replica has.
  void set_read_only(bool read_only) { read_only_ = read_only; }
  // Answers the request in hand: `reply` is RESP of identity().version.
  void Answer(std::string reply);
  void AnswerError(std::string_view text);
  // No connection was had, so nothing was sent: it is an answer, not a broken promise.
  void AnswerUnreachable(const absl::Status& why);
  // The same when everything before it has been answered and committed.
  void CloseAfterReplies() { closing_ = true; }
  // Moves to another identity, by the request in hand; then answers `reply`, or the engine's
  // refusal. `login`: the AUTH that it says; empty: the user stays. Requires: nothing is due.
  void BecomeAnd(Identity identity, std::string reply, std::string_view login = "");
  // False: something that was asked before the request in hand is not answered yet; then the client
  // is blocked until it is, and the request handled again.
  bool AwaitEarlier();
  // Blocks the client, whose request is handled again when it may have changed whether its last
  // write is committed. False: that has lasted for `timeout_us`; 0: it may last for ever. Requires:
  // AwaitEarlier.
  bool AwaitCommit(MonoMicros timeout_us);
  // The request in hand will be answered later; until then the client is blocked.
  void AnswerLater() { block_ = Block::kAnswer; }
  [[nodiscard]] bool awaits_commit() const { return block_ == Block::kCommit; }
  // Requires: AnswerLater.
  void AnswerNow(std::string reply);
  // Whether the client's user may do what is in hand, the engine knows: `probe`, a whole command
  // that does nothing, is sent as the user. What the engine refuses is answered in its words; else
  // `permitted` runs, after AnswerLater. It may be dropped.
  void AskPermission(std::string_view probe, std::function<void()> permitted);
  // Passes INFO on; the reply is worded anew (info_view.h).
  void AskInfo();
  // Drops every state of the connection (RESET).
  void ResetState();
  enum class ReplyMode : uint8_t { kOn, kOff, kSkip, kSkipNext };
  [[nodiscard]] ReplyMode reply_mode() const { return reply_mode_; }
  void set_reply_mode(ReplyMode mode) { reply_mode_ = mode; }
  // As CLIENT LIST tells: N, or of b (blocked), x (in MULTI), P (subscribed), O (MONITOR).
  [[nodiscard]] std::string flags() const;
  // Its engine connection, while a command blocks there; null while none does.
  [[nodiscard]] Backend* blocking() const;
  // Offset behind this client's last write; 0 before the first, or while it is not known.
  [[nodiscard]] StreamOffset last_write() const { return last_write_; }
  // Or there is none.
  [[nodiscard]] bool IsLastWriteCommitted() const;

 private:
  enum class Rule : uint8_t { kFree, kBatch, kKeys, kAsk };
  enum class After : uint8_t {
    kNothing,
    kMulti,
    kDiscard,
    kWatch,
    kInfo,
    kPermission,
    kRefusal,
    kMonitor,
    kIdentity,
    kSubscribed,
  };
  struct Slot {
    std::string bytes;
    Hold hold;
    absl::InlinedVector<KeyHash, 2> keys;  // kKeys: what is judged.
    std::unique_ptr<KeyBlock> block;       // Of blocking commands.
    std::string moved;                     // What it is answered if it is unblocked; LeaveSlots.
    SlotTouch touch;
    size_t size = 0;  // Bytes of it that have come from the engine.
    uint32_t database = 0;
    Durability durability = Durability::kSync;  // As the client wanted it when it asked.
    Rule rule = Rule::kFree;
    After after = After::kNothing;
    AbsenceSign absence = AbsenceSign::kNone;
    bool write = false;
    bool may_write = false;  // A blocking command that changes something unless it times out.
    bool scripted = false;   // Its errors may have any words.
    bool begun = false;
    bool ended = false;
    bool pushed = false;  // Nobody asked for it.
    bool silent = false;  // CLIENT REPLY: nothing is written.
    bool streaming = false;
  };
  enum class Block : uint8_t {
    kNone,
    kBackend,
    kOpening,  // Until the pool answers, and nothing else.
    kDrain,
    kReply,
    kMode,
    kQueue,
    kAnswer,
    kEarlier,
    kCommit,
  };

  // ---- Requests (session.cc, session_own.cc) -----------------------------------------------
  void Read();
  void Pump();
  [[nodiscard]] bool MayAskMore() const;
  void ResumeIfQueued();
  // False: it blocks, and is handled again by Resume.
  bool Handle();
  bool HandleShared();
  bool HandlePinned();
  bool HandleTransaction(std::string_view name);
  bool HandleBlocking();
  bool HandleSubscription(bool monitor);
  [[nodiscard]] bool IsForSubscribers() const;
  bool AskWhetherSubscribed();
  bool HandleQueued();
  bool HandleExec();
  bool AwaitRoute(const SlotRoute& route);
  bool HandleRefused();
  void RefuseOwnUser();
  void RefuseQueued(std::string text);
  void RefuseExec(std::string text);
  void RefuseBy(std::string_view command, std::string text);
  void ForgetQueued();
  [[nodiscard]] bool MayBeQueued() const;
  void QueueMarks();
  bool AdmitWrite();
  bool IsAdmitted();
  void JoinAs(const Identity& identity, std::string reply);
  void EndOpening(const absl::Status& refused);
  bool NeedOwn();
  Backend* NeedShared();
  Backend* NeedAny();
  Backend* NeedForScript();
  void SendTo(Backend* backend, Rule rule, After after);
  void MarkWrite(Backend* backend);
  void NoteWrite(BatchId batch);
  Slot& NewSlot();
  void Unpin(bool clean);
  [[nodiscard]] bool Blocked(Block why) {
    block_ = why;
    return false;
  }

  // ---- Replies (session_replies.cc) --------------------------------------------------------
  void Judge(Slot& slot, BatchId batch);
  void AskOffset(Slot& slot);
  void OnPush(const ReplyPiece& piece);
  void Take(Slot& slot, uint64_t tag, const ReplyPiece& piece);
  [[nodiscard]] bool MayStream(const Slot& slot) const;
  void Finish(Slot& slot);
  void FinishPermission(Slot& slot);
  void FinishIdentity(Slot& slot);
  void FinishSubscribed(Slot& slot);
  void CutIfItDoesNotRead(const Slot& slot);
  void OnEnded(Slot& slot, const ReplyPiece& piece);
  void Advance();
  void Emit(Slot& slot);
  void WaitWritable();
  void Close();

  static constexpr size_t kMaxSlots = 4096;
  static constexpr size_t kMaxOutBytes = 1 << 20;
  static constexpr size_t kStreamFrom = 64 << 10;
  static constexpr size_t kFirstExpected = 16 << 10;

  const uint64_t id_;
  ClientStream stream_;
  SessionHost* const host_;
  std::shared_ptr<bool> alive_;
  About about_;
  Identity identity_;
  bool admitted_ = false;  // The engine has said that it is identity_.
  Durability durability_;
  bool read_only_ = false;
  ReplyMode reply_mode_ = ReplyMode::kOn;

  RequestParser parser_;
  CommandPlan plan_;
  bool has_request_ = false;          // parser_.argv() is not handled yet.
  SlotTouch touch_;                   // Of the request in hand.
  MonoMicros route_deadline_us_ = 0;  // Of the request in hand, since its slots were held; 0: not.
  uint64_t earlier_tag_ = 0;          // What has a lower tag was asked before it; 0: not settled.
  MonoMicros waits_since_us_ = 0;     // Since that was settled.
  bool reading_ = false;
  Block block_ = Block::kNone;
  std::function<void()> permitted_;

  // An own connection, and why it is kept.
  Backend* own_ = nullptr;
  bool taking_own_ = false;
  bool in_multi_ = false;
  bool watching_ = false;
  bool dedicated_ = false;  // Until the end.
  bool subscribed_ = false;
  bool monitors_ = false;
  bool raw_ = false;
  bool asked_whether_subscribed_ = false;
  Identity next_identity_;  // And what the client is told, when the engine has agreed.
  std::string next_reply_;
  std::string queue_refusal_;  // Of the command that MULTI is being told of.
  absl::InlinedVector<KeyHash, 4> multi_keys_;
  absl::InlinedVector<SlotTouch, 2> multi_touches_;  // Each once.
  bool multi_writes_ = false;

  std::deque<Slot> slots_;
  uint64_t first_tag_ = 1;  // Of slots_.front().
  size_t gated_ = 0;        // So many of them are in the gate.
  uint64_t push_tag_ = 0;   // Of the push being received; 0: none.
  ReplyGate gate_;
  size_t held_bytes_ = 0;
  size_t expected_bytes_ = kFirstExpected;  // Of the next reply: the largest, or fewer by and by.
  size_t engine_due_ = 0;
  size_t writes_under_way_ = 0;
  BatchId last_write_batch_;
  StreamOffset last_write_;

  std::string out_;
  size_t out_sent_ = 0;
  bool waits_writable_ = false;
  bool closing_ = false;
  bool closed_ = false;
};

}  // namespace cairn::adapter::redis
