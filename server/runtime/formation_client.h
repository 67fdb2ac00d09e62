// FormationClient: FormationPeers and MemberCalls over gRPC. Each call opens a connection of its
// own, since they are few and the other side often is not there yet.
//
// With TLS it shows the node's certificate, and expects a member's.
//
// Threads: any; calls block up to a second.
#pragma once

#include <string>

#include "server/runtime/formation.h"
#include "server/runtime/member_calls.h"
#include "server/runtime/node_tls.h"

namespace cairn::server {

class FormationClient : public FormationPeers, public MemberCalls {
 public:
  // Before the first call; null: in clear. `tls` outlives this.
  void UseTls(NodeTls* tls) { tls_ = tls; }

  absl::StatusOr<cairn::v1::IntroduceResponse> Introduce(
      const std::string& address, const cairn::v1::IntroduceRequest& request) override;
  absl::StatusOr<cairn::v1::FormResponse> Form(const std::string& address,
                                               const cairn::v1::FormRequest& request) override;
  absl::StatusOr<cairn::v1::JoinResponse> Join(const std::string& address,
                                               const cairn::v1::JoinRequest& request) override;
  absl::Status Settle(const std::string& address, const cairn::v1::SettleRequest& request) override;

 private:
  NodeTls* tls_ = nullptr;
};

}  // namespace cairn::server
