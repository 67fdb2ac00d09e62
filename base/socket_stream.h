// SocketStream: one connection over a socket, in clear or with TLS.
//
//   in clear:  socket
//   with TLS:  socket, ConnectTls or AcceptTls, Shake until it is done, then the same calls through
//   the cipher
//
// A large piece is many records of TLS; the kernel is told of all but the last that more follows,
// or the other end would wake for each.
//
// Nothing here blocks but Await, SendAll and ReceiveAll; each call says what the socket has to be
// ready for if it could not go on. What is sent is enciphered into OpenSSL's buffer of one record
// and written from there: no copy but that one, and no lock, since a stream has one user at a time.
//
// Keys: a sender changes them every kBytesPerKey, long before AES-GCM wears out.
// Threads: one user at a time; who that is is the owner's matter. Shut any.
// Lifetime: owns the socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "base/tls_context.h"

namespace cairn {

// Until the socket can be read from, or written to, or has failed; false after `timeout_ms`, -1:
// for ever.
bool AwaitSocket(int socket, bool writable, int timeout_ms);

// How far a call came.
enum class Progress : uint8_t {
  kDone,
  kReadable,  // Again, once the socket can be read from.
  kWritable,  // Again, once it can be written to.
  kBroken,    // The other end is gone, or speaks something else; see error().
};

class SocketStream {
 public:
  SocketStream() = default;
  explicit SocketStream(Fd socket) : socket_(std::move(socket)) {}

  explicit operator bool() const { return static_cast<bool>(socket_); }
  [[nodiscard]] int socket() const { return socket_.get(); }
  // Null in clear.
  [[nodiscard]] SSL* tls() const { return tls_.get(); }
  // Why a call said kBroken, if TLS knows; else empty.
  [[nodiscard]] const std::string& error() const { return error_; }

  // From here on TLS is spoken: this end connects, and expects the other's certificate to name
  // `host`; or accepts. Not for a stream of which anything was read ahead.
  void ConnectTls(const TlsContext& context, const std::string& host);
  void AcceptTls(const TlsContext& context);
  // The handshake, as far as it goes now. In clear it is done.
  Progress Shake();

  // Sends the front of `bytes`, and says how much. After kWritable: again with the same bytes,
  // wherever they lie.
  Progress Send(std::string_view bytes, size_t* sent);
  // Reads as much as there is, and room for: at least a byte with kDone.
  Progress Receive(std::span<char> room, size_t* got);

  // The rest block until `deadline` of SystemClock. False: too late, or broken.
  bool ShakeHands(MonoMicros deadline);
  bool SendAll(std::string_view bytes, MonoMicros deadline);
  bool ReceiveAll(std::span<char> bytes, MonoMicros deadline);
  // At least a byte.
  bool ReceiveSome(std::span<char> room, size_t* got, MonoMicros deadline);

  // Tells the other end that nothing follows, with TLS; does not wait.
  void SayGoodbye();
  // Whoever uses it fails.
  void Shut();

 private:
  static int SendQuietly(BIO* bio, const char* bytes, int size);
  static int ReceiveQuietly(BIO* bio, char* bytes, int size);
  static const BIO_METHOD* WireMethod();
  void UseTls(const TlsContext& context);
  Progress SendClear(std::string_view bytes, size_t* sent);
  Progress ReceiveClear(std::span<char> room, size_t* got);
  // What a call of OpenSSL that did not go on has to wait for.
  Progress WhatNow(int result);

  // What OpenSSL's calls find the socket by; stays where it is when a stream is moved.
  struct Wire {
    int socket;
    bool more_follows;
  };

  Fd socket_;
  std::unique_ptr<Wire> wire_;  // Null in clear.
  TlsSession tls_;              // Uses wire_.
  uint64_t key_bytes_ = 0;      // Sent with the key in use.
  std::string error_;
};

}  // namespace cairn
