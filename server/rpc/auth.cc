#include "server/rpc/auth.h"

#include <fmt/format.h>

#include <utility>

#include "server/rpc/convert.h"
#include "server/rpc/grpc_tls.h"
#include "server/rpc/request_id.h"
#include "server/runtime/warn_line.h"

namespace cairn::rpc {
namespace {

using server::AccessPolicy;
using server::AccessPrincipal;
using server::AccessToken;
using server::RightSet;
using server::SetOf;

constexpr size_t kMaxSaidBytes = 255;
// Compared with when there is no token of an id, so that this takes as long as a wrong secret.
constexpr std::string_view kNobodysDigest = "nobody's digest: thirty-two byte";
static_assert(kNobodysDigest.size() == 32);

constexpr char kUnknownToken[] =
    "the token is not known here: it was revoked, is of another cluster, or is mistyped";

RightSet RightsFor(Need need) {
  constexpr RightSet kAny = SetOf(v1::RIGHT_APPEND) | SetOf(v1::RIGHT_READ) |
                            SetOf(v1::RIGHT_LEASE) | SetOf(v1::RIGHT_ADMIN);
  switch (need) {
    case Need::kAnyRight:
      return kAny;
    case Need::kAppend:
      return SetOf(v1::RIGHT_APPEND);
    case Need::kRead:
      return SetOf(v1::RIGHT_READ);
    case Need::kLease:
      return SetOf(v1::RIGHT_LEASE);
    case Need::kAdmin:
    case Need::kAdminOfAll:
      return SetOf(v1::RIGHT_ADMIN);
    case Need::kNothing:
    case Need::kPrincipal:
    case Need::kMember:
      return 0;
  }
  return 0;
}

// A name as it may stand in a sentence; the bounds have not been checked yet.
std::string_view Said(std::string_view log) { return log.size() <= kMaxSaidBytes ? log : ""; }

server::Rejection NobodyKnown(const Caller& caller, Rpc rpc, std::string_view log) {
  return Reject(v1::REASON_UNAUTHENTICATED, Said(log),
                fmt::format("{}: {}", RuleOf(rpc).method + 1, caller.refusal));
}

server::Rejection NoRight(const Caller& caller, Rpc rpc, std::string_view log) {
  const RpcRule& rule = RuleOf(rpc);
  const bool of_all = rule.need == Need::kAdminOfAll || log.empty();
  const std::string where = of_all ? "\"*\"" : fmt::format("log {}", Said(log));
  return Reject(v1::REASON_PERMISSION_DENIED, Said(log),
                fmt::format("principal {} lacks the right {} on {}, which {} needs", caller.name(),
                            NameOf(rule.need), where, rule.method + 1));
}

}  // namespace

// ---- Caller -----------------------------------------------------------------------------

std::string_view Caller::name() const {
  if (is_root) return server::kRootName;
  return principal != nullptr ? std::string_view(principal->name) : "";
}

std::string_view Caller::tenant() const {
  return principal == nullptr || principal->tenant.empty() ? name() : principal->tenant;
}

const server::TenantQuota* Caller::quota() const {
  return is_known() ? policy->FindQuota(tenant()) : nullptr;
}

bool Caller::Has(Need need, std::string_view log) const {
  if (need == Need::kNothing || need == Need::kMember || is_root) return true;
  if (principal == nullptr) return false;
  if (need == Need::kPrincipal) return true;
  if (need == Need::kAdminOfAll || (need == Need::kAdmin && log.empty())) {
    return principal->IsAdmin();
  }
  return (principal->RightsOn(log) & RightsFor(need)) != 0;
}

// ---- Who calls --------------------------------------------------------------------------

Authority::Authority(server::Node* node, IsMember is_member)
    : node_(node), is_member_(std::move(is_member)), root_(node->config().root_token_file) {
  const std::string trouble = root_.Trouble();
  if (!trouble.empty()) server::WarnLine("the root token lets nobody in: " + trouble);
}

Caller Authority::CallerOf(const grpc::ServerContextBase& context) {
  const Credentials credentials = CredentialsOf(context);
  return Identify(credentials, MaySpeakForOthers(context, credentials));
}

// Looking at a certificate costs more than all the rest: only calls that need it pay for it.
bool Authority::MaySpeakForOthers(const grpc::ServerContextBase& context,
                                  const Credentials& credentials) const {
  return !credentials.on_behalf_of.empty() && is_member_(context);
}

Caller Authority::Identify(const Credentials& credentials, bool may_speak_for_others) {
  Caller caller;
  caller.policy = node_->access().policy();
  if (!credentials.malformed.empty()) {
    caller.refusal = credentials.malformed;
  } else if (!credentials.bearer.empty()) {
    IdentifyByToken(credentials.bearer, caller);
  } else if (may_speak_for_others) {
    IdentifyByMember(credentials.on_behalf_of, caller);
  } else if (ClientCertificatesCount(*node_) || credentials.names.empty()) {
    IdentifyByCertificate(credentials, caller);
  } else {
    caller.refusal = "client certificates do not count here (--tls-client-auth none)";
  }
  return caller;
}

void Authority::IdentifyByToken(std::string_view token, Caller& caller) {
  const std::optional<TokenParts> parts = ParseToken(token);
  const AccessToken* known = parts ? caller.policy->FindToken(parts->id) : nullptr;
  const std::string digest = Sha256(parts ? parts->secret : token);
  const bool same = SameSecret(digest, known != nullptr ? known->secret_sha256 : kNobodysDigest);
  if (known == nullptr || !same) {
    caller.is_root = root_.Is(token);
    caller.by = caller.is_root ? "root-token" : "";
    if (!caller.is_root) caller.refusal = kUnknownToken;
    return;
  }
  if (known->expires_at_us != 0 && known->expires_at_us <= node_->clock().Wall()) {
    caller.refusal = fmt::format("the token {} has expired: make a new one", known->id);
    return;
  }
  caller.principal = caller.policy->Find(known->principal);
  caller.by = "token";
  caller.expires_at_us = known->expires_at_us;
}

void Authority::IdentifyByMember(std::string_view name, Caller& caller) {
  caller.principal = caller.policy->Find(name);
  caller.by = "certificate";
  if (caller.principal == nullptr)
    caller.refusal = "the principal of a forwarded call is not known";
}

void Authority::IdentifyByCertificate(const Credentials& credentials, Caller& caller) {
  for (const std::string_view name : credentials.names) {
    const AccessPrincipal* found = caller.policy->FindByCertificate(name);
    if (found == nullptr || found == caller.principal) continue;
    if (caller.principal != nullptr) {
      caller.principal = nullptr;
      caller.refusal = "the names of the client certificate stand for several principals";
      return;
    }
    caller.principal = found;
    caller.by = "certificate";
  }
  if (caller.principal != nullptr) return;
  caller.refusal = credentials.names.empty()
                       ? "the call carries neither a token nor a client certificate"
                       : "no principal has a name of the client certificate, and there is no token";
}

std::optional<server::TenantQuota> Authority::QuotaOf(const grpc::ServerContextBase& context) {
  // Where no tenant has a quota, nobody pays for finding out who calls.
  if (!IsOn() || node_->access().policy()->tenant_quotas().empty()) return std::nullopt;
  const Caller caller = CallerOf(context);
  const server::TenantQuota* quota = caller.quota();
  return quota != nullptr ? std::optional(*quota) : std::nullopt;
}

// ---- What it may do ---------------------------------------------------------------------

Refusal Authority::Check(const grpc::ServerContextBase& context, Rpc rpc, std::string_view log) {
  const Need need = RuleOf(rpc).need;
  const Mode now = mode();
  if (now == Mode::kOff || need == Need::kNothing) return std::nullopt;
  // Nothing is known of the policy: nothing is given to anybody but how the node stands.
  if (now == Mode::kUnknown) return Judge(Caller(), rpc, log);
  return Admit(context, CallerOf(context), rpc, log);
}

Refusal Authority::Judge(const Caller& caller, Rpc rpc, std::string_view log) const {
  const Need need = RuleOf(rpc).need;
  switch (mode()) {
    case Mode::kOff:
      return std::nullopt;
    case Mode::kUnknown:
      if (need == Need::kNothing || need == Need::kPrincipal) return std::nullopt;
      return Reject(v1::REASON_NOT_READY, Said(log),
                    "this node does not know yet who may do what: no leader has told it where the "
                    "catalog stands");
    case Mode::kOn:
      break;
  }
  if (caller.Has(need, log)) return std::nullopt;
  return caller.is_known() ? NoRight(caller, rpc, log) : NobodyKnown(caller, rpc, log);
}

Refusal Authority::Admit(const grpc::ServerContextBase& context, const Caller& caller, Rpc rpc,
                         std::string_view log) {
  Refusal refusal = Judge(caller, rpc, log);
  if (refusal && refusal->info.reason() == v1::REASON_UNAUTHENTICATED) {
    const std::string address = context.peer();
    node_->audit().WriteRefusedLogin({.request_id = RequestIdOf(context),
                                      .principal = "",
                                      .address = address,
                                      .method = RuleOf(rpc).method,
                                      .log = Said(log),
                                      .outcome = v1::Reason_Name(refusal->info.reason()),
                                      .message = refusal->message});
  }
  return refusal;
}

void Authority::PassOn(const grpc::ServerContextBase& from, grpc::ClientContext& to) {
  const Credentials credentials = CredentialsOf(from);
  if (!credentials.bearer.empty()) {
    to.AddMetadata(kAuthorizationHeader, "Bearer " + std::string(credentials.bearer));
    return;
  }
  const Caller caller = Identify(credentials, MaySpeakForOthers(from, credentials));
  if (caller.principal != nullptr) to.AddMetadata(kOnBehalfOfHeader, caller.principal->name);
}

void Authority::Audit(const grpc::ServerContextBase& context, Rpc rpc, std::string_view subject,
                      const grpc::Status& status) {
  // A refused login has its line already.
  if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED) return;
  const std::optional<v1::ErrorInfo> info = ErrorInfoOf(status);
  const std::string outcome = status.ok() ? "OK"
                              : info      ? v1::Reason_Name(info->reason())
                                          : fmt::format("status {}", status.error_code());
  const Caller caller = CallerOf(context);
  const std::string address = context.peer();
  node_->audit().Write({.request_id = RequestIdOf(context),
                        .principal = caller.name(),
                        .address = address,
                        .method = RuleOf(rpc).method,
                        .log = Said(subject),
                        .outcome = outcome,
                        .message = status.error_message()});
}

