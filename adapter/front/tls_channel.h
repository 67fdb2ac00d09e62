// TlsChannel: the cipher of one connection, at the end of who accepts it or of who connects.
//
//   TlsCredentials (base/tls_context.h) ──► TlsChannel ◄──► ClientStream ──► socket
//
// A channel turns what the socket received into what the other end said, and what is to be said
// into what the socket has to send. It knows no socket.
//
// Threads: of one io thread. Bounds: a channel keeps what it was fed until it is taken out; its
// callers feed at most kMaxFeed at a time, and take all.
// Errors: as statuses, with OpenSSL's words.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tls_context.h"

namespace cairn::adapter {

class TlsChannel {
 public:
  static constexpr size_t kMaxFeed = 32 << 10;

  // A server's end.
  explicit TlsChannel(const TlsContext& context);
  // A client's, which expects the server's certificate to name `host`. The first Read begins.
  TlsChannel(const TlsContext& context, const std::string& host);

  // Bytes of the socket.
  void Feed(std::string_view received);
  // What the other end has said, as far as there is room; 0: nothing now. Ends the handshake first.
  // Errors: kUnavailable: the connection has to end, once what is to be sent has been sent.
  absl::StatusOr<size_t> Read(std::span<char> room);
  // Requires: established(), `bytes` is not empty.
  absl::Status Write(std::string_view bytes);
  // The other end is told that nothing follows.
  void SayGoodbye();
  // Appends what the socket has to send.
  void TakeOut(std::string* out);

  [[nodiscard]] bool established() const;

 private:
  void MakePipes();

  TlsSession ssl_;
  BIO* in_ = nullptr;   // Owned by ssl_.
  BIO* out_ = nullptr;  // Owned by ssl_.
};

}  // namespace cairn::adapter
