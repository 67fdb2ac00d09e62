// TLS of the node's gRPC: credentials that follow the files, and who shows which certificate.
//
// The server's credentials ask NodeTls for each connection whether the files have changed: the
// next handshake uses the new ones, connections that stand are left alone.
//
// Threads: any. Lifetime: `tls` and `node` outlive the server.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_context.h>

#include <memory>

#include "server/runtime/node.h"

namespace cairn::rpc {

// Clear text without TLS.
std::shared_ptr<grpc::ServerCredentials> ServerCredentialsOf(server::Node& node);

// Whether this call's connection showed the certificate of a member (decision 020): only such a
// one is believed on whose behalf it calls. False without TLS.
[[nodiscard]] bool IsMember(const grpc::ServerContextBase& context, server::Node& node);

// Whether the names in a client's certificate say who calls. Not with --tls-client-auth none: then
// certificates are not verified, and may be anybody's.
[[nodiscard]] bool ClientCertificatesCount(const server::Node& node);

}  // namespace cairn::rpc
