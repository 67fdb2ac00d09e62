// LoginJudge: has the engine judge each login, as its users are at that moment.
//
//   session ──AUTH as the client said it──► LoginJudge ──AUTH, RESET──► engine
//           ◄──yes, or the engine's words──
//
// Connections are shared by those who have logged in alike (backend_pool.h). That one of them lives
// says that its password was right once, not that it is now: so whoever joins asks here first. What
// is asked runs on a connection that serves nothing else, and each question ends as it began, with
// nobody logged in.
//
// Who has not logged in is judged, too: Redis takes such a client for its default user if that
// needs no password when the client connects, and for nobody else from then on.
//
// Threads: of one io thread. Lifetime: verdicts run in the io_context; none after destruction.
// Bounds: one connection; one question for each client that is being logged in.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/front/backend.h"

namespace cairn::adapter::redis {

class LoginJudge : private ReplyReceiver {
 public:
  // kPermissionDenied: the engine says no; the message is its reply without '-' and line end.
  // kUnavailable: it does not answer.
  using Verdict = std::function<void(absl::Status)>;
  using Connected = std::function<void(absl::StatusOr<std::unique_ptr<Backend>>)>;
  // Connects as nobody; `done` runs later, or never if this is destroyed before.
  using Connect = std::function<void(Connected done)>;
  // Takes a connection that has broken.
  using Retire = std::function<void(std::unique_ptr<Backend>)>;

  LoginJudge(Connect connect, Retire retire)
      : connect_(std::move(connect)), retire_(std::move(retire)) {}

  // `login`: a whole AUTH command. Empty: a client that has just connected, and said nothing.
  void Ask(std::string_view login, Verdict verdict);

  // The connection, while there is one. Its owner flushes it behind Ask.
  [[nodiscard]] Backend* backend() const { return backend_.get(); }
  // To be called when it has broken.
  void Forget();

 private:
  struct Question {
    std::string commands;  // Two, of which one tells.
    bool second_tells = false;
    Verdict verdict;
    absl::Status status;
    std::string reply;  // Of the command being answered.
  };

  void OnReply(uint64_t tag, BatchId batch, const ReplyPiece& piece) override;
  void OnBroken(uint64_t tag) override;
  void Send(const Question& question);
  void TakeConnection(absl::StatusOr<std::unique_ptr<Backend>> connected);
  void EndOldest();

  static constexpr uint64_t kFirst = 1;  // Tags of a question's commands.
  static constexpr uint64_t kSecond = 2;

  const Connect connect_;
  const Retire retire_;
  std::unique_ptr<Backend> backend_;
  bool connecting_ = false;
  std::deque<Question> questions_;  // Oldest first; sent as soon as there is a connection.
};

}  // namespace cairn::adapter::redis
