// TLS contexts: what OpenSSL needs for one end of connections, made of what files held.
//
// TLS 1.2 is the oldest version, without renegotiation and compression.
//
// Threads: any; a context may be used by many at a time. Errors: kInvalidArgument, with OpenSSL's
// words.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tls_files.h"

namespace cairn {

using TlsContext = std::shared_ptr<SSL_CTX>;

struct TlsDelete {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using TlsSession = std::unique_ptr<SSL, TlsDelete>;
using TlsCertificate = std::unique_ptr<X509, TlsDelete>;

// What OpenSSL says of the last failure on this thread, and forgets all it knows of any.
std::string OpenSslWords();

// All certificates of a PEM text, in its order; none if it has none that parses.
std::vector<TlsCertificate> ParseCertificates(std::string_view pem);

// Whether a context can be made of it: the key fits the certificate. No certificate: OK.
// Errors: name the file of `files`.
absl::Status CheckPair(const TlsFiles& files, const TlsPem& pem);

// What those who accept, and know authorities, want of the other end.
enum class PeerCertificate : uint8_t {
  kRequired,
  kRequested,  // Who shows none is let in; what is shown must be sound.
};

// For those who accept. With `pem.ca` the other end is asked for a certificate that one of these
// has signed; without, for none.
absl::StatusOr<TlsContext> MakeServerContext(const TlsPem& pem,
                                             PeerCertificate wanted = PeerCertificate::kRequired);
// For those who connect, and show `pem` if it has a certificate: the other end's must be signed by
// one of `ca`. Whose it is has to be asked for with ExpectHost.
absl::StatusOr<TlsContext> MakeClientContext(const TlsPem& pem, std::string_view ca);

// The handshake fails unless the certificate is of this DNS name or IP address.
void ExpectHost(SSL* ssl, const std::string& host);
// Whether the certificate names it among its subject alternative names.
bool NamesHost(X509* certificate, const std::string& host);
// The host of "host:port", without an IPv6 address's brackets.
std::string HostOf(std::string_view address);

// Contexts of a server whose files change.
class TlsCredentials {
 public:
  // Errors: those of ReadTlsFiles.
  static absl::StatusOr<std::unique_ptr<TlsCredentials>> Read(
      TlsFiles files, PeerCertificate wanted = PeerCertificate::kRequired);

  // For the next connection. Looks at the files at most once a second.
  [[nodiscard]] TlsContext Current(MonoMicros now_us);
  // Of the certificates in use.
  [[nodiscard]] std::vector<TlsExpiry> Expiries() const;

 private:
  TlsCredentials(std::unique_ptr<TlsFileWatch> watch, PeerCertificate wanted)
      : watch_(std::move(watch)), wanted_(wanted) {}

  const std::unique_ptr<TlsFileWatch> watch_;
  const PeerCertificate wanted_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TlsPem> pem_ ABSL_GUARDED_BY(mutex_);  // What context_ was made of.
  TlsContext context_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn
