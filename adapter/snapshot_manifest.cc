#include "adapter/snapshot_manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxTextBytes = 1024;
constexpr size_t kMaxDatabases = 65'536;
constexpr size_t kSeqDigits = 20;
constexpr size_t kRandomDigits = 16;
constexpr std::array<std::string_view, 2> kCompressions = {"none", "zstd"};

absl::Status Wrong(std::string_view what) {
  return absl::DataLossError(fmt::format("snapshot manifest: {}", what));
}

// One JSON object, from which each field is taken once. `where` names it in messages.
class Fields {
 public:
  static absl::StatusOr<Fields> Of(const Json& json, std::string where) {
    if (!json.is_object()) return Wrong(fmt::format("{} is no object", where));
    return Fields(json, std::move(where));
  }

  absl::StatusOr<const Json*> Take(std::string_view name) {
    const auto found = json_->find(std::string(name));
    if (found == json_->end()) return Wrong(fmt::format("{}{} is missing", where_, name));
    ++taken_;
    return &*found;
  }

  absl::StatusOr<uint64_t> Number(std::string_view name, uint64_t max = INT64_MAX) {
    ASSIGN_OR_RETURN(const Json* value, Take(name));
    if (!value->is_number_unsigned() || value->get<uint64_t>() > max) {
      return Wrong(fmt::format("{}{} is no whole number from 0 to {}", where_, name, max));
    }
    return value->get<uint64_t>();
  }

  absl::StatusOr<std::string> Text(std::string_view name) {
    ASSIGN_OR_RETURN(const Json* value, Take(name));
    if (!value->is_string() || value->get_ref<const std::string&>().size() > kMaxTextBytes) {
      return Wrong(
          fmt::format("{}{} is no string of at most {} bytes", where_, name, kMaxTextBytes));
    }
    return value->get<std::string>();
  }

  // `digits` lower hex digits.
  absl::StatusOr<std::string> HexText(std::string_view name, size_t digits) {
    ASSIGN_OR_RETURN(std::string text, Text(name));
    const bool hex = std::all_of(text.begin(), text.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    if (!hex || text.size() != digits) {
      return Wrong(fmt::format("{}{} is not {} hex digits in lower case", where_, name, digits));
    }
    return text;
  }

  absl::StatusOr<uint64_t> Hex64(std::string_view name) {
    ASSIGN_OR_RETURN(const std::string text, HexText(name, 16));
    uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number, 16);
    return number;
  }

  absl::StatusOr<const Json*> List(std::string_view name, size_t max) {
    ASSIGN_OR_RETURN(const Json* value, Take(name));
    if (!value->is_array() || value->size() > max) {
      return Wrong(fmt::format("{}{} is no list of at most {} entries", where_, name, max));
    }
    return value;
  }

  // No field is left that nobody took.
  [[nodiscard]] absl::Status Done(std::initializer_list<std::string_view> known) const {
    if (taken_ == json_->size()) return absl::OkStatus();
    for (const auto& [name, value] : json_->items()) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        return Wrong(fmt::format("{}{} is a field that this release does not know", where_,
                                 name.substr(0, 64)));
      }
    }
    return Wrong(fmt::format("{}a field is there twice", where_));
  }

 private:
  Fields(const Json& json, std::string where) : json_(&json), where_(std::move(where)) {}

  const Json* json_;
  std::string where_;
  size_t taken_ = 0;
};

// Parses, refusing fields that are there twice: of those readers keep one or the other.
absl::StatusOr<Json> ParseJson(std::string_view text) {
  std::vector<std::set<std::string>> open;
  std::string twice;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key &&
        !open.back().insert(parsed.get_ref<const std::string&>()).second) {
      twice = parsed.get<std::string>().substr(0, 64);
    }
    return true;
  };
  Json json = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Wrong("is no JSON");
  if (!twice.empty()) return Wrong(fmt::format("field {} is there twice", twice));
  return json;
}

absl::Status ParseLog(const Json& json, SnapshotManifest* manifest) {
  ASSIGN_OR_RETURN(Fields fields, Fields::Of(json, "log."));
  ASSIGN_OR_RETURN(manifest->log_name, fields.Text("name"));
  ASSIGN_OR_RETURN(const uint64_t id, fields.Number("id"));
  manifest->log_id = GroupId(id);
  return fields.Done({"name", "id"});
}

absl::Status ParseEngine(const Json& json, SnapshotManifest* manifest) {
  ASSIGN_OR_RETURN(Fields fields, Fields::Of(json, "engine."));
  ASSIGN_OR_RETURN(manifest->engine.name, fields.Text("name"));
  ASSIGN_OR_RETURN(manifest->engine.version, fields.Text("version"));
  ASSIGN_OR_RETURN(manifest->replid, fields.Text("replid"));
  ASSIGN_OR_RETURN(manifest->offset, fields.Number("offset"));
  return fields.Done({"name", "version", "replid", "offset"});
}

