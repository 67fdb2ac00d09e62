#include "tests/security/tls_lab.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <sys/socket.h>

#include <cstdlib>

#include "absl/cleanup/cleanup.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/log.h"
#include "server/runtime/peer_frames.h"
#include "server/runtime/sockets.h"

namespace cairn::security {
namespace {

constexpr int kConnectTimeoutMs = 5000;
constexpr int kDribbleMs = 300;

MonoMicros Deadline(int seconds = 20) { return SystemClock().Mono() + seconds * kMicrosPerSecond; }

}  // namespace

// ---- Authority ----------------------------------------------------------------------------------

Authority::Authority() { Make("ca " + dir_.path()); }

void Authority::Make(const std::string& words) const {
  const std::string command = fmt::format("{}/certs {}", CAIRN_SCRIPTS_DIR, words);
  CHECK_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c): our own script.
}

TlsFiles Authority::Files(const std::string& name) const {
  return {dir_.File(name + ".crt"), dir_.File(name + ".key"), ca()};
}

TlsFiles Authority::Node(const std::string& name, std::vector<std::string> hosts, int days) const {
  Make(fmt::format("node {} {} {} --days {}", dir_.path(), name, fmt::join(hosts, " "), days));
  return Files(name);
}

TlsFiles Authority::Client(const std::string& name, int days) const {
  Make(fmt::format("client {} {} --days {}", dir_.path(), name, days));
  return Files(name);
}

// ---- Nodes and clients -------------------------------------------------------------------------

std::vector<std::string> TlsFlags(const TlsFiles& files) {
  return {"--tls-cert-file", files.certificate, "--tls-key-file",
          files.key,         "--tls-ca-file",   files.ca};
}

ClientOptions ClientOf(const std::vector<std::string>& endpoints, const TlsFiles& files) {
  ClientOptions options;
  options.endpoints = endpoints;
  options.tls.enabled = !files.ca.empty();
  options.tls.ca_file = files.ca;
  options.tls.certificate_file = files.certificate;
  options.tls.key_file = files.key;
  options.default_timeout = absl::Seconds(5);
  return options;
}

absl::Status Append(Client& client, std::string_view record) {
  ASSIGN_OR_RETURN(Log log,
                   client.OpenLog("log", {.call = {}, .create_if_missing = true, .settings = {}}));
  return log.Append(record).status();
}

// ---- Visitors ----------------------------------------------------------------------------------

SocketStream Connect(const std::string& address) {
  return SocketStream(server::ConnectTcp(address, kConnectTimeoutMs).socket);
}

absl::Status Shake(SocketStream& stream, const TlsFiles& files, std::string_view first,
                   int newest) {
  TlsPem pem;
  if (!files.empty()) {
    ASSIGN_OR_RETURN(pem, ReadTlsFiles(files, /*now=*/SystemClock().Wall()));
  } else {
    ASSIGN_OR_RETURN(pem, ReadTlsFiles({"", "", files.ca}, SystemClock().Wall()));
  }
  ASSIGN_OR_RETURN(const TlsContext context, MakeClientContext(pem, pem.ca));
  if (newest != 0) {
    // Debian's library speaks such versions only when it is told not to mind.
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context.get(), newest);
  }
  if (!stream.SendAll(first, Deadline())) return absl::UnavailableError("it is gone");
  stream.ConnectTls(context, "127.0.0.1");
  if (stream.ShakeHands(Deadline())) return absl::OkStatus();
  return absl::UnavailableError(ToAbsl(stream.error()));
}

std::string ShownSerial(const std::string& address, const TlsFiles& files) {
  SocketStream stream = Connect(address);
  if (!stream || !Shake(stream, files).ok()) return "";
  const TlsCertificate shown(SSL_get1_peer_certificate(stream.tls()));
  BIGNUM* const number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(shown.get()), nullptr);
  char* const text = BN_bn2hex(number);
  const absl::Cleanup free_both = [&] {
    OPENSSL_free(text);
    BN_free(number);
  };
  return text;
}

bool DribbleUntilClosed(SocketStream& stream, std::string_view bytes, int seconds) {
  const MonoMicros deadline = Deadline(seconds);
  while (SystemClock().Mono() < deadline) {
    if (!bytes.empty() && !stream.SendAll(bytes.substr(0, 1), deadline)) return true;
    bytes.remove_prefix(bytes.empty() ? 0 : 1);
    if (!AwaitSocket(stream.socket(), /*writable=*/false, kDribbleMs)) continue;
    char heard[256];
    if (recv(stream.socket(), heard, sizeof heard, MSG_DONTWAIT) <= 0) return true;
  }
  return false;
}

std::optional<std::string> SayHello(SocketStream& stream, const cairn::v1::PeerHello& hello) {
  cairn::v1::ExchangeRequest request;
  *request.mutable_hello() = hello;
  std::string bytes;
  server::AppendFrame(request, bytes);
  char header[server::kFrameHeaderBytes];
  if (!stream.SendAll(bytes, Deadline()) || !stream.ReceiveAll(header, Deadline())) {
    return std::nullopt;
  }
  bytes.resize(server::FrameLength(header));
  cairn::v1::ExchangeResponse answer;
  if (!stream.ReceiveAll(bytes, Deadline()) || !answer.ParseFromString(bytes)) return std::nullopt;
  return answer.refusal();
}

}  // namespace cairn::security
