#include "adapter/memcache/engine_connection.h"

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "adapter/front/tls_channel.h"
#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;

struct Due {
  ReplyKind kind;
  ReplyReceiver* receiver;
  uint64_t tag;
  uint64_t begins_at;  // Its command, among all bytes that were gathered.
};

}  // namespace

// Owned by the connection and by what is under way on the socket.
struct EngineConnection::State {
  explicit State(const asio::any_io_executor& executor) : socket(executor) {}

  // Nothing of its command was sent.
  [[nodiscard]] bool IsOut(const Due& one) const {
    return one.begins_at >= left_out && one.begins_at < left_out + out.size();
  }

  EngineSocket socket;
  bool open = false;
  bool closed = false;  // By its owner.
  OnEnd on_end;
  std::deque<Due> due;
  ReplyParser parser;
  std::unique_ptr<TlsChannel> tls;  // Null: plain bytes.
  std::string out;                  // Gathered, and still here as it is.
  uint64_t left_out = 0;            // Bytes that were in `out` before.
  uint64_t expected = 0;            // Gathered bytes for which a reply is expected.
  std::string sending;              // Being sent.
  std::vector<char> room = std::vector<char>(kReadBytes);
  std::vector<char> plain;     // Of TLS.
  std::string left;            // Of a line that is not whole yet.
  std::vector<WakeUp*> calls;  // That wait.
};

EngineConnection::EngineConnection(asio::any_io_executor executor)
    : executor_(std::move(executor)) {}

EngineConnection::~EngineConnection() { Close(); }

bool EngineConnection::connected() const { return state_ != nullptr && state_->open; }
std::string* EngineConnection::out() { return &state_->out; }
size_t EngineConnection::due() const { return connected() ? state_->due.size() : 0; }
size_t EngineConnection::bytes() const {
  return connected() ? state_->out.size() + state_->sending.size() : 0;
}

