// `cairn drill`: gives its words to cairn-drill, which lies beside this program where tests are
// built. A drill starts clusters and harms them, so it is no part of a tool that is installed.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/tool_commands.h"

namespace cairn::cli {
namespace {

struct DrillWords {
  std::string minutes;
  std::string seed;
  std::string faults;
  std::string nodes;
  std::string dir;
  std::string newborn_rounds;
  std::string network;
  bool keep = false;
  bool list = false;
};

std::vector<std::string> Arguments(const DrillWords& words, Format format) {
  std::vector<std::string> arguments = {"-o", std::string(FormatName(format))};
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    arguments.emplace_back(name);
    arguments.push_back(value);
  };
  add("--minutes", words.minutes);
  add("--seed", words.seed);
  add("--faults", words.faults);
  add("--nodes", words.nodes);
  add("--dir", words.dir);
  add("--newborn-rounds", words.newborn_rounds);
  add("--network", words.network);
  if (words.keep) arguments.emplace_back("--keep");
  if (words.list) arguments.emplace_back("--list");
  return arguments;
}

// Becomes cairn-drill, which checks the values. Returns only when there is none.
absl::StatusOr<ExitCode> RunDrill(const DrillWords& words, Format format) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string program = self.parent_path() / "cairn-drill";
  std::vector<std::string> arguments = Arguments(words, format);
  std::vector<char*> argv = {program.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  return absl::NotFoundError(
      ToAbsl(fmt::format("{}: {}. Drills come with a build that has tests: scripts/test builds it",
                         program, std::strerror(errno))));
}

}  // namespace

Runner DeclareDrill(CLI::App& app) {
  const auto words = std::make_shared<DrillWords>();
  app.add_option("--minutes", words->minutes, "How long faults are injected (5)");
  app.add_option("--seed", words->seed, "Decides victims, order and times (1)");
  app.add_option("--faults", words->faults, "Names, comma-separated (all)");
  app.add_option("--nodes", words->nodes, "3 or 5 (3)");
  app.add_option("--dir", words->dir,
                 "New directory for data and logs (one below the temporary directory)");
  app.add_option("--newborn-rounds", words->newborn_rounds,
                 "Logs that one newborn-log fault makes (as many as fit into 20 s)");
  app.add_option("--network", words->network,
                 "auto, or loopback: without network namespaces (auto)");
  app.add_flag("--keep", words->keep, "Keep the directory although nothing is wrong");
  app.add_flag("--list", words->list, "Print the names of the faults and end");
  return [words](Session& session) { return RunDrill(*words, session.out().format()); };
}

}  // namespace cairn::cli
