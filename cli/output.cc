#include "cli/output.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace cairn::cli {
namespace {

constexpr std::array<std::pair<Format, std::string_view>, 6> kFormatNames = {{
    {Format::kText, "text"},
    {Format::kJson, "json"},
    {Format::kRaw, "raw"},
    {Format::kHex, "hex"},
    {Format::kLengthPrefixed, "length-prefixed"},
    {Format::kResp, "resp"},
}};

}  // namespace

std::string_view FormatName(Format format) {
  for (const auto& [value, name] : kFormatNames) {
    if (value == format) return name;
  }
  CHECK_UNREACHABLE();
}

Format FormatFromName(std::string_view name) {
  for (const auto& [format, known] : kFormatNames) {
    if (known == name) return format;
  }
  CHECK_UNREACHABLE();
}

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Output::Write(std::string_view bytes) { std::fwrite(bytes.data(), 1, bytes.size(), out_); }

void Output::Note(std::string_view text) {
  std::fflush(out_);  // So that both streams read in the order of events.
  std::fprintf(err_, "%.*s\n", static_cast<int>(text.size()), text.data());
}

void Output::Fail(const Failure& failure) {
  std::fflush(out_);
  const std::string text =
      json() ? DumpJson(Json{{"error", ToJson(failure)}}) + "\n" : FormatFailure(failure);
  std::fwrite(text.data(), 1, text.size(), err_);
}

absl::Status Output::Flush() {
  if (std::fflush(out_) == 0 && std::ferror(out_) == 0) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("the output could not be written: {}", std::strerror(errno)));
}

}  // namespace cairn::cli
