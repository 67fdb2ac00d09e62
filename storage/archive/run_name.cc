#include "storage/archive/run_name.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>
#include <utility>

namespace cairn::archive {
namespace {

constexpr size_t kDecimals = 20;
constexpr size_t kHexDigits = 16;
constexpr size_t kMaxClusterBytes = 64;

// Exactly `digits` digits of `base` at the front of `text`, which loses them and one '-' behind.
std::optional<uint64_t> TakeNumber(std::string_view& text, size_t digits, int base) {
  if (text.size() < digits) return std::nullopt;
  uint64_t value = 0;
  const char* const end = text.data() + digits;
  const auto [at, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || at != end) return std::nullopt;
  text.remove_prefix(digits);
  if (!text.empty()) {
    if (text.front() != '-') return std::nullopt;
    text.remove_prefix(1);
  }
  return value;
}

}  // namespace

std::string LogPlace::Folder() const {
  return fmt::format("{}/{:0{}}/", cluster_id, log_id.value(), kDecimals);
}

std::string LogPlace::LogKey() const { return Folder() + kLogFile; }

std::string LogPlace::Location(std::string_view store_url) const {
  const std::string folder = Folder();
  return fmt::format("{}#{}", store_url, std::string_view(folder).substr(0, folder.size() - 1));
}

std::optional<LogPlace> LogPlace::FromLocation(std::string_view location) {
  const size_t hash = location.rfind('#');
  if (hash == std::string_view::npos) return std::nullopt;
  std::optional<ArchiveKey> key = ParseKey(fmt::format("{}/x", location.substr(hash + 1)));
  if (!key) return std::nullopt;
  return std::move(key->place);
}

std::string RunName::File() const {
  return fmt::format("{:0{}}-{:0{}}-{:016x}-{:016x}-{:016x}", first_seq.value(), kDecimals,
                     last_seq.value(), kDecimals, chain_before, chain,
                     static_cast<uint64_t>(timestamp_us));
}

std::optional<RunName> RunName::Parse(std::string_view file) {
  std::string_view rest = file;
  const auto first = TakeNumber(rest, kDecimals, 10);
  const auto last = TakeNumber(rest, kDecimals, 10);
  const auto before = TakeNumber(rest, kHexDigits, 16);
  const auto chain = TakeNumber(rest, kHexDigits, 16);
  const auto time = TakeNumber(rest, kHexDigits, 16);
  if (!first || !last || !before || !chain || !time || !rest.empty()) return std::nullopt;
  if (*first == 0 || *last < *first) return std::nullopt;
  RunName name{.first_seq = Seq(*first),
               .last_seq = Seq(*last),
               .chain_before = *before,
               .chain = *chain,
               .timestamp_us = static_cast<int64_t>(*time)};
  // One spelling only: no upper case, no '-' at the end.
  if (name.File() != file) return std::nullopt;
  return name;
}

std::optional<ArchiveKey> ParseKey(std::string_view key) {
  const size_t cluster = key.find('/');
  if (cluster == std::string_view::npos || cluster == 0 || cluster > kMaxClusterBytes) {
    return std::nullopt;
  }
  std::string_view log = key.substr(cluster + 1);
  const size_t file = log.find('/');
  if (file != kDecimals) return std::nullopt;
  std::string_view digits = log.substr(0, file);
  const auto id = TakeNumber(digits, kDecimals, 10);
  const std::string_view name = log.substr(file + 1);
  if (!id || name.empty() || name.find('/') != std::string_view::npos) return std::nullopt;
  return ArchiveKey{{std::string(key.substr(0, cluster)), GroupId(*id)}, std::string(name)};
}

}  // namespace cairn::archive
