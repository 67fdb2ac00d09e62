// CommandLine: argv in, a command ready to run (or a finished answer) out.
//
// Builds the parser from the table in cli/commands.h. CLI11's exceptions end here.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/session.h"

namespace cairn::cli {

struct ParsedCommand {
  Runner run;
  GlobalOptions global;
  Format format = Format::kText;
};

// Nothing to run: --help, --version or a usage error.
struct Answer {
  ExitCode exit_code = ExitCode::kOk;
  std::string out;  // For stdout.
  std::string err;  // For stderr.
};

class CommandLine {
 public:
  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // May be called once. `args` without the program's name.
  std::variant<ParsedCommand, Answer> Parse(std::vector<std::string> args);

  // The whole tree, for the completion script.
  [[nodiscard]] const CLI::App& app() const { return app_; }

 private:
  struct Leaf {
    const CLI::App* app;
    Runner run;
    std::string format;  // Of -o.
  };

  void AddFamily(const CommandFamily& family);
  // The subcommand `name`, which is made if there is none.
  CLI::App& AddFamilyApp(CLI::App& parent, const std::string& name, const std::string& summary);
  void AddCommand(CLI::App& parent, const CommandSpec& spec);
  void AddGlobalOptions(CLI::App& app);
  // The subcommand that the arguments reached, or the root.
  [[nodiscard]] const CLI::App& Deepest() const;

  CLI::App app_;
  GlobalOptions global_;
  std::vector<std::unique_ptr<Leaf>> leaves_;
};

}  // namespace cairn::cli
