// EngineConnection: one connection to an engine, or to another agent, on which any number of
// commands are under way.
//
//   owner ──Send(bytes, kind, tag)──► [ out ] ──Flush──► peer
//         ◄────OnReply(tag, piece)──── ReplyParser ◄────
//
// Commands are gathered until Flush, so that what was asked for in one turn of a loop leaves in one
// packet. Replies come in the order of the commands, in pieces (reply_parser.h). When the
// connection ends, or says what it should not, each receiver whose reply is not complete hears
// OnBroken, or OnUnsent if its command never left, and the owner hears it once; then the connection
// is of no use any more.
//
// With TLS all of it passes a TlsChannel, behind a handshake that is part of Connect.
//
// Threads: of one io_context; handlers run on it. Lifetime: nobody is called after Close() or the
// destructor; receivers outlive their replies. Bounds: the caller's: bytes() and due() tell how
// much is under way.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_socket.h"
#include "adapter/memcache/reply_parser.h"
#include "base/tls_context.h"

namespace cairn::adapter::memcache {

class ReplyReceiver {
 public:
  virtual ~ReplyReceiver() = default;
  // The next piece of the reply to the command with this tag; valid within the call.
  virtual void OnReply(uint64_t tag, const ReplyPiece& piece) = 0;
  // No more of it comes; what became of the command is unknown.
  virtual void OnBroken(uint64_t tag) = 0;
  // The same, but nothing of the command was sent: it was certainly not done.
  virtual void OnUnsent(uint64_t tag) { OnBroken(tag); }
};

class EngineConnection {
 public:
  using OnEnd = std::function<void(const absl::Status& why)>;

  explicit EngineConnection(asio::any_io_executor executor);
  ~EngineConnection();
  EngineConnection(const EngineConnection&) = delete;
  EngineConnection& operator=(const EngineConnection&) = delete;

  // Once. `on_end` is told when the connection has ended by itself. `tls`: null for plain bytes;
  // else the peer's certificate has to name the address's host.
  asio::awaitable<absl::Status> Connect(EngineAddress address, Millis timeout, OnEnd on_end,
                                        TlsContext tls = nullptr);
  // Requires: connected, of all below.
  [[nodiscard]] bool connected() const;

  // Adds a whole command, for which one reply of this kind will come.
  void Send(std::string_view bytes, ReplyKind kind, ReplyReceiver* receiver, uint64_t tag);
  // The buffer itself, for who writes a command in parts; Expect tells its reply,
  // right behind it.
  [[nodiscard]] std::string* out();
  void Expect(ReplyKind kind, ReplyReceiver* receiver, uint64_t tag);
  // Sends what was gathered.
  void Flush();

  // One command whose whole reply is waited for.
  asio::awaitable<absl::StatusOr<std::string>> Call(std::string command, ReplyKind kind,
                                                    Millis timeout,
                                                    std::function<bool()> wait_on = nullptr);
  // From now on whatever is due is `heir`'s, which lives as long as the connection; how much it is.
  size_t Bequeath(ReplyReceiver* heir);
  // Ends it; nobody is told.
  void Close();
  // Ends it as if the peer had; receivers are told, the owner is not.
  void Break();

  // Replies that are due.
  [[nodiscard]] size_t due() const;
  // Gathered or being sent.
  [[nodiscard]] size_t bytes() const;

 private:
  struct State;
  static asio::awaitable<absl::Status> ShakeHands(std::shared_ptr<State> state, Millis timeout);
  static void TakeCipher(const std::shared_ptr<State>& state, std::string_view received);
  static void Read(const std::shared_ptr<State>& state);
  static void Take(const std::shared_ptr<State>& state, std::string_view bytes);
  static void Write(const std::shared_ptr<State>& state);
  static void End(const std::shared_ptr<State>& state, const absl::Status& why);

  const asio::any_io_executor executor_;
  std::shared_ptr<State> state_;
};

}  // namespace cairn::adapter::memcache
