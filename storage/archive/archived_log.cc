#include "storage/archive/archived_log.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

namespace cairn::archive {
namespace {

using Json = nlohmann::ordered_json;

Json SettingsJson(const cairn::v1::LogSettings& settings) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(settings, &text, options);
  return status.ok() ? Json::parse(text) : Json::object();
}

bool ReadSettings(const Json& json, cairn::v1::LogSettings& settings) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  return google::protobuf::util::JsonStringToMessage(json.dump(), &settings, options).ok();
}

}  // namespace

std::string ArchivedLog::ToText() const {
  const Json json = {{"format", kArchiveFormat},
                     {"cluster_id", place.cluster_id},
                     {"log_id", place.log_id.value()},
                     {"name", name},
                     {"settings", SettingsJson(settings)}};
  return json.dump(1) + "\n";
}

absl::StatusOr<ArchivedLog> ArchivedLog::FromText(std::string_view text) {
  const auto wrong = [] {
    return absl::DataLossError(fmt::format("{} of the archive does not parse", kLogFile));
  };
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return wrong();
  try {  // The seam to the library: what is missing or of another kind.
    if (const int format = json.at("format").get<int>(); format > kArchiveFormat) {
      return absl::FailedPreconditionError(fmt::format(
          "the archive has format {}: expected {}; use a newer version", format, kArchiveFormat));
    }
    ArchivedLog log;
    log.place.cluster_id = json.at("cluster_id").get<std::string>();
    log.place.log_id = GroupId(json.at("log_id").get<uint64_t>());
    log.name = json.at("name").get<std::string>();
    if (!ReadSettings(json.at("settings"), log.settings)) return wrong();
    return log;
  } catch (const Json::exception&) {
    return wrong();
  }
}

}  // namespace cairn::archive
