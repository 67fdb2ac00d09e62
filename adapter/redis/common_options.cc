#include "adapter/redis/common_options.h"

#include "absl/strings/str_split.h"
#include "adapter/engine_socket.h"
#include "adapter/redis/agent_config.h"
#include "base/strings.h"

namespace cairn::adapter::redis {

std::string CheckNotEmpty(std::string_view text) { return text.empty() ? "expected a value" : ""; }

std::string CheckEngine(std::string_view text) {
  const auto address = ParseEngineAddress(text);
  return address.ok() ? "" : std::string(ToStd(address.status().message()));
}

std::string CheckCommand(std::string_view text) {
  const auto words = SplitCommand(text);
  if (!words.ok()) return std::string(ToStd(words.status().message()));
  return words->empty() ? "expected a program and its options" : "";
}

ClientOptions ClusterOptions(std::string_view endpoints) {
  ClientOptions options = Client::OptionsFromEnvironment();
  if (endpoints.empty()) return options;
  options.endpoints.clear();
  for (const absl::string_view endpoint :
       absl::StrSplit(ToAbsl(endpoints), ',', absl::SkipEmpty())) {
    options.endpoints.emplace_back(endpoint.data(), endpoint.size());
  }
  return options;
}

}  // namespace cairn::adapter::redis
