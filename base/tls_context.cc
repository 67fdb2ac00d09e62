#include "base/tls_context.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio Reading(std::string_view text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
  CHECK(bio != nullptr);
  return bio;
}

// Nobody is there to type it in.
int NoPassword(char* /*into*/, int /*size*/, int /*writing*/, void* /*of*/) { return -1; }

absl::Status Unusable(std::string_view what) {
  return absl::InvalidArgumentError(ToAbsl(fmt::format("{}: {}", what, OpenSslWords())));
}

// `pem` has at least one.
absl::Status UseChain(SSL_CTX* ctx, std::string_view pem) {
  const std::vector<TlsCertificate> chain = ParseCertificates(pem);
  if (chain.empty()) return Unusable("the certificate is none");
  if (SSL_CTX_use_certificate(ctx, chain.front().get()) != 1) {
    return Unusable("the certificate cannot be used");
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ctx, chain[i].get()) != 1) {
      return Unusable("the certificate's chain cannot be used");
    }
  }
  return absl::OkStatus();
}

absl::Status UsePair(SSL_CTX* ctx, const TlsPem& pem) {
  RETURN_IF_ERROR(UseChain(ctx, pem.certificate));
  const Key key(PEM_read_bio_PrivateKey(Reading(pem.key).get(), nullptr, &NoPassword, nullptr),
                &EVP_PKEY_free);
  if (key == nullptr) return Unusable("the key is no PEM of a key without a password");
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
    return Unusable("the key does not fit the certificate");
  }
  return absl::OkStatus();
}

TlsContext NewContext(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new(method), &SSL_CTX_free);
  SSL_CTX* const ctx = context.get();
  CHECK(ctx != nullptr);
  CHECK_EQ(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION), 1);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  return context;
}

absl::Status Trust(SSL_CTX* ctx, std::string_view ca, bool say_whom) {
  const std::vector<TlsCertificate> authorities = ParseCertificates(ca);
  if (authorities.empty()) return Unusable("the authorities' file holds no certificate");
  for (const TlsCertificate& one : authorities) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), one.get()) != 1) {
      return Unusable("an authority's certificate cannot be used");
    }
    if (say_whom) SSL_CTX_add_client_CA(ctx, one.get());
  }
  return absl::OkStatus();
}

bool IsAddress(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

std::string OpenSslWords() {
  char words[256] = "unknown";
  const unsigned long code = ERR_peek_last_error();
  if (code != 0) ERR_error_string_n(code, words, sizeof words);
  ERR_clear_error();
  return words;
}

std::vector<TlsCertificate> ParseCertificates(std::string_view pem) {
  std::vector<TlsCertificate> all;
  const Bio bio = Reading(pem);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, &NoPassword, nullptr)) {
    all.emplace_back(one);
  }
  ERR_clear_error();  // The last one was the end.
  return all;
}

absl::Status CheckPair(const TlsFiles& files, const TlsPem& pem) {
  if (files.certificate.empty()) return absl::OkStatus();
  return Annotate(UsePair(NewContext(TLS_method()).get(), pem),
                  fmt::format("certificate {} and key {}", files.certificate, files.key));
}

absl::StatusOr<TlsContext> MakeServerContext(const TlsPem& pem, PeerCertificate wanted) {
  TlsContext context = NewContext(TLS_server_method());
  RETURN_IF_ERROR(UsePair(context.get(), pem));
  if (pem.ca.empty()) return context;
  // Sessions are resumed only in the sense of what was verified for this context.
  constexpr unsigned char kSessions[] = "cairn";
  CHECK_EQ(SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof kSessions - 1), 1);
  RETURN_IF_ERROR(Trust(context.get(), pem.ca, /*say_whom=*/true));
  const int insist = wanted == PeerCertificate::kRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | insist, nullptr);
  return context;
}

absl::StatusOr<TlsContext> MakeClientContext(const TlsPem& pem, std::string_view ca) {
  TlsContext context = NewContext(TLS_client_method());
  if (!pem.certificate.empty()) RETURN_IF_ERROR(UsePair(context.get(), pem));
  RETURN_IF_ERROR(Trust(context.get(), ca, /*say_whom=*/false));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

void ExpectHost(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const int set = IsAddress(host) ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str())
                                  : X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size());
  CHECK_EQ(set, 1);
}

bool NamesHost(X509* certificate, const std::string& host) {
  if (IsAddress(host)) return X509_check_ip_asc(certificate, host.c_str(), 0) == 1;
  constexpr unsigned kFlags =
      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  return X509_check_host(certificate, host.data(), host.size(), kFlags, nullptr) == 1;
}

std::string HostOf(std::string_view address) {
  std::string_view host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::string(host);
}

// ---- TlsCredentials ---------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<TlsCredentials>> TlsCredentials::Read(TlsFiles files,
                                                                     PeerCertificate wanted) {
  ASSIGN_OR_RETURN(std::unique_ptr<TlsFileWatch> watch, TlsFileWatch::Open(std::move(files)));
  std::unique_ptr<TlsCredentials> credentials(new TlsCredentials(std::move(watch), wanted));
  std::shared_ptr<const TlsPem> pem = credentials->watch_->Current(/*now_us=*/0);
  ASSIGN_OR_RETURN(TlsContext context, MakeServerContext(*pem, wanted));
  absl::MutexLock lock(&credentials->mutex_);
  credentials->pem_ = std::move(pem);
  credentials->context_ = std::move(context);
  return credentials;
}

TlsContext TlsCredentials::Current(MonoMicros now_us) {
  std::shared_ptr<const TlsPem> pem = watch_->Current(now_us);
  absl::MutexLock lock(&mutex_);
  if (pem == pem_) return context_;
  absl::StatusOr<TlsContext> context = MakeServerContext(*pem, wanted_);
  pem_ = std::move(pem);
  if (context.ok()) {
    context_ = *std::move(context);
  } else {
    spdlog::warn("changed files for TLS are not used: {}", ToStd(context.status().message()));
  }
  return context_;
}

std::vector<TlsExpiry> TlsCredentials::Expiries() const {
  absl::MutexLock lock(&mutex_);
  return pem_->expiries;
}

}  // namespace cairn