// ---- Streams ----------------------------------------------------------------------------

StreamAccess::StreamAccess(Authority* authority, const grpc::ServerContextBase* context, Rpc rpc)
    : authority_(authority),
      context_(context),
      rpc_(rpc),
      credentials_(CredentialsOf(*context)),
      may_speak_for_others_(authority->MaySpeakForOthers(*context, credentials_)) {}

Refusal StreamAccess::Check(std::string_view log) {
  if (authority_->mode() == Authority::Mode::kOff) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  Refresh();
  return authority_->Admit(*context_, caller_, rpc_, log);
}

std::optional<server::TenantQuota> StreamAccess::Quota() {
  if (!authority_->IsOn()) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  Refresh();
  const server::TenantQuota* quota = caller_.quota();
  return quota != nullptr ? std::optional(*quota) : std::nullopt;
}

Refusal StreamAccess::CheckLogin() {
  if (!authority_->IsOn()) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  Refresh();
  if (caller_.is_known()) return std::nullopt;
  return authority_->Admit(*context_, caller_, rpc_, /*log=*/"");
}

void StreamAccess::Refresh() {
  const uint64_t changes = authority_->node_->access().changes();
  const bool expired =
      caller_.expires_at_us != 0 && caller_.expires_at_us <= authority_->node_->clock().Wall();
  if (changes == changes_ && !expired) return;
  changes_ = changes;
  caller_ = authority_->Identify(credentials_, may_speak_for_others_);
}

}  // namespace cairn::rpc
