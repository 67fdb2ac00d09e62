#include "cli/backup_manifest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <fstream>
#include <iterator>
#include <optional>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/backup_files.h"
#include "cli/units.h"
#include "cli/view.h"

namespace cairn {

NLOHMANN_JSON_SERIALIZE_ENUM(ArchivePolicy, {{ArchivePolicy::kInherit, "inherit"},
                                             {ArchivePolicy::kOn, "on"},
                                             {ArchivePolicy::kOff, "off"}})

}  // namespace cairn

namespace cairn::cli {
namespace {

constexpr const char* kManifest = "/backup.json";

// A setting that is not set keeps its default when it is restored.
template <class T>
void PutSetting(Json& json, const char* name, const std::optional<T>& value) {
  if (value) json[name] = *value;
}
template <class T>
void GetSetting(const Json& json, const char* name, std::optional<T>& value) {
  if (json.contains(name)) value = json.at(name).get<T>();
}

// Calls visit(name, field) for each setting.
template <class Settings, class Visit>
void ForEachSetting(Settings& settings, Visit visit) {
  visit("fenced", settings.fenced);
  visit("retention_bytes", settings.retention_bytes);
  visit("retention_ms", settings.retention_ms);
  visit("trim_guard", settings.trim_guard);
  visit("segment_bytes", settings.segment_bytes);
  visit("append_bytes_per_second", settings.append_bytes_per_second);
  visit("appends_per_second", settings.appends_per_second);
  visit("archive", settings.archive);
}

Json ToJson(const BackedUpLog& log) {
  Json settings = Json::object();
  ForEachSetting(log.settings,
                 [&](const char* name, const auto& value) { PutSetting(settings, name, value); });
  Json parts = Json::array();
  for (const BackupPart& part : log.parts) {
    parts.push_back(
        {{"file", part.file}, {"bytes", part.bytes}, {"checksum", FormatHash(part.checksum)}});
  }
  return {{"name", log.name},
          {"settings", std::move(settings)},
          {"first_seq", log.base.first_seq.value()},
          {"chain_before", FormatHash(log.base.chain)},
          {"timestamp_before_us", log.base.timestamp_us},
          {"last_seq", log.last_seq.value()},
          {"chain", FormatHash(log.chain)},
          {"records", log.records},
          {"parts", std::move(parts)}};
}

uint64_t HashAt(const Json& json, const char* name) {
  // What is no hash fails as damage.
  return ParseHash(json.at(name).get<std::string>()).value();
}

BackedUpLog LogFrom(const Json& json) {
  BackedUpLog log;
  log.name = json.at("name").get<std::string>();
  ForEachSetting(log.settings, [&](const char* name, auto& value) {
    GetSetting(json.at("settings"), name, value);
  });
  log.base = {.first_seq = Seq(json.at("first_seq").get<uint64_t>()),
              .chain = HashAt(json, "chain_before"),
              .timestamp_us = json.at("timestamp_before_us").get<int64_t>()};
  log.last_seq = Seq(json.at("last_seq").get<uint64_t>());
  log.chain = HashAt(json, "chain");
  log.records = json.at("records").get<uint64_t>();
  for (const Json& part : json.at("parts")) {
    log.parts.push_back({.file = part.at("file").get<std::string>(),
                         .bytes = part.at("bytes").get<uint64_t>(),
                         .checksum = HashAt(part, "checksum")});
  }
  return log;
}

Json ToJson(const BackupManifest& manifest) {
  Json logs = Json::array();
  for (const BackedUpLog& log : manifest.logs) logs.push_back(ToJson(log));
  return {{"format", kBackupFormat},
          {"cluster_id", manifest.cluster_id},
          {"saved_at", manifest.saved_at},
          {"logs", std::move(logs)}};
}

BackupManifest ManifestFrom(const Json& json) {
  BackupManifest manifest;
  manifest.cluster_id = json.at("cluster_id").get<std::string>();
  manifest.saved_at = json.at("saved_at").get<std::string>();
  for (const Json& log : json.at("logs")) manifest.logs.push_back(LogFrom(log));
  return manifest;
}

uint64_t ChecksumOf(const Json& json) {
  const std::string text = json.dump();
  return XXH3_64bits(text.data(), text.size());
}

absl::StatusOr<BackupManifest> Parse(const std::string& file, const Json& json) {
  const Json& body = json.at("backup");
  if (ChecksumOf(body) != HashAt(json, "checksum")) {
    return absl::DataLossError(fmt::format("{} does not match its checksum", file));
  }
  const int format = body.at("format").get<int>();
  if (format > kBackupFormat) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is of format {}, and this tool knows formats up to {}: use the tool that wrote it",
        file, format, kBackupFormat));
  }
  return ManifestFrom(body);
}

}  // namespace

uint64_t BackedUpLog::bytes() const {
  uint64_t sum = 0;
  for (const BackupPart& part : parts) sum += part.bytes;
  return sum;
}

uint64_t BackupManifest::bytes() const {
  uint64_t sum = 0;
  for (const BackedUpLog& log : logs) sum += log.bytes();
  return sum;
}

absl::Status WriteManifest(const std::string& dir, const BackupManifest& manifest) {
  Json file = Json::object();
  file["backup"] = ToJson(manifest);
  file["checksum"] = FormatHash(ChecksumOf(file["backup"]));
  return WriteDurably(dir, dir + kManifest, file.dump(1) + "\n");
}

absl::StatusOr<BackupManifest> ReadManifest(const std::string& dir) {
  const std::string file = dir + kManifest;
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return absl::NotFoundError(fmt::format(
        "{} is no backup: it has no backup.json, which `cairn snapshot save` writes last", dir));
  }
  try {
    return Parse(file, Json::parse(std::string(std::istreambuf_iterator<char>(in), {})));
  } catch (const std::exception&) {
    return absl::DataLossError(fmt::format("{} is damaged: it does not parse", file));
  }
}

}  // namespace cairn::cli
