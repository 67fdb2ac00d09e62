// NodeTls: the certificates of a node, for all connections that it accepts or makes.
//
//   --tls-cert-file, --tls-key-file, --tls-ca-file ─┐                 ┌─► gRPC
//   (server/rpc/grpc_tls.h)
//   --peer-tls-ca-file ─────────────────────────────┴─► NodeTls::Now ─┴─► streams of peers
//
// The pages make their own of these files and of --http-tls-ca-file (TlsCredentials); here that
// one is only read, and its end watched.
//
// A member is who shows a certificate that the peers' authority has signed, that may serve (a
// client's may not), and that names the member's host, or --peer-tls-name. Decision 020.
//
// Threads: any, under one leaf mutex, held while changed files are read. Lifetime: the node's.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/tls_context.h"
#include "server/runtime/config.h"

namespace cairn::server {

// What new connections use, made of what the files held at one moment.
struct TlsNow {
  uint64_t generation = 0;  // Another one: the files have changed.
  TlsPem pem;               // `ca`: of clients.
  std::string peer_ca;
  TlsContext opening;    // For streams to peers.
  TlsContext accepting;  // For streams of peers.
  std::vector<TlsExpiry> expiries;
  // For calls to other nodes.
  std::shared_ptr<grpc::ChannelCredentials> channel;
};

class NodeTls {
 public:
  // Null when the configuration asks for no TLS. Errors: those of ReadTlsFiles.
  static absl::StatusOr<std::unique_ptr<NodeTls>> Make(const NodeConfig& config);

  // Looks at the files at most once a second.
  [[nodiscard]] std::shared_ptr<const TlsNow> Now();

  // The name that the certificate of the member at `address` ("host:port") has to bear.
  [[nodiscard]] std::string NameOf(std::string_view address) const;
  // Of --peer-tls-name; empty: members are called by their hosts.
  [[nodiscard]] const std::string& shared_name() const { return shared_name_; }

  // Whether a certificate that was shown is that of the member at `address`; its chain has been
  // verified. OK, or what is wrong with it.
  [[nodiscard]] absl::Status CheckMember(X509* certificate, std::string_view address) const;
  // Whether a certificate that was shown, of which nothing is known yet, is that of a member at
  // any of `addresses`; what follows it in `pem` is its chain. Remembers its verdict for a second:
  // calls of one connection share it.
  [[nodiscard]] bool IsMember(std::string_view pem, const std::vector<std::string>& addresses);

  // When what new connections use ends, visitors' authorities too; each file once.
  [[nodiscard]] std::vector<TlsExpiry> Expiries();
  // Says in the log which certificates end soon. By one thread.
  void WatchExpiries();

 private:
  struct Verdict {
    bool is_member = false;
    MonoMicros until_us = 0;
  };

  NodeTls(std::unique_ptr<TlsFileWatch> own, std::unique_ptr<TlsFileWatch> peers,
          std::unique_ptr<TlsFileWatch> visitors, std::string shared_name);
  [[nodiscard]] bool Judge(std::string_view pem, const std::vector<std::string>& addresses);

  const std::unique_ptr<TlsFileWatch> own_;
  const std::unique_ptr<TlsFileWatch> peers_;     // Null: the authorities are those of `own_`.
  const std::unique_ptr<TlsFileWatch> visitors_;  // Null: the pages ask for no certificate.
  const std::string shared_name_;
  TlsExpiryAlarm alarm_;

  absl::Mutex mutex_;
  // What now_ was made of.
  std::shared_ptr<const TlsPem> own_pem_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const TlsPem> peers_pem_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const TlsNow> now_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex verdicts_mutex_;
  std::map<std::string, Verdict, std::less<>> verdicts_ ABSL_GUARDED_BY(verdicts_mutex_);
};

// A gRPC channel to the member at `address`; `tls` null: in clear. Without an authority to know the
// member by it cannot connect.
std::shared_ptr<grpc::Channel> OpenMemberChannel(const std::string& address, NodeTls* tls,
                                                 grpc::ChannelArguments arguments);

}  // namespace cairn::server
