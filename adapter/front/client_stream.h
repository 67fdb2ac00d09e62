// ClientStream: the bytes of one client, plain or through TLS.
//
// Reading is asynchronous; writing takes what the kernel takes now, so that a caller decides at
// every moment whether more may leave. Through TLS, what was taken may still be here, enciphered:
// it leaves only within Write and Flush, but for the handshake, which goes on by itself.
//
// A client that has not ended its handshake within ClientTls::handshake_timeout_us is cut: the read
// under way ends with an error.
//
// Threads: of one io thread. Lifetime: after Close no handler is called for anything but the end of
//   what was under way; handlers must not touch an owner that has gone.
// Bounds: one read of the socket, and one piece of kPiece bytes that is enciphered and not sent.
#pragma once

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapter/front/tls_channel.h"
#include "base/clock.h"

namespace cairn::adapter {

constexpr int64_t kHandshakeTimeoutUs = 10 * kMicrosPerSecond;

// What a door says of its clients' bytes.
struct ClientTls {
  TlsContext context;  // Null: plain.
  int64_t handshake_timeout_us = kHandshakeTimeoutUs;
};

class ClientStream {
 public:
  using Socket = asio::ip::tcp::socket;
  using OnRead = std::function<void(const asio::error_code&, size_t)>;

  ClientStream(Socket socket, const ClientTls& tls);
  ~ClientStream();
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  // For who is not let in: says why, if that can be said at once, and closes. Through TLS nothing
  // can be said before a handshake, for which nobody waits.
  static void TurnAway(Socket socket, const ClientTls& tls, std::string_view line);

  // Makes the socket ready; before anything else.
  asio::error_code Start();
  // One at a time. `room` lives until then.
  template <class Handler>
  void AsyncRead(std::span<char> room, Handler done) {
    if (tls_ != nullptr) return ReadThroughTls(room, std::move(done));
    socket_.async_receive(asio::buffer(room.data(), room.size()), std::move(done));
  }
  // How many of the bytes were taken; would_block if the kernel takes no more.
  size_t Write(std::string_view bytes, asio::error_code& error);
  // What Write has taken is with the kernel; would_block if it takes no more.
  void Flush(asio::error_code& error);
  [[nodiscard]] bool flushed() const { return cipher_sent_ == cipher_.size(); }
  void AsyncWaitWritable(std::function<void(const asio::error_code&)> done);
  // What was written leaves if the kernel takes it at once.
  void Close();

  // Plain bytes, or the handshake is over.
  [[nodiscard]] bool established() const { return tls_ == nullptr || tls_->established(); }
  [[nodiscard]] bool encrypted() const { return tls_ != nullptr; }
  // "host:port".
  [[nodiscard]] std::string PeerAddress() const;
  [[nodiscard]] std::string LocalAddress() const;

 private:
  void ReadThroughTls(std::span<char> room, OnRead done);
  void ReadCipher(std::span<char> room, OnRead done);
  void OnCipher(std::span<char> room, OnRead done, size_t received);
  void AnswerHandshake();
  void AwaitHandshake();

  static constexpr size_t kPiece = 64 << 10;

  Socket socket_;
  std::shared_ptr<bool> alive_;
  const int64_t handshake_timeout_us_;
  std::unique_ptr<TlsChannel> tls_;
  std::unique_ptr<asio::steady_timer> handshake_;  // Until it is over.
  std::vector<char> received_;                     // Of TLS.
  std::string cipher_;
  size_t cipher_sent_ = 0;
  bool said_ = false;  // cipher_ has something of Write's.
};

}  // namespace cairn::adapter