absl::StatusOr<SnapshotDatabase> ParseDatabase(const Json& json) {
  ASSIGN_OR_RETURN(Fields fields, Fields::Of(json, "databases[]."));
  SnapshotDatabase database;
  ASSIGN_OR_RETURN(database.number, fields.Number("number", INT32_MAX));
  ASSIGN_OR_RETURN(database.keys, fields.Number("keys"));
  RETURN_IF_ERROR(fields.Done({"number", "keys"}));
  return database;
}

bool IsObjectName(std::string_view name) {
  return name != kManifestFile && name.size() <= 200 && objects::CheckKey(name).empty() &&
         name.find('/') == std::string_view::npos;
}

absl::StatusOr<SnapshotObject> ParseObject(const Json& json) {
  ASSIGN_OR_RETURN(Fields fields, Fields::Of(json, "objects[]."));
  SnapshotObject object;
  ASSIGN_OR_RETURN(object.name, fields.Text("name"));
  if (!IsObjectName(object.name)) return Wrong("objects[].name is no name of an object");
  ASSIGN_OR_RETURN(object.bytes, fields.Number("bytes"));
  ASSIGN_OR_RETURN(object.content_bytes, fields.Number("content_bytes"));
  ASSIGN_OR_RETURN(const std::string compression, fields.Text("compression"));
  const auto* const found = std::find(kCompressions.begin(), kCompressions.end(), compression);
  if (found == kCompressions.end()) {
    return Wrong(fmt::format("objects[].compression '{}' is unknown to this release",
                             compression.substr(0, 64)));
  }
  object.compression = static_cast<Compression>(found - kCompressions.begin());
  if (object.compression == Compression::kNone && object.bytes != object.content_bytes) {
    return Wrong("objects[].content_bytes differs from bytes without compression");
  }
  ASSIGN_OR_RETURN(object.xxh3, fields.Hex64("xxh3"));
  ASSIGN_OR_RETURN(object.sha256, fields.HexText("sha256", 64));
  RETURN_IF_ERROR(fields.Done({"name", "bytes", "content_bytes", "compression", "xxh3", "sha256"}));
  return object;
}

absl::Status ParseLists(Fields& fields, SnapshotManifest* manifest) {
  ASSIGN_OR_RETURN(const Json* databases, fields.List("databases", kMaxDatabases));
  for (const Json& entry : *databases) {
    ASSIGN_OR_RETURN(const SnapshotDatabase database, ParseDatabase(entry));
    if (!manifest->databases.empty() && manifest->databases.back().number >= database.number) {
      return Wrong("databases[] are not in order");
    }
    manifest->databases.push_back(database);
  }
  ASSIGN_OR_RETURN(const Json* objects, fields.List("objects", kMaxSnapshotObjects));
  std::set<std::string> names;
  for (const Json& entry : *objects) {
    ASSIGN_OR_RETURN(SnapshotObject object, ParseObject(entry));
    if (!names.insert(object.name).second) return Wrong("objects[].name is there twice");
    manifest->objects.push_back(std::move(object));
  }
  return manifest->objects.empty() ? Wrong("objects[] is empty") : absl::OkStatus();
}

absl::Status CheckFormat(Fields& fields) {
  ASSIGN_OR_RETURN(const uint64_t format, fields.Number("format"));
  if (format == kManifestFormat) return absl::OkStatus();
  if (format == 0) return Wrong("format 0 does not exist");
  return absl::FailedPreconditionError(
      fmt::format("snapshot manifest: format {} is newer than this release, which reads up to {}; "
                  "use the release that wrote it, or a newer one",
                  format, kManifestFormat));
}

Json ObjectJson(const SnapshotObject& object) {
  return {{"name", object.name},
          {"bytes", object.bytes},
          {"content_bytes", object.content_bytes},
          {"compression", kCompressions[static_cast<size_t>(object.compression)]},
          {"xxh3", fmt::format("{:016x}", object.xxh3)},
          {"sha256", object.sha256}};
}

// A log's name as one segment of a key.
std::string FolderOfLog(std::string_view log_name) {
  std::string folder(log_name);
  std::replace(folder.begin(), folder.end(), '/', '=');
  return folder.starts_with('.') ? "=" + folder : folder;
}

