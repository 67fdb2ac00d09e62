#include "server/rpc/credentials.h"

#include <fmt/format.h>
#include <grpcpp/security/auth_context.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/check.h"

namespace cairn::rpc {
namespace {

constexpr std::string_view kScheme = "bearer ";
constexpr std::string_view kTokenPrefix = "cairn_";
constexpr size_t kIdBytes = 8;
constexpr size_t kSecretBytes = 32;
constexpr size_t kSha256Bytes = 32;
// As gRPC names the subject and its alternatives.
constexpr const char* kNameProperties[] = {"x509_subject_alternative_name", "x509_common_name"};

std::string_view ToStd(const grpc::string_ref& text) { return {text.data(), text.size()}; }

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The only value of a header; "" and a sentence in `wrong` when there are several.
std::string_view OnlyValue(const grpc::ServerContextBase& context, const char* header,
                           std::string& wrong) {
  const auto [first, last] = context.client_metadata().equal_range(header);
  if (first == last) return "";
  if (std::next(first) != last) {
    wrong = fmt::format("the call has the header {} more than once, expected it once", header);
    return "";
  }
  return ToStd(first->second);
}

std::string RandomHex(size_t bytes) {
  std::string raw(bytes, '\0');
  CHECK_EQ(RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(bytes)), 1);
  std::string text;
  for (const char c : raw) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

}  // namespace

std::optional<std::string_view> ParseAuthorization(std::string_view header) {
  const bool has_scheme = header.size() > kScheme.size() &&
                          std::equal(kScheme.begin(), kScheme.end(), header.begin(),
                                     [](char want, char c) { return want == ToLower(c); });
  if (!has_scheme) return std::nullopt;
  const std::string_view token = header.substr(kScheme.size());
  const bool legal =
      token.size() <= kMaxTokenBytes &&
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  return legal ? std::optional(token) : std::nullopt;
}

std::optional<TokenParts> ParseToken(std::string_view token) {
  constexpr size_t kIdAt = kTokenPrefix.size();
  constexpr size_t kSecretAt = kIdAt + 2 * kIdBytes + 1;
  if (token.size() != kSecretAt + 2 * kSecretBytes || !token.starts_with(kTokenPrefix) ||
      token[kSecretAt - 1] != '_') {
    return std::nullopt;
  }
  const TokenParts parts{token.substr(kIdAt, 2 * kIdBytes), token.substr(kSecretAt)};
  return IsHex(parts.id) && IsHex(parts.secret) ? std::optional(parts) : std::nullopt;
}

Credentials CredentialsOf(const grpc::ServerContextBase& context) {
  Credentials credentials;
  const std::string_view header = OnlyValue(context, kAuthorizationHeader, credentials.malformed);
  if (!header.empty()) {
    const std::optional<std::string_view> token = ParseAuthorization(header);
    if (token) {
      credentials.bearer = *token;
    } else {
      credentials.malformed =
          fmt::format("the header {} is not \"Bearer \" and a token of at most {} printable bytes",
                      kAuthorizationHeader, kMaxTokenBytes);
    }
  }
  credentials.on_behalf_of = OnlyValue(context, kOnBehalfOfHeader, credentials.malformed);
  const std::shared_ptr<const grpc::AuthContext> connection = context.auth_context();
  if (connection == nullptr || !connection->IsPeerAuthenticated()) return credentials;
  for (const char* property : kNameProperties) {
    for (const grpc::string_ref& name : connection->FindPropertyValues(property)) {
      credentials.names.push_back(ToStd(name));
    }
  }
  return credentials;
}

NewToken DrawToken() { return {RandomHex(kIdBytes), RandomHex(kSecretBytes)}; }

std::string Sha256(std::string_view text) {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  // Looking the digest up and making a context cost more than the hash of so short a text.
  static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  CHECK(kSha256 != nullptr);
  CHECK(context != nullptr);
  std::string digest(kSha256Bytes, '\0');
  CHECK_EQ(EVP_DigestInit_ex2(context.get(), kSha256, nullptr), 1);
  CHECK_EQ(EVP_DigestUpdate(context.get(), text.data(), text.size()), 1);
  CHECK_EQ(
      EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr),
      1);
  return digest;
}

bool SameSecret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace cairn::rpc
