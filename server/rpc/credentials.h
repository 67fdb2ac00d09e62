// Credentials: what a call says of who makes it, and the check of a token's text. Pure; no policy.
//
// All of it comes from outside, before anybody is known: the parsers below take any bytes, in time
// and memory bounded by kMaxTokenBytes.
//
// Threads: any. Lifetime: the views of Credentials live as long as the call's context.
#pragma once

#include <grpcpp/server_context.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::rpc {

inline constexpr char kAuthorizationHeader[] = "authorization";
// The name of a principal for whom a node makes a call, in place of that one's own certificate.
// Believed only on a connection whose certificate is a member's.
inline constexpr char kOnBehalfOfHeader[] = "cairn-on-behalf-of";
inline constexpr size_t kMaxTokenBytes = 255;

struct Credentials {
  std::string_view bearer;              // The token; empty: none.
  std::string_view on_behalf_of;        // As sent, whoever sent it.
  std::vector<std::string_view> names;  // In the connection's client certificate.
  std::string malformed;                // What is wrong with the headers; empty: nothing.
};

// Fills the context's lazily made parts in: the first call on a context must not be concurrent
// with another.
[[nodiscard]] Credentials CredentialsOf(const grpc::ServerContextBase& context);

// The token in "Bearer TOKEN" (the scheme in any case); nullopt for anything else.
[[nodiscard]] std::optional<std::string_view> ParseAuthorization(std::string_view header);

// "cairn_ID_SECRET" in parts: 16 and 64 hex digits, lower case. nullopt for anything else.
struct TokenParts {
  std::string_view id;
  std::string_view secret;
};
[[nodiscard]] std::optional<TokenParts> ParseToken(std::string_view token);

struct NewToken {
  std::string id;
  std::string secret;
  [[nodiscard]] std::string Text() const { return "cairn_" + id + "_" + secret; }
};
// From the system's source of secrets.
[[nodiscard]] NewToken DrawToken();

// 32 bytes.
[[nodiscard]] std::string Sha256(std::string_view text);
// In time that depends on the lengths only.
[[nodiscard]] bool SameSecret(std::string_view a, std::string_view b);

}  // namespace cairn::rpc
