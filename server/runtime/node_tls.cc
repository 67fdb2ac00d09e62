#include "server/runtime/node_tls.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <openssl/x509v3.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

constexpr int64_t kVerdictHoldsUs = kMicrosPerSecond;
// Certificates whose verdict is remembered.
constexpr size_t kMaxVerdicts = 256;

// Between nodes both ends are this program: nothing older is needed. Nothing may follow the
// receiver's answer, so no tickets; a sender reads what comes then as the end (peer_link.h).
void OnlyPeers(SSL_CTX* ctx) {
  CHECK_EQ(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION), 1);
  CHECK_EQ(SSL_CTX_set_num_tickets(ctx, 0), 1);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  // The shorter key first: as safe for what is said once, and a fifth faster.
  CHECK_EQ(SSL_CTX_set_ciphersuites(ctx,
                                    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                    "TLS_CHACHA20_POLY1305_SHA256"),
           1);
  // A frame that could not be sent at once is sent on from wherever it lies by then.
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_clear_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
}

// Many records with one call into the kernel.
void ReadMuch(SSL_CTX* ctx) {
  constexpr size_t kReadBytes = 256 << 10;
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, kReadBytes);
}

// Several options may name one file, of which a metric must tell once.
void AddExpiries(const std::vector<TlsExpiry>& more, std::vector<TlsExpiry>& all) {
  for (const TlsExpiry& one : more) {
    const bool known = std::any_of(all.begin(), all.end(),
                                   [&](const TlsExpiry& other) { return other.file == one.file; });
    if (!known) all.push_back(one);
  }
}

// Null for no file.
absl::StatusOr<std::unique_ptr<TlsFileWatch>> WatchAuthorities(const std::string& file) {
  if (file.empty()) return std::unique_ptr<TlsFileWatch>();
  return TlsFileWatch::Open({.certificate = "", .key = "", .ca = file});
}

absl::StatusOr<std::shared_ptr<TlsNow>> MakeNow(const TlsPem& own, const TlsPem* peers) {
  auto now = std::make_shared<TlsNow>();
  now->pem = own;
  now->peer_ca = peers != nullptr ? peers->ca : own.ca;
  now->expiries = own.expiries;
  if (peers != nullptr) AddExpiries(peers->expiries, now->expiries);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = now->peer_ca;
  options.pem_private_key = own.key;
  options.pem_cert_chain = own.certificate;
  now->channel = grpc::SslCredentials(options);
  if (now->peer_ca.empty()) return now;  // A node alone, whose clients show nothing.
  TlsPem accepting = own;
  accepting.ca = now->peer_ca;
  ASSIGN_OR_RETURN(now->accepting, MakeServerContext(accepting));
  ASSIGN_OR_RETURN(now->opening, MakeClientContext(own, now->peer_ca));
  OnlyPeers(now->accepting.get());
  OnlyPeers(now->opening.get());
  ReadMuch(now->accepting.get());
  return now;
}

struct DeleteStore {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(X509_STORE_CTX* check) const { X509_STORE_CTX_free(check); }
};

struct DeleteStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

// `chain`: the certificate itself, and those that lead from it to an authority.
bool IsSignedBy(const std::vector<TlsCertificate>& chain, std::string_view authorities) {
  const std::unique_ptr<X509_STORE, DeleteStore> store(X509_STORE_new());
  const std::unique_ptr<X509_STORE_CTX, DeleteStore> check(X509_STORE_CTX_new());
  CHECK(store != nullptr && check != nullptr);
  for (const TlsCertificate& one : ParseCertificates(authorities)) {
    X509_STORE_add_cert(store.get(), one.get());
  }
  const std::unique_ptr<STACK_OF(X509), DeleteStack> between(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); ++i) sk_X509_push(between.get(), chain[i].get());
  const bool is_signed =
      X509_STORE_CTX_init(check.get(), store.get(), chain.front().get(), between.get()) == 1 &&
      X509_STORE_CTX_set_purpose(check.get(), X509_PURPOSE_SSL_CLIENT) == 1 &&
      X509_verify_cert(check.get()) == 1;
  (void)OpenSslWords();  // Forgotten.
  return is_signed;
}

}  // namespace

NodeTls::NodeTls(std::unique_ptr<TlsFileWatch> own, std::unique_ptr<TlsFileWatch> peers,
                 std::unique_ptr<TlsFileWatch> visitors, std::string shared_name)
    : own_(std::move(own)),
      peers_(std::move(peers)),
      visitors_(std::move(visitors)),
      shared_name_(std::move(shared_name)) {}

