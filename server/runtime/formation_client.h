// FormationClient: FormationPeers over gRPC. Each call opens a connection of its own, since
// they are few and the other side often is not there yet.
//
// Threads: any; calls block up to a second.
#pragma once

#include <string>

#include "server/runtime/formation.h"

namespace cairn::server {

class FormationClient : public FormationPeers {
 public:
  absl::StatusOr<cairn::v1::IntroduceResponse> Introduce(
      const std::string& address, const cairn::v1::IntroduceRequest& request) override;
  absl::StatusOr<cairn::v1::FormResponse> Form(const std::string& address,
                                               const cairn::v1::FormRequest& request) override;
};

}  // namespace cairn::server
