// What strangers write into the header "authorization" (server/rpc/credentials.h).
//
// Beyond "no crash": a token that is found is a part of the header, within its bound and printable;
// one that has an id and a secret is put together again from them.
#include <string>

#include "base/check.h"
#include "server/rpc/credentials.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

void Run(std::string_view header) {
  const auto token = rpc::ParseAuthorization(header);
  if (token) {
    CHECK(!token->empty() && token->size() <= rpc::kMaxTokenBytes);
    CHECK(header.ends_with(*token));
    for (const char c : *token) CHECK(c > ' ' && c <= '~');
  }
  const std::string_view text = token ? *token : header;
  const auto parts = rpc::ParseToken(text);
  if (!parts) return;
  const rpc::NewToken again{std::string(parts->id), std::string(parts->secret)};
  CHECK(again.Text() == text);
}

std::vector<Seed> Seeds() {
  const std::string token = rpc::NewToken{std::string(16, 'a'), std::string(64, '0')}.Text();
  return {{"bearer", "Bearer " + token}, {"token", token}, {"other-scheme", "Basic dTpw"}};
}

const Registered registered({.name = "credentials", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
