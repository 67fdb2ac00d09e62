#include "adapter/memcache/invalidation_positions.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "adapter/restore_maker.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kFormat = 1;
constexpr char kFile[] = "/positions.json";

absl::Status WriteWhole(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return SyncPath(path);
  return absl::UnavailableError(fmt::format("{}: it cannot be written", path));
}

StoredPosition ReadPosition(const Json& target) {
  StoredPosition position;
  position.seq = Seq(target.at("seq").get<uint64_t>());
  position.gaps = target.at("gaps").get<uint64_t>();
  if (target.contains("last_gap")) {
    const Json& gap = target.at("last_gap");
    position.last_gap = {Seq(gap.at("first").get<uint64_t>()), Seq(gap.at("last").get<uint64_t>())};
  }
  return position;
}

}  // namespace

std::string FormatPositions(const InvalidationPositions& positions) {
  Json targets = Json::array();
  for (const auto& [name, position] : positions) {
    Json target = {{"log_id", name.first},
                   {"target", name.second},
                   {"seq", position.seq.value()},
                   {"gaps", position.gaps}};
    if (position.last_gap) {
      target["last_gap"] = {{"first", position.last_gap->first.value()},
                            {"last", position.last_gap->last.value()}};
    }
    targets.push_back(std::move(target));
  }
  return Json({{"format", kFormat}, {"positions", targets}}).dump(1) + "\n";
}

absl::StatusOr<InvalidationPositions> ParsePositions(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    const uint64_t format = json.at("format").get<uint64_t>();
    if (format > kFormat) {
      return absl::FailedPreconditionError(
          fmt::format("positions of format {}; this program knows {}", format, kFormat));
    }
    InvalidationPositions positions;
    for (const Json& target : json.at("positions")) {
      positions[{target.at("log_id").get<uint64_t>(), target.at("target").get<std::string>()}] =
          ReadPosition(target);
    }
    return positions;
  } catch (const Json::exception& error) {
    return absl::DataLossError(fmt::format("positions that cannot be read: {}", error.what()));
  }
}

absl::StatusOr<InvalidationPositions> LoadPositions(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory + kFile, error)) {
    if (!error) return InvalidationPositions();
    return absl::UnavailableError(fmt::format("{}: {}", directory, error.message()));
  }
  std::ifstream file(directory + kFile, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return ParsePositions(text.str());
}

absl::Status SavePositions(const std::string& directory, const InvalidationPositions& positions) {
  const std::string path = directory + kFile;
  const std::string beside = path + ".new";
  RETURN_IF_ERROR(WriteWhole(beside, FormatPositions(positions)));
  std::error_code error;
  std::filesystem::rename(beside, path, error);
  if (error) return absl::UnavailableError(fmt::format("{}: {}", path, error.message()));
  return SyncPath(directory);
}

}  // namespace cairn::adapter::memcache