absl::StatusOr<std::unique_ptr<NodeTls>> NodeTls::Make(const NodeConfig& config) {
  if (!config.tls()) return std::unique_ptr<NodeTls>();
  ASSIGN_OR_RETURN(auto own, TlsFileWatch::Open(
                                 {config.tls_cert_file, config.tls_key_file, config.tls_ca_file}));
  ASSIGN_OR_RETURN(auto peers, WatchAuthorities(config.peer_tls_ca_file));
  ASSIGN_OR_RETURN(auto visitors, WatchAuthorities(config.http_tls_ca_file));
  std::unique_ptr<NodeTls> tls(
      new NodeTls(std::move(own), std::move(peers), std::move(visitors), config.peer_tls_name));
  if (tls->Now() == nullptr) {
    return absl::InvalidArgumentError("the files for TLS cannot be used; the log says why");
  }
  return tls;
}

std::shared_ptr<const TlsNow> NodeTls::Now() {
  const MonoMicros now_us = SystemClock().Mono();
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<const TlsPem> own = own_->Current(now_us);
  std::shared_ptr<const TlsPem> peers = peers_ != nullptr ? peers_->Current(now_us) : nullptr;
  if (own == own_pem_ && peers == peers_pem_) return now_;
  absl::StatusOr<std::shared_ptr<TlsNow>> made = MakeNow(*own, peers.get());
  own_pem_ = std::move(own);
  peers_pem_ = std::move(peers);
  if (made.ok()) {
    (*made)->generation = now_ == nullptr ? 1 : now_->generation + 1;
    now_ = *std::move(made);
  } else {
    spdlog::warn("the files for TLS cannot be used: {}", ToStd(made.status().message()));
  }
  return now_;
}

std::string NodeTls::NameOf(std::string_view address) const {
  return shared_name_.empty() ? HostOf(address) : shared_name_;
}

absl::Status NodeTls::CheckMember(X509* certificate, std::string_view address) const {
  // Some authorities sign clients too, whatever they call themselves.
  if (X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, /*ca=*/0) != 1) {
    return absl::PermissionDeniedError(
        "the certificate is a client's: expected a member's, of which extendedKeyUsage names "
        "serverAuth and clientAuth");
  }
  const std::string name = NameOf(address);
  if (NamesHost(certificate, name)) return absl::OkStatus();
  return absl::PermissionDeniedError(ToAbsl(
      fmt::format("the certificate does not name {}: expected it among its subjectAltName", name)));
}

bool NodeTls::Judge(std::string_view pem, const std::vector<std::string>& addresses) {
  const std::vector<TlsCertificate> shown = ParseCertificates(pem);
  if (shown.empty() || !IsSignedBy(shown, Now()->peer_ca)) return false;
  return std::any_of(addresses.begin(), addresses.end(), [&](const std::string& address) {
    return CheckMember(shown.front().get(), address).ok();
  });
}

bool NodeTls::IsMember(std::string_view pem, const std::vector<std::string>& addresses) {
  const MonoMicros now_us = SystemClock().Mono();
  {
    absl::MutexLock lock(&verdicts_mutex_);
    const auto known = verdicts_.find(pem);
    if (known != verdicts_.end() && known->second.until_us > now_us) return known->second.is_member;
  }
  const Verdict verdict{Judge(pem, addresses), now_us + kVerdictHoldsUs};
  absl::MutexLock lock(&verdicts_mutex_);
  if (verdicts_.size() >= kMaxVerdicts) verdicts_.clear();
  verdicts_.insert_or_assign(std::string(pem), verdict);
  return verdict.is_member;
}

std::shared_ptr<grpc::Channel> OpenMemberChannel(const std::string& address, NodeTls* tls,
                                                 grpc::ChannelArguments arguments) {
  if (tls == nullptr) {
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }
  if (!tls->shared_name().empty()) arguments.SetSslTargetNameOverride(tls->shared_name());
  return grpc::CreateCustomChannel(address, tls->Now()->channel, arguments);
}

std::vector<TlsExpiry> NodeTls::Expiries() {
  std::vector<TlsExpiry> all = Now()->expiries;
  if (visitors_ != nullptr) AddExpiries(visitors_->Current(SystemClock().Mono())->expiries, all);
  return all;
}

void NodeTls::WatchExpiries() { alarm_.Look(Expiries(), SystemClock().Wall()); }

}  // namespace cairn::server
