#include "adapter/redis/keyspace_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kInfoPatience{10'000};
// It reads every key while nothing else is done.
constexpr Millis kDigestPatience{3'600'000};
constexpr size_t kDigestChars = 40;

std::optional<uint64_t> TakeNumber(std::string_view* text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return value;
}

// "db0:keys=12,expires=3,avg_ttl=0"
absl::StatusOr<SnapshotDatabase> ParseDatabase(std::string_view line) {
  constexpr std::string_view kKeys = ":keys=";
  std::string_view rest = line.substr(2);
  const std::optional<uint64_t> number = TakeNumber(&rest);
  if (number && rest.starts_with(kKeys)) {
    rest.remove_prefix(kKeys.size());
    const std::optional<uint64_t> keys = TakeNumber(&rest);
    if (keys) return SnapshotDatabase{*number, *keys};
  }
  return absl::InvalidArgumentError(
      fmt::format("INFO keyspace: expected dbN:keys=N, got '{}'", line));
}

}  // namespace

uint64_t KeyspaceDigest::keys() const {
  uint64_t sum = 0;
  for (const SnapshotDatabase& database : databases) sum += database.keys;
  return sum;
}

std::string KeyspaceDigest::ToText() const {
  return fmt::format("{} keys in {} databases, digest {}", keys(), databases.size(),
                     digest.empty() ? "not told" : digest);
}

absl::Status ExpectEqual(const KeyspaceDigest& expected, const KeyspaceDigest& found) {
  const bool comparable = !expected.digest.empty() && !found.digest.empty();
  const bool same =
      expected.databases == found.databases && (!comparable || expected.digest == found.digest);
  if (same) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("expected {}, found {}", expected.ToText(), found.ToText()));
}

absl::StatusOr<std::vector<SnapshotDatabase>> ParseKeyspace(std::string_view info) {
  std::vector<SnapshotDatabase> databases;
  while (!info.empty()) {
    std::string_view line = info.substr(0, info.find('\n'));
    info.remove_prefix(std::min(info.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("db")) continue;
    ASSIGN_OR_RETURN(const SnapshotDatabase database, ParseDatabase(line));
    databases.push_back(database);
  }
  std::sort(databases.begin(), databases.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return databases;
}

asio::awaitable<absl::StatusOr<KeyspaceDigest>> ReadKeyspace(EngineLink* link) {
  std::vector<std::string> ask = Argv("INFO", "keyspace");
  const absl::StatusOr<RespValue> info = co_await link->CallOk(std::move(ask), kInfoPatience);
  if (!info.ok()) co_return info.status();
  absl::StatusOr<std::vector<SnapshotDatabase>> databases = ParseKeyspace(info->text);
  if (!databases.ok()) co_return absl::InternalError(databases.status().message());
  KeyspaceDigest keyspace;
  keyspace.databases = *std::move(databases);
  std::vector<std::string> debug = Argv("DEBUG", "DIGEST");
  const absl::StatusOr<RespValue> digest = co_await link->Call(std::move(debug), kDigestPatience);
  if (!digest.ok()) co_return digest.status();
  if (!digest->error() && digest->text.size() == kDigestChars) keyspace.digest = digest->text;
  co_return keyspace;
}

}  // namespace cairn::adapter::redis
