#include "tests/integration/memcache_tools.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <sstream>

namespace cairn::integration {

std::vector<std::string> MemcacheTools::Command(const std::string& tool,
                                                std::vector<std::string> flags) const {
  std::vector<std::string> argv = {
      CAIRN_BIN_DIR "/cairn-agent", tool, "--log", log_, "--endpoints", world_.Endpoints()};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return argv;
}

std::pair<std::string, int> MemcacheTools::Run(const std::string& tool,
                                               std::vector<std::string> flags) {
  Process process;
  const std::string output = world_.File(fmt::format("tool{}.out", ++runs_));
  flags.insert(flags.end(), {"--store", world_.StoreUrl(), "--work-dir", world_.File(""), "-o"});
  flags.emplace_back("json");
  process.Start({.argv = Command(tool, std::move(flags)), .environment = {}, .output = output});
  const std::optional<int> status = process.AwaitExit();
  return {ReadWholeFile(output), status.value_or(-1)};
}

nlohmann::json MemcacheTools::RunWell(const std::string& tool, std::vector<std::string> flags) {
  const auto [output, status] = Run(tool, std::move(flags));
  EXPECT_EQ(status, 0) << output;
  if (status != 0) return nlohmann::json::object();
  const size_t end = output.find_last_not_of('\n');
  const size_t begin = output.rfind('\n', end);
  return nlohmann::json::parse(output.substr(begin == std::string::npos ? 0 : begin + 1));
}

// The items are lines "ms KEY BYTES FLAGS…", each with its value behind it.
MemcacheItems MemcacheTools::Fold() {
  MemcacheItems items;
  const std::string file = world_.File(fmt::format("fold{}", ++runs_));
  RunWell("restore", {"--commands", file});
  std::istringstream commands(ReadWholeFile(file));
  std::string line;
  while (std::getline(commands, line)) {
    std::istringstream words(line);
    std::string word;
    std::string key;
    size_t bytes = 0;
    if (!(words >> word >> key >> bytes) || word != "ms") continue;
    std::string flags = "0";
    while (words >> word) {
      if (word.starts_with('F')) flags = word.substr(1);
    }
    std::string value(bytes + 2, ' ');
    commands.read(value.data(), static_cast<std::streamsize>(value.size()));
    items[key] = fmt::format("{} {}", flags, value.substr(0, bytes));
  }
  return items;
}

bool MemcacheTools::AppendTo(const std::string& log, const std::string& payload) {
  std::ofstream(world_.File("payload")) << payload;
  const std::string cairn = CAIRN_BIN_DIR "/cairn";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{cairn, "log", "create", log, "--endpoints", world_.Endpoints()},
        {cairn, "append", log, world_.File("payload"), "--endpoints", world_.Endpoints()}}) {
    Process process;
    process.Start({.argv = words, .environment = {}, .output = world_.File("cairn.out")});
    if (process.AwaitExit() != 0) return false;
  }
  return true;
}

}  // namespace cairn::integration
