// Session: one client: its requests in, its replies out, in their order.
//
//   bytes ─► RequestParser ─► slot ─┬─ read ───► engine          ─► reply ─┐
//                                   ├─ change ─► Writer          ─► reply ─┼─► slot ─► bytes
//                                   └─ any ────► the primary     ─► reply ─┘   in order
//
// Each request has a slot until its reply has left. The reply of the oldest goes out as it comes;
// the others gather theirs. Where a request goes depends on the agent's role at that moment; one
// that was certainly not done (given back by the writer, refused by an agent that is not the
// primary) is asked again, of whoever is the primary then, for so long as a client may wait.
//
// While an earlier primary (another agent, or this one's writer) owes it a reply, a client's
// further requests wait: what that one did not do is asked again before them.
//
// A read of a key that this client is changing right now goes through the writer, so that it is
// answered behind the change.
//
// A `get` whose keys are more than may be asked for at once is asked for in portions, each when its
// client has read enough of the ones before; behind it everything waits (session_gets.cc).
//
// Threads: of one io thread. Lifetime: after Close() it lives on until all receivers' replies are
// in (finished()). Bounds, whatever a client sends, and whether it reads or not: kMaxSlots requests
// and one more in the input, kMaxOutBytes of replies (past either, nothing is asked for), and
// beyond that the items of kMaxKeysDue keys, which were asked for before; how many are, follows
// from the size of the last ones, so that large ones are asked for few at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "adapter/front/client_stream.h"
#include "adapter/memcache/engine_connection.h"
#include "adapter/memcache/front/front_counters.h"
#include "adapter/memcache/front/front_facts.h"
#include "adapter/memcache/key_order.h"
#include "adapter/memcache/request_parser.h"
#include "adapter/memcache/write_request.h"
#include "base/clock.h"

namespace cairn::adapter::memcache {

class Session;

// What a session needs of its io thread.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const FrontFacts& facts() const = 0;
  virtual FrontCounters& counters() = 0;
  virtual size_t thread_index() const = 0;
  virtual MonoMicros now_us() const = 0;
  // See agent_stats.h.
  virtual std::string AgentStats() const = 0;
  // Null: it is not connected.
  virtual EngineConnection* engine() = 0;
  virtual EngineConnection* primary() = 0;
  // Of primary(): each new connection has a higher one.
  virtual uint64_t primary_number() const = 0;
  virtual void Submit(WriteRequest request) = 0;
  // The writer takes no more for now; Resume() tells.
  virtual bool WriterFull() const = 0;
  // FlushOut() at the end of the turn, and an end if it is finished.
  virtual void Touch(Session* session) = 0;
  // Resume() when anything has changed, and now and then.
  virtual void AwaitChange(Session* session) = 0;
};

class Session : public ReplyReceiver {
 public:
  static constexpr size_t kMaxSlots = 1'024;
  static constexpr size_t kMaxOutBytes = size_t{4} << 20;
  static constexpr size_t kMaxKeysDue = 64;

  Session(uint64_t id, ClientStream::Socket socket, const ClientTls& tls, SessionHost* host);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Start();
  // Goes on with what waits, if it can.
  void Resume();
  // The writer's reply to one of its requests.
  void OnWritten(WriteReply reply);
  void FlushOut();
  // Requests that have waited since before `before_us` for somebody to serve them are told so.
  void GiveUp(MonoMicros before_us);
  // The agent ends: what waits is told so, what is under way is answered, then the connection ends.
  // That of an agent ends when it wants: until then all it asks is refused.
  void Leave();
  void Close();

  [[nodiscard]] uint64_t id() const { return id_; }
  // Closed, and nobody holds it any more.
  [[nodiscard]] bool finished() const { return closed_ && due_ == 0; }

 private:
  // Until a client's first item has come.
  static constexpr size_t kFirstKeyBytes = kMaxOutBytes / 4;
  // To an agent that forwards: it asks the next primary.
  static constexpr std::string_view kNotPrimary =
      "SERVER_ERROR not the primary: nothing was done\r\n";

  enum class Route : uint8_t { kNone, kEngine, kPrimary, kWriter };
  struct Slot {
    uint64_t number = 0;
    Route route = Route::kNone;
    bool done = false;
    bool begun = false;    // Some of its reply was taken.
    bool grouped = false;  // The reply ends with the MN of our own mn.
    size_t found = 0;      // Items in the reply, where misses count.
    bool gathers = false;  // The reply is kept back until it is known that nothing is missing.
    bool refused = false;  // By an agent that is not the primary.
    bool closes = false;   // The connection ends behind it.
    std::optional<std::string> instead;  // Of what the primary says.
    Epoch epoch;  // Of the lease under which the engine was asked; 0: under none.
    MonoMicros since_us = 0;
    std::string reply;
    std::string kept;       // If it gathers: of the reply that is coming in.
    size_t keys_due = 0;    // Items that its reply may have.
    size_t said_bytes = 0;  // Of the reply to these.
    // What must be known of it when the reply comes; of a plain get the verb is enough, and its
    // bytes are kept for who asks again.
    std::unique_ptr<OwnedRequest> request;
    Verb verb = Verb::kGet;
    std::string plain_get;
    absl::InlinedVector<KeyHash, 2> changes;  // kWriter: keys of a change.
  };