asio::awaitable<absl::Status> EngineConnection::Connect(EngineAddress address, Millis timeout,
                                                        OnEnd on_end, TlsContext tls) {
  CHECK(state_ == nullptr);
  // The owner may close or destroy the connection before the peer answers.
  const auto state = std::make_shared<State>(executor_);
  state_ = state;
  if (tls != nullptr) {
    state->tls = std::make_unique<TlsChannel>(tls, address.host);
    state->plain.resize(kReadBytes);
  }
  absl::Status connected = co_await ConnectEngine(&state->socket, std::move(address), timeout);
  if (connected.ok() && tls != nullptr && !state->closed) {
    connected = co_await ShakeHands(state, timeout);
  }
  if (state->closed) co_return absl::CancelledError("the engine's connection was closed");
  if (!connected.ok()) co_return connected;
  std::error_code error;
  state->socket.non_blocking(true, error);
  if (error) co_return SocketStatus(error, "the engine's connection");
  state->open = true;
  state->on_end = std::move(on_end);
  Read(state);
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> EngineConnection::ShakeHands(std::shared_ptr<State> state,
                                                           Millis timeout) {
  constexpr std::string_view kWhat = "the handshake of TLS";
  const SocketDeadline deadline(&state->socket, timeout);
  std::error_code error;
  while (true) {
    const absl::StatusOr<size_t> said = state->tls->Read(state->plain);
    std::string cipher;
    state->tls->TakeOut(&cipher);
    if (!cipher.empty()) {
      co_await asio::async_write(state->socket, asio::buffer(cipher),
                                 asio::redirect_error(asio::use_awaitable, error));
    }
    if (!said.ok()) {
      co_return absl::UnavailableError(absl::StrCat(ToAbsl(kWhat), ": ", said.status().message()));
    }
    if (*said > 0) co_return absl::UnavailableError("the peer answers what nobody has asked");
    if (error || state->tls->established()) co_return deadline.Judge(error, kWhat);
    const size_t bytes =
        co_await state->socket.async_receive(asio::buffer(state->room.data(), TlsChannel::kMaxFeed),
                                             asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return deadline.Judge(error, kWhat);
    state->tls->Feed(std::string_view(state->room.data(), bytes));
  }
}

void EngineConnection::Send(std::string_view bytes, ReplyKind kind, ReplyReceiver* receiver,
                            uint64_t tag) {
  state_->out.append(bytes);
  Expect(kind, receiver, tag);
}

void EngineConnection::Expect(ReplyKind kind, ReplyReceiver* receiver, uint64_t tag) {
  state_->due.push_back({kind, receiver, tag, state_->expected});
  state_->expected = state_->left_out + state_->out.size();
}

void EngineConnection::Flush() {
  if (connected()) Write(state_);
}

// What the kernel takes at once needs no second buffer and no handler.
void EngineConnection::Write(const std::shared_ptr<State>& state) {
  if (!state->sending.empty() || state->out.empty()) return;
  size_t sent = 0;
  if (state->tls == nullptr) {
    std::error_code error;
    sent = state->socket.send(asio::buffer(state->out), 0, error);
    // Told by the read that ends with it, never within a call of the owner.
    if (error && error != asio::error::would_block) return;
    state->left_out += state->out.size();
    state->sending.swap(state->out);
  } else {
    if (!state->tls->Write(state->out).ok()) return;
    state->tls->TakeOut(&state->sending);
    state->left_out += state->out.size();
    state->out.clear();
  }
  if (sent == state->sending.size()) return state->sending.clear();
  asio::async_write(state->socket, asio::buffer(state->sending) + sent,
                    [state](const std::error_code& failed, size_t) {
                      state->sending.clear();
                      if (!failed && state->open) Write(state);
                    });
}

void EngineConnection::Read(const std::shared_ptr<State>& state) {
  state->socket.async_receive(asio::buffer(state->room),
                              [state](const std::error_code& error, size_t bytes) {
                                if (!state->open) return;
                                if (error)
                                  return End(state, SocketStatus(error, "the engine's connection"));
                                const std::string_view got(state->room.data(), bytes);
                                if (state->tls != nullptr) {
                                  TakeCipher(state, got);
                                } else {
                                  Take(state, got);
                                }
                                if (state->open) Read(state);
                              });
}

void EngineConnection::TakeCipher(const std::shared_ptr<State>& state, std::string_view received) {
  while (state->open && !received.empty()) {
    state->tls->Feed(received.substr(0, TlsChannel::kMaxFeed));
    received.remove_prefix(std::min(received.size(), TlsChannel::kMaxFeed));
    while (state->open) {
      const absl::StatusOr<size_t> said = state->tls->Read(state->plain);
      if (!said.ok()) return End(state, said.status());
      if (*said == 0) break;
      Take(state, std::string_view(state->plain.data(), *said));
    }
  }
}

void EngineConnection::Take(const std::shared_ptr<State>& state, std::string_view bytes) {
  std::string joined;
  if (!state->left.empty()) {
    joined = std::exchange(state->left, std::string());
    joined.append(bytes);
    bytes = joined;
  }
  while (state->open && !bytes.empty()) {
    if (state->due.empty()) {
      return End(state, absl::UnavailableError("the engine answers what nobody has asked"));
    }
    const Due due = state->due.front();
    const absl::StatusOr<std::optional<ReplyPiece>> piece = state->parser.Next(due.kind, &bytes);
    if (!piece.ok()) return End(state, absl::UnavailableError(piece.status().message()));
    if (!piece->has_value()) break;
    if ((*piece)->ends) state->due.pop_front();
    due.receiver->OnReply(due.tag, **piece);
  }
  if (state->open) state->left.assign(bytes);
}

void EngineConnection::End(const std::shared_ptr<State>& state, const absl::Status& why) {
  state->open = false;
  std::error_code ignored;
  state->socket.close(ignored);
  // A receiver may close the connection; then nobody else is told.
  while (!state->due.empty()) {
    const Due due = state->due.front();
    state->due.pop_front();
    if (state->IsOut(due)) {
      due.receiver->OnUnsent(due.tag);
    } else {
      due.receiver->OnBroken(due.tag);
    }
  }
  if (const OnEnd tell = std::exchange(state->on_end, nullptr); tell != nullptr) tell(why);
}

size_t EngineConnection::Bequeath(ReplyReceiver* heir) {
  if (!connected()) return 0;
  for (Due& due : state_->due) due.receiver = heir;
  Flush();
  return state_->due.size();
}

void EngineConnection::Close() {
  if (state_ == nullptr) return;
  state_->closed = true;
  state_->open = false;
  state_->due.clear();
  state_->on_end = nullptr;
  std::error_code ignored;
  state_->socket.close(ignored);
  for (WakeUp* const call : state_->calls) call->Wake();
}

void EngineConnection::Break() {
  if (!connected()) return;
  state_->on_end = nullptr;
  End(state_, absl::CancelledError("the connection is not needed any more"));
}

// ---- Calls --------------------------------------------------------------------------------------

namespace {

// The state of a call is shared: its caller may have gone when the reply comes.
class CallState : public ReplyReceiver {
 public:
  explicit CallState(const asio::any_io_executor& executor) : wake(executor) {}

  void OnReply(uint64_t, const ReplyPiece& piece) override {
    reply.append(piece.bytes);
    if (piece.ends) Finish(absl::OkStatus());
  }
  void OnBroken(uint64_t) override {
    Finish(absl::UnavailableError("the engine's connection broke"));
  }

  WakeUp wake;
  std::string reply;
  std::optional<absl::Status> ended;

 private:
  void Finish(absl::Status how) {
    ended = std::move(how);
    wake.Wake();
  }
};

}  // namespace

asio::awaitable<absl::StatusOr<std::string>> EngineConnection::Call(std::string command,
                                                                    ReplyKind kind, Millis timeout,
                                                                    std::function<bool()> wait_on) {
  if (!connected()) co_return absl::UnavailableError("the engine is not connected");
  const std::shared_ptr<State> state = state_;
  CallState call(executor_);
  Send(command, kind, &call, 0);
  Flush();
  state->calls.push_back(&call.wake);
  // Also when the coroutine ends where it waits.
  const absl::Cleanup forget = [&] { std::erase(state->calls, &call.wake); };
  do {
    co_await call.wake.Wait(timeout);
  } while (!call.ended && state->open && wait_on != nullptr && wait_on());
  if (call.ended && call.ended->ok()) co_return std::move(call.reply);
  if (call.ended) co_return *call.ended;
  const absl::Status silent = absl::DeadlineExceededError("the engine does not answer");
  if (!state->open) co_return absl::CancelledError("the engine's connection was closed");
  // The reply would reach a receiver that is gone.
  End(state, silent);
  co_return silent;
}

}  // namespace cairn::adapter::memcache
