#include "server/rpc/grpc_tls.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "server/runtime/node_tls.h"

namespace cairn::rpc {
namespace {

grpc_ssl_client_certificate_request_type RequestType(const std::string& client_auth) {
  if (client_auth == "require") return GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  if (client_auth == "request") return GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  // Members show theirs, and IsMember verifies it.
  return GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY;
}

grpc_ssl_server_certificate_config* ConfigOf(const server::TlsNow& now) {
  // Members call too, and may have an authority of their own.
  const std::string roots = now.pem.ca == now.peer_ca ? now.pem.ca : now.pem.ca + now.peer_ca;
  const grpc_ssl_pem_key_cert_pair pair = {.private_key = now.pem.key.c_str(),
                                           .cert_chain = now.pem.certificate.c_str()};
  return grpc_ssl_server_certificate_config_create(roots.empty() ? nullptr : roots.c_str(), &pair,
                                                   1);
}

// grpc::experimental's provider that watches files lets go of the old pair before it knows that the
// new one fits; the C interface asks us for each connection instead.
class FollowingCredentials final : public grpc::ServerCredentials {
 public:
  FollowingCredentials(server::NodeTls* tls, grpc_ssl_client_certificate_request_type request)
      : tls_(tls),
        credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(request, &Fetch,
                                                                            this))) {
    CHECK(credentials_ != nullptr);
  }
  ~FollowingCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {
    CHECK_UNREACHABLE();  // Rights are judged by the handlers.
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // gRPC calls it for one connection at a time.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    auto* const credentials = static_cast<FollowingCredentials*>(self);
    const std::shared_ptr<const server::TlsNow> now = credentials->tls_->Now();
    if (now->generation == std::exchange(credentials->generation_, now->generation)) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    *config = ConfigOf(*now);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  server::NodeTls* const tls_;
  uint64_t generation_ = 0;  // That gRPC has.
  grpc_server_credentials* const credentials_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ServerCredentialsOf(server::Node& node) {
  if (node.tls() == nullptr) return grpc::InsecureServerCredentials();
  return std::make_shared<FollowingCredentials>(node.tls(),
                                                RequestType(node.config().tls_client_auth));
}

bool IsMember(const grpc::ServerContextBase& context, server::Node& node) {
  if (node.tls() == nullptr) return false;
  const std::vector<grpc::string_ref> shown =
      context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (shown.empty()) return false;
  std::string pem(shown.front().data(), shown.front().size());
  for (const grpc::string_ref& chain :
       context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME)) {
    pem.append(chain.data(), chain.size());
  }
  return node.tls()->IsMember(pem, node.MemberAddresses());
}

bool ClientCertificatesCount(const server::Node& node) {
  return node.config().tls() && node.config().tls_client_auth != "none";
}

}  // namespace cairn::rpc
