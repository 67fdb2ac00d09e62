#include "adapter/tool_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/strings.h"

namespace cairn::adapter {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitConfig = 2;

const char* FromEnvironment(const char* name) { return std::getenv(name); }

}  // namespace

int RunToolProcess(OptionTable& table, std::vector<std::string> argv,
                   const std::function<absl::Status()>& finish,
                   const std::function<int(const OptionTable::Asked&)>& run) {
  std::replace(argv.begin(), argv.end(), std::string("-o"), std::string("--output"));
  const absl::StatusOr<OptionTable::Asked> asked = table.Parse(argv, FromEnvironment);
  absl::Status status = asked.status();
  if (status.ok() && asked->print.empty()) status = finish();
  if (!status.ok()) {
    fmt::print(stderr, "cairn-agent: {}\n", ToStd(status.message()));
    return kExitConfig;
  }
  if (!asked->print.empty()) {
    fmt::print("{}\n", asked->print);
    return kExitOk;
  }
  return run(*asked);
}

}  // namespace cairn::adapter