std::optional<uint64_t> ParseDigits(std::string_view text, int base) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "7.0.15" → 7, 0, 15; what is no digit ends it ("7.2.0-rc1").
std::vector<uint64_t> VersionNumbers(std::string_view version) {
  std::vector<uint64_t> numbers;
  const char* at = version.data();
  const char* const end = at + version.size();
  uint64_t number = 0;
  for (;;) {
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return numbers;
    numbers.push_back(number);
    if (next == end || *next != '.') return numbers;
    at = next + 1;
  }
}

}  // namespace

std::string FormatManifest(const SnapshotManifest& manifest) {
  Json databases = Json::array();
  for (const SnapshotDatabase& database : manifest.databases) {
    databases.push_back({{"number", database.number}, {"keys", database.keys}});
  }
  Json objects = Json::array();
  for (const SnapshotObject& object : manifest.objects) objects.push_back(ObjectJson(object));
  const Json json = {{"format", kManifestFormat},
                     {"log", {{"name", manifest.log_name}, {"id", manifest.log_id.value()}}},
                     {"seq", manifest.seq.value()},
                     {"chain", fmt::format("{:016x}", manifest.chain)},
                     {"epoch", manifest.epoch.value()},
                     {"engine",
                      {{"name", manifest.engine.name},
                       {"version", manifest.engine.version},
                       {"replid", manifest.replid},
                       {"offset", manifest.offset}}},
                     {"databases", std::move(databases)},
                     {"objects", std::move(objects)},
                     {"created_us", manifest.created_us},
                     {"created_by", manifest.created_by}};
  std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  CHECK_LE(text.size(), kMaxManifestBytes);
  return text;
}

absl::StatusOr<SnapshotManifest> ParseManifest(std::string_view text) {
  if (text.size() > kMaxManifestBytes) return Wrong("is too long");
  ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  ASSIGN_OR_RETURN(Fields fields, Fields::Of(json, ""));
  RETURN_IF_ERROR(CheckFormat(fields));
  SnapshotManifest manifest;
  ASSIGN_OR_RETURN(const Json* log, fields.Take("log"));
  RETURN_IF_ERROR(ParseLog(*log, &manifest));
  ASSIGN_OR_RETURN(const uint64_t seq, fields.Number("seq"));
  manifest.seq = Seq(seq);
  ASSIGN_OR_RETURN(manifest.chain, fields.Hex64("chain"));
  ASSIGN_OR_RETURN(const uint64_t epoch, fields.Number("epoch"));
  manifest.epoch = Epoch(epoch);
  if (epoch > seq) return Wrong("epoch is above seq");
  ASSIGN_OR_RETURN(const Json* engine, fields.Take("engine"));
  RETURN_IF_ERROR(ParseEngine(*engine, &manifest));
  RETURN_IF_ERROR(ParseLists(fields, &manifest));
  ASSIGN_OR_RETURN(const uint64_t created_us, fields.Number("created_us"));
  manifest.created_us = static_cast<WallMicros>(created_us);
  ASSIGN_OR_RETURN(manifest.created_by, fields.Text("created_by"));
  RETURN_IF_ERROR(fields.Done({"format", "log", "seq", "chain", "epoch", "engine", "databases",
                               "objects", "created_us", "created_by"}));
  return manifest;
}

std::string SnapshotName::Key(std::string_view object) const {
  return fmt::format("{}/{}", folder, object);
}

std::string SnapshotsOfName(std::string_view log_name) { return FolderOfLog(log_name) + "/"; }

std::string SnapshotsOfLog(std::string_view log_name, GroupId log_id) {
  return fmt::format("{}{}/", SnapshotsOfName(log_name), log_id);
}

SnapshotName NewSnapshotName(std::string_view log_name, GroupId log_id, Seq seq, uint64_t random) {
  return {fmt::format("{}{:020}-{:016x}", SnapshotsOfLog(log_name, log_id), seq, random), seq};
}

std::optional<SnapshotName> SnapshotOfKey(std::string_view key) {
  const size_t last = key.rfind('/');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const std::string_view folder = key.substr(0, last);
  const size_t slash = folder.rfind('/');
  const std::string_view name = folder.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (std::count(folder.begin(), folder.end(), '/') != 2 ||
      name.size() != kSeqDigits + 1 + kRandomDigits || name[kSeqDigits] != '-') {
    return std::nullopt;
  }
  const std::optional<uint64_t> seq = ParseDigits(name.substr(0, kSeqDigits), 10);
  if (!seq || !ParseDigits(name.substr(kSeqDigits + 1), 16)) return std::nullopt;
  return SnapshotName{std::string(folder), Seq(*seq)};
}

bool CanLoad(const EngineVersion& reader, const EngineVersion& writer) {
  return reader.name == writer.name &&
         VersionNumbers(reader.version) >= VersionNumbers(writer.version);
}

}  // namespace cairn::adapter
