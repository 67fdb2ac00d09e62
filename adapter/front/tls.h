// TLS of clients' connections: the server's credentials, and one connection's cipher.
//
//   TlsCredentials ──Current──► SSL_CTX ──► TlsChannel ◄──► ClientStream ──► socket
//
// Credentials are read from files, and read again when one of the files has changed: connections
// that are made from then on use the new ones, those that are there stay. Files that do not go
// together (somebody is just replacing them) leave the old ones in use.
//
// A channel turns what the socket received into what the client said, and what is to be said into
// what the socket has to send. It knows no socket. TLS 1.2 is the oldest version.
//
// Threads: TlsCredentials: Start on any, then one at a time; the context that it gives may be used
//   on any. TlsChannel: of one io thread. Bounds: a channel keeps what it was fed until it is
//   taken out; its callers feed at most kMaxFeed at a time, and take all.
// Errors: as statuses, with OpenSSL's words.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"

namespace cairn::adapter {

struct TlsFiles {
  std::string certificate;  // PEM; with the chain.
  std::string key;
  std::string
      client_ca;  // Not empty: clients must show a certificate that one of these has signed.

  [[nodiscard]] bool empty() const { return certificate.empty(); }
};

using TlsContext = std::shared_ptr<SSL_CTX>;

class TlsCredentials {
 public:
  // Errors: kInvalidArgument for files that cannot be used, naming the file.
  static absl::StatusOr<std::unique_ptr<TlsCredentials>> Read(TlsFiles files);

  // Looks at the files, at most once a second.
  [[nodiscard]] TlsContext Current(MonoMicros now_us);

 private:
  explicit TlsCredentials(TlsFiles files) : files_(std::move(files)) {}
  [[nodiscard]] std::vector<std::string> Stamps() const;

  const TlsFiles files_;
  TlsContext context_;
  std::vector<std::string> stamps_;  // Of the files that context_ was made from.
  MonoMicros looked_us_ = 0;
};

class TlsChannel {
 public:
  static constexpr size_t kMaxFeed = 32 << 10;

  // A server's end.
  explicit TlsChannel(const TlsContext& context);

  // Bytes of the socket.
  void Feed(std::string_view received);
  // What the client has said, as far as there is room; 0: nothing now. Ends the handshake first.
  // Errors: kUnavailable: the connection has to end, once what is to be sent has been sent.
  absl::StatusOr<size_t> Read(std::span<char> room);
  // Requires: established(), `bytes` is not empty.
  absl::Status Write(std::string_view bytes);
  // The client is told that nothing follows.
  void SayGoodbye();
  // Appends what the socket has to send.
  void TakeOut(std::string* out);

  [[nodiscard]] bool established() const;

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
  BIO* in_ = nullptr;   // Owned by ssl_.
  BIO* out_ = nullptr;  // Owned by ssl_.
};

}  // namespace cairn::adapter