  // The `get` that is asked for in portions.
  struct LongGet {
    OwnedRequest whole;
    uint64_t slot = 0;
    size_t next = 0;     // The first of its keys that was not asked for.
    bool asked = false;  // A portion is on its way.
  };

  // session.cc: bytes in and out.
  void Read();
  void EndInput();
  void Pump();
  bool TakeOne();
  void PopDone();
  Slot& Add();
  void Finish(Slot* slot, std::string_view reply);
  [[nodiscard]] Slot* Find(uint64_t slot);
  [[nodiscard]] bool is_head(const Slot& slot) const { return &slot == &slots_.front(); }
  void Say(Slot* slot, std::string_view bytes);
  void CountIfError(std::string_view line);
  void ForgetChanges(Slot* slot);
  void DropSent();
  void CountOut();

  // session_gets.cc: how many items are asked for at once.
  [[nodiscard]] size_t buffered_bytes() const { return out_.size() - out_sent_ + held_bytes_; }
  [[nodiscard]] size_t KeysWanted() const;
  void Expect(Slot* slot, size_t keys);
  void Settle(Slot* slot);
  void BeginLongGet(const Request& request, std::string_view bytes, Slot* slot);
  void AskOn();
  [[nodiscard]] bool EndsPortion(const Slot& slot, std::string_view line) const;
  void EndPortion(Slot* slot);

  // session_routes.cc: who answers what.
  void Take(const Request& request, std::string_view bytes);
  void Ask(const Request& request, std::string_view bytes, Slot* slot);
  void AnswerAsAgent(const Request& request, Slot* slot);
  bool Dispatch(const Request& request, std::string_view bytes, Slot* slot);
  void ToEngine(const Request& request, std::string_view bytes, Slot* slot);
  void ToWriter(const Request& request, std::string_view bytes, Slot* slot);
  void ToPrimary(const Request& request, std::string_view bytes, Slot* slot);
  void AwaitSomebody(Slot* slot);
  static bool MayAskAgain(Slot* slot);
  [[nodiscard]] bool ReadsOwnChange(const Request& request) const;
  void DispatchWaiting();
  void OnReply(uint64_t tag, const ReplyPiece& piece) override;
  void OnBroken(uint64_t tag) override;
  void OnUnsent(uint64_t tag) override;
  [[nodiscard]] bool AwaitsOldPrimary() const;
  [[nodiscard]] bool Entitled(const Slot& slot) const;
  void OnEngineLine(Slot* slot, const ReplyPiece& piece);
  bool LooksFurther(Slot* slot, const ReplyPiece& piece);
  void OnPrimaryLine(Slot* slot, const ReplyPiece& piece);
  void OnWriterReply(Slot* slot, std::string_view bytes);
  void Pass(Slot* slot, const ReplyPiece& piece);

  const uint64_t id_;
  ClientStream stream_;
  SessionHost* const host_;
  std::shared_ptr<bool> alive_;
  RequestParser parser_;
  std::string in_;
  size_t in_taken_ = 0;
  size_t wanted_ = 1;
  std::vector<char> room_;
  std::string out_;
  size_t out_sent_ = 0;
  size_t out_told_ = 0;                // Of buffered_bytes(), to the counters.
  size_t held_bytes_ = 0;              // Of replies behind the oldest.
  size_t keys_due_ = 0;                // Of all slots.
  size_t key_bytes_ = kFirstKeyBytes;  // What the next item is taken for.
  std::optional<LongGet> long_get_;
  std::deque<Slot> slots_;
  uint64_t first_slot_ = 1;  // Number of the front of slots_.
  // Slots with a request that nobody serves for now, in order.
  std::deque<uint64_t> waiting_;
  absl::flat_hash_map<KeyHash, size_t> own_changes_;
  size_t due_ = 0;               // Replies of engine and primary that will still come here.
  size_t writer_due_ = 0;        // Those of the writer.
  size_t primary_due_ = 0;       // Those of a primary,
  uint64_t primary_number_ = 0;  // and of which: of one at a time.
  bool forwarded_ = false;       // The client is an agent that forwards its clients' requests.
  bool reading_ = false;
  bool writing_ = false;
  bool stalled_ = false;  // Too many slots, or bytes that do not leave.
  bool closing_ = false;  // Nothing more is taken; ends when all replies have left.
  bool closed_ = false;
};

}  // namespace cairn::adapter::memcache
