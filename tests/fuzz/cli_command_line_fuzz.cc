// The tool's command line (cli/command_line.h): an argument on each line.
//
// Beyond "no crash", and no exception of the parser's library: it ends in a command that can be run
// or in an answer that says something, on stderr when it is an error. Nothing is run.
#include "base/check.h"
#include "cli/command_line.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

constexpr size_t kMaxArguments = 24;

void Run(std::string_view bytes) {
  std::vector<std::string> arguments;
  while (!bytes.empty() && arguments.size() < kMaxArguments) {
    const size_t end = bytes.find('\n');
    arguments.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  }
  cli::CommandLine command_line;
  const auto parsed = command_line.Parse(std::move(arguments));
  if (const auto* command = std::get_if<cli::ParsedCommand>(&parsed)) {
    CHECK(command->run != nullptr);
    return;
  }
  const auto& answer = std::get<cli::Answer>(parsed);
  if (answer.exit_code == cli::ExitCode::kOk) {
    CHECK(!answer.out.empty());
  } else {
    CHECK(!answer.err.empty());
  }
}

std::vector<Seed> Seeds() {
  return {
      {"append", "append\n--endpoints\nh:1,h:2\norders\n--if-last-seq\n7\n--metadata\nk=v\nhello"},
      {"read", "read\norders\n--from\n@2026-11-21\n-o\njson"},
      {"tail", "tail\norders\n--from\nnext\n-o\nresp"},
      {"create", "log\ncreate\norders\n--fenced\n--segment-bytes\n16MiB"},
      {"lease", "lease\nkeep\norders\n--ttl\n10s\n--\ntrue"},
      {"help", "--help"},
      {"wrong", "log\ncreat\norders"},
  };
}

const Registered registered({.name = "cli_command_line", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
