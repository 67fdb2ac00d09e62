// The certificate that a node shows, whatever becomes of the handshake behind it.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>

#include "base/tls_context.h"
#include "cli/certificate.h"

namespace cairn::cli {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// Believes nobody, and goes on all the same: whom it would believe is asked afterwards.
std::unique_ptr<SSL_CTX, FreeContext> MakeContext(const TlsOptions& options) {
  std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr);
  }
  return context;
}

int WholeSeconds(absl::Duration timeout) {
  return static_cast<int>(std::max<int64_t>(1, absl::ToInt64Seconds(timeout)));
}

std::string DistrustOf(const SSL* ssl) {
  const long verdict = SSL_get_verify_result(ssl);
  const bool by_dates = verdict == X509_V_ERR_CERT_HAS_EXPIRED ||
                        verdict == X509_V_ERR_CERT_NOT_YET_VALID || verdict == X509_V_OK;
  return by_dates ? "" : X509_verify_cert_error_string(verdict);
}

}  // namespace

std::optional<ShownCertificate> LookAtCertificate(const std::string& address,
                                                  const TlsOptions& options,
                                                  absl::Duration timeout) {
  const std::unique_ptr<BIO, FreeBio> socket(BIO_new_connect(address.c_str()));
  if (BIO_do_connect_retry(socket.get(), WholeSeconds(timeout), /*nap_milliseconds=*/10) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  const auto context = MakeContext(options);
  const std::unique_ptr<BIO, FreeBio> tls(BIO_new_ssl(context.get(), /*client=*/1));
  SSL* ssl = nullptr;
  BIO_get_ssl(tls.get(), &ssl);
  SSL_set1_host(ssl, (options.server_name.empty() ? HostOf(address) : options.server_name).c_str());
  BIO_up_ref(socket.get());
  BIO_push(tls.get(), socket.get());
  // Not BIO_do_handshake, which would wait for ever for whoever listens and says nothing.
  const bool shaken =
      BIO_do_connect_retry(tls.get(), WholeSeconds(timeout), /*nap_milliseconds=*/10) == 1;
  ShownCertificate shown;
  if (const TlsCertificate certificate(SSL_get1_peer_certificate(ssl)); certificate) {
    shown.dates = DatesOf(*certificate);
    shown.distrust = DistrustOf(ssl);
  } else {
    const std::string words = OpenSslWords();
    shown.no_tls = shaken || words.empty() ? "no answer in time" : words;
  }
  ERR_clear_error();
  return shown;
}

}  // namespace cairn::cli
