// Auth: who makes a call, and whether it may (decision 020).
//
//   handler -> Authority::Check(context, rpc, log) -> go on, or UNAUTHENTICATED / PERMISSION_DENIED
//   stream  -> StreamAccess: the same at its opening, and again when the policy has changed
//
// While the policy is off a check is one load. While it is on, it is one look at the headers, one
// hash of the token, and a walk over the principal's grants.
//
// Threads: any. Lifetime: an Authority outlives every call.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/bounds.h"
#include "server/rpc/credentials.h"
#include "server/rpc/rights.h"
#include "server/rpc/root_token.h"
#include "server/runtime/node.h"

namespace cairn::rpc {

// Whoever makes a call, by one version of the policy.
struct Caller {
  std::shared_ptr<const server::AccessPolicy> policy;  // Keeps `principal`.
  const server::AccessPrincipal* principal = nullptr;  // Null: nobody known, or root.
  bool is_root = false;
  std::string_view by;        // "token", "certificate", "root-token"; empty: nobody.
  int64_t expires_at_us = 0;  // Of the token; 0: never.
  std::string refusal;        // Why there is nobody.

  [[nodiscard]] bool is_known() const { return is_root || principal != nullptr; }
  // Empty when nobody is known.
  [[nodiscard]] std::string_view name() const;
  // Whose quotas the call counts against.
  [[nodiscard]] std::string_view tenant() const;
  // The tenant's; null: it has none. Lives as long as `policy`.
  [[nodiscard]] const server::TenantQuota* quota() const;
  [[nodiscard]] bool Has(Need need, std::string_view log) const;
};

class Authority {
 public:
  // Whether a call's connection shows the certificate of a member of the cluster.
  using IsMember = std::function<bool(const grpc::ServerContextBase&)>;

  Authority(server::Node* node, IsMember is_member);

  // Whether the call may be made. `log` as the call names it; empty where it names none. A refused
  // login is audited here.
  [[nodiscard]] Refusal Check(const grpc::ServerContextBase& context, Rpc rpc,
                              std::string_view log);
  // Who calls, also while the policy is off.
  [[nodiscard]] Caller CallerOf(const grpc::ServerContextBase& context);
  // The quota of the caller's tenant: nothing when it has none, or the policy is off.
  [[nodiscard]] std::optional<server::TenantQuota> QuotaOf(const grpc::ServerContextBase& context);
  // While it is off a list need not be filtered.
  [[nodiscard]] bool IsOn() const { return mode() == Mode::kOn; }

  // Makes a call to another member speak for whoever called here.
  void PassOn(const grpc::ServerContextBase& from, grpc::ClientContext& to);
  // Notes the outcome of an audited call.
  void Audit(const grpc::ServerContextBase& context, Rpc rpc, std::string_view subject,
             const grpc::Status& status);

 private:
  friend class StreamAccess;
  using Mode = server::AccessState::Mode;

  [[nodiscard]] Mode mode() const { return node_->access().mode(); }
  // Whether the call names somebody else as its caller, and comes from a member.
  [[nodiscard]] bool MaySpeakForOthers(const grpc::ServerContextBase& context,
                                       const Credentials& credentials) const;
  [[nodiscard]] Caller Identify(const Credentials& credentials, bool may_speak_for_others);
  void IdentifyByToken(std::string_view token, Caller& caller);
  void IdentifyByMember(std::string_view name, Caller& caller);
  void IdentifyByCertificate(const Credentials& credentials, Caller& caller);
  [[nodiscard]] Refusal Judge(const Caller& caller, Rpc rpc, std::string_view log) const;
  // Judge, and the audit of a refused login.
  [[nodiscard]] Refusal Admit(const grpc::ServerContextBase& context, const Caller& caller, Rpc rpc,
                              std::string_view log);

  server::Node* const node_;
  const IsMember is_member_;
  RootToken root_;
};

// The access of one stream: its credentials were read when it was opened, and who they stand for is
// found out again when the policy has changed, or the token's time is over.
// Threads: any; one leaf mutex.
class StreamAccess {
 public:
  StreamAccess(Authority* authority, const grpc::ServerContextBase* context, Rpc rpc);

  // Whether the stream may go on with what it does to `log`.
  [[nodiscard]] Refusal Check(std::string_view log);
  // The same of the stream itself, whatever its log: is its caller still known?
  [[nodiscard]] Refusal CheckLogin();
  // As Authority::QuotaOf.
  [[nodiscard]] std::optional<server::TenantQuota> Quota();

 private:
  void Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Authority* const authority_;
  const grpc::ServerContextBase* const context_;
  const Rpc rpc_;
  const Credentials credentials_;
  const bool may_speak_for_others_;
  absl::Mutex mutex_;
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the policy that `caller_` is of; 0: none.
  Caller caller_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::rpc
