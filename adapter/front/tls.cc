#include "adapter/front/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

constexpr int64_t kLookEveryUs = kMicrosPerSecond;

// What OpenSSL says of the last failure on this thread.
std::string OpenSslWords() {
  char words[256] = "unknown";
  const unsigned long code = ERR_peek_last_error();
  if (code != 0) ERR_error_string_n(code, words, sizeof words);
  ERR_clear_error();
  return words;
}

absl::Status FileError(std::string_view what, const std::string& path) {
  return absl::InvalidArgumentError(ToAbsl(fmt::format("{} {}: {}", what, path, OpenSslWords())));
}

absl::StatusOr<TlsContext> MakeContext(const TlsFiles& files) {
  const TlsContext context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  SSL_CTX* const ctx = context.get();
  CHECK(ctx != nullptr);
  CHECK_EQ(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION), 1);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_use_certificate_chain_file(ctx, files.certificate.c_str()) != 1) {
    return FileError("certificate", files.certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(ctx, files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(ctx) != 1) {
    return FileError("key", files.key);
  }
  if (files.client_ca.empty()) return context;
  if (SSL_CTX_load_verify_locations(ctx, files.client_ca.c_str(), nullptr) != 1) {
    return FileError("certificates of the clients' authority", files.client_ca);
  }
  SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(files.client_ca.c_str()));
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // Sessions are resumed only in the sense of what was verified for this context.
  constexpr unsigned char kSessions[] = "cairn-agent";
  CHECK_EQ(SSL_CTX_set_session_id_context(ctx, kSessions, sizeof kSessions - 1), 1);
  return context;
}

}  // namespace

// ---- TlsCredentials ---------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<TlsCredentials>> TlsCredentials::Read(TlsFiles files) {
  std::unique_ptr<TlsCredentials> credentials(new TlsCredentials(std::move(files)));
  credentials->stamps_ = credentials->Stamps();
  ASSIGN_OR_RETURN(credentials->context_, MakeContext(credentials->files_));
  return credentials;
}

// What changes when a file does, be it replaced by another or written anew.
std::vector<std::string> TlsCredentials::Stamps() const {
  std::vector<std::string> stamps;
  for (const std::string* path : {&files_.certificate, &files_.key, &files_.client_ca}) {
    struct stat about {};
    if (stat(path->c_str(), &about) != 0) about = {};
    stamps.push_back(fmt::format("{}/{}/{}.{}", about.st_ino, about.st_size, about.st_mtim.tv_sec,
                                 about.st_mtim.tv_nsec));
  }
  return stamps;
}

TlsContext TlsCredentials::Current(MonoMicros now_us) {
  if (now_us - looked_us_ < kLookEveryUs) return context_;
  looked_us_ = now_us;
  std::vector<std::string> stamps = Stamps();
  if (stamps == stamps_) return context_;
  absl::StatusOr<TlsContext> context = MakeContext(files_);
  if (context.ok()) {
    context_ = *std::move(context);
    stamps_ = std::move(stamps);
    spdlog::info("new connections use the changed certificate {}", files_.certificate);
  } else {
    spdlog::warn("the changed certificate is not used: {}", ToStd(context.status().message()));
  }
  return context_;
}

// ---- TlsChannel -------------------------------------------------------------------------------

TlsChannel::TlsChannel(const TlsContext& context) : ssl_(SSL_new(context.get())) {
  in_ = BIO_new(BIO_s_mem());
  out_ = BIO_new(BIO_s_mem());
  CHECK(ssl_ != nullptr && in_ != nullptr && out_ != nullptr);
  SSL_set_bio(ssl_.get(), in_, out_);
  SSL_set_accept_state(ssl_.get());
}

void TlsChannel::Feed(std::string_view received) {
  if (received.empty()) return;
  const int taken = BIO_write(in_, received.data(), static_cast<int>(received.size()));
  CHECK_EQ(static_cast<size_t>(taken), received.size());
}

absl::StatusOr<size_t> TlsChannel::Read(std::span<char> room) {
  ERR_clear_error();
  const int size = static_cast<int>(std::min<size_t>(room.size(), kMaxFeed));
  const int got = SSL_read(ssl_.get(), room.data(), size);
  if (got > 0) return static_cast<size_t>(got);
  const int why = SSL_get_error(ssl_.get(), got);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return size_t{0};
  if (why == SSL_ERROR_ZERO_RETURN) return absl::UnavailableError("the client said goodbye");
  return absl::UnavailableError(OpenSslWords());
}

absl::Status TlsChannel::Write(std::string_view bytes) {
  CHECK(established() && !bytes.empty());
  ERR_clear_error();
  const int taken = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  if (taken == static_cast<int>(bytes.size())) return absl::OkStatus();
  return absl::UnavailableError(OpenSslWords());
}

void TlsChannel::SayGoodbye() {
  ERR_clear_error();
  if (established()) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsChannel::TakeOut(std::string* out) {
  const size_t pending = BIO_ctrl_pending(out_);
  if (pending == 0) return;
  const size_t before = out->size();
  out->resize(before + pending);
  CHECK_EQ(BIO_read(out_, out->data() + before, static_cast<int>(pending)),
           static_cast<int>(pending));
}

bool TlsChannel::established() const { return SSL_is_init_finished(ssl_.get()) != 0; }

}  // namespace cairn::adapter
