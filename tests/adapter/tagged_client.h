// TaggedClient: a client each of whose replies says who asked, and that may leave at any byte.
//
// It sends pipelines of commands that are answered in different ways (shared and own connections to
// the engine, held and free replies, small and large ones). From what was asked and answered before
// it knows each reply to the byte, so one that is crossed, doubled or left out is noticed at once.
// One that begins and is cut must have begun rightly.
//
// Threads: one. Bounds: kDeepest requests that are not answered.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "adapter/redis/reply_scanner.h"
#include "base/random.h"

namespace cairn::adapter::redis {

class TaggedClient {
 public:
  // What becomes of it after a random number of bytes.
  enum class Way : uint8_t {
    kSteady,       // Nothing: it goes on until Finish.
    kResets,       // It resets the connection.
    kReadsSlowly,  // The same, and until then it reads a few bytes at a time.
    kHalfCloses,   // It ends its side, and reads what still comes.
    kVanishes,     // It neither reads nor sends, and its socket stays.
  };

  // Connects to the front at this port of 127.0.0.1. `id`: no other client has it.
  TaggedClient(int port, uint64_t id, Way way, uint64_t seed);
  ~TaggedClient();
  TaggedClient(const TaggedClient&) = delete;
  TaggedClient& operator=(const TaggedClient&) = delete;

  // Sends and reads what is possible without waiting.
  void Step();
  // It asks for nothing more: whoever is well-behaved waits for what is due, says QUIT and expects
  // the end; all others leave.
  void Finish();
  // Its connection is gone.
  [[nodiscard]] bool finished() const { return socket_ < 0; }
  // What it was told wrongly; empty: nothing.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

  struct Record {
    std::string counter;  // A key that it alone increments, in `database`.
    int database = 0;
    int64_t asked = 0;         // Increments, be they sent or not.
    int64_t acknowledged = 0;  // Increments.
    uint64_t answered = 0;     // Requests of any kind.
    bool ended_well = false;   // By QUIT.
  };
  [[nodiscard]] const Record& record() const { return record_; }

 private:
  enum class Kind : uint8_t {
    kEcho,
    kBigEcho,
    kIncrement,
    kSwap,
    kEval,
    kPush,
    kPop,
    kMulti,
    kQueuedEcho,
    kQueuedIncrement,
    kExec,
    kSelect,
    kQuit,
  };
  struct Request {
    Kind kind;
    uint64_t number;
  };

  void Ask(Kind kind);
  void AskSomething();
  void SendSome();
  void ReceiveSome();
  void Take(std::string_view input);
  // What the oldest request is to be answered.
  [[nodiscard]] std::string Expected() const;
  void Answered(const std::string& reply);
  void Advance(const Request& request);
  void Leave();
  void Close(bool reset);
  void Complain(const std::string& what);
  [[nodiscard]] std::string Tag(uint64_t number) const;
  [[nodiscard]] std::string Key(std::string_view name) const;

  const uint64_t id_;
  const Way way_;
  Random random_;
  int socket_ = -1;
  uint64_t left_;  // Bytes in both directions, until it leaves.
  bool silent_ = false;
  bool sends_ = true;
  bool finishing_ = false;

  std::string out_;
  ReplyScanner scanner_;
  std::string partial_;
  std::deque<Request> due_;
  uint64_t next_number_ = 1;

  // What has been answered so far, and with it what comes next.
  uint64_t swapped_ = 0;  // Number of the last swap; 0: none.
  std::deque<uint64_t> pushed_;
  bool in_multi_ = false;
  uint64_t queued_ = 0;
  Record record_;
  std::string trouble_;
};

}  // namespace cairn::adapter::redis
