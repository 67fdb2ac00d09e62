// OptionTable: what can be set about a program, from flags, environment and a TOML file.
//
// The three sources share their names: the flag --tick-ms is PREFIX_TICK_MS in the environment and
// `tick-ms` in the file. Flags win over the environment, which wins over the file, which wins over
// the defaults. One table holds each option's name, range, default and reason, and makes the help
// text, the parser and every error. Each error names the option, where the value came from, the
// value, and what was expected.
//
// Threads: none; plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cairn {

// Says what is wrong with a text; "" when nothing is.
using TextCheck = std::function<std::string(std::string_view)>;

enum class OptionUnit : uint8_t { kCount, kMillis, kBytes };

class OptionTable {
 public:
  struct Program {
    std::string name;         // "cairn-agent redis"
    std::string about;        // One line.
    std::string environment;  // "CAIRN_AGENT_"
    std::string version;
    std::string footer;
  };
  explicit OptionTable(Program program) : program_(std::move(program)) {}

  // The targets outlive the table and hold the defaults.
  void Text(std::string name, std::string* target, TextCheck check, std::string help);
  void Number(std::string name, uint64_t* target, OptionUnit unit, uint64_t min, uint64_t max,
              std::string help);
  void Number(std::string name, uint32_t* target, OptionUnit unit, uint32_t min, uint32_t max,
              std::string help);
  void Switch(std::string name, bool* target, std::string help);
  // Anything else: `set` takes the text, or says what is wrong with it.
  void Custom(std::string name, TextCheck set, std::string help);

  // What the command line asked for.
  struct Asked {
    bool check_config = false;
    std::string print;  // Not empty: print this (help, version) and exit.
  };
  // Null when a variable is unset.
  using Environment = const char* (*)(const char* name);

  // Sets the targets. `argv` begins with the first flag. Errors: kInvalidArgument, worded for the
  // operator.
  absl::StatusOr<Asked> Parse(const std::vector<std::string>& argv, Environment environment);

 private:
  struct Option {
    std::string name;
    std::string help;
    std::string range;  // With the default, for the help.
    // Sets the target; what is wrong with the value, "" when nothing is.
    std::function<std::string(std::string_view)> set;
  };
  struct Sources;

  void AddNumber(std::string name, uint64_t initial, OptionUnit unit, uint64_t min, uint64_t max,
                 std::string help, std::function<void(uint64_t)> store);
  [[nodiscard]] std::string EnvironmentName(std::string_view option) const;
  absl::Status ReadFile(const std::string& path, Sources* sources) const;
  absl::StatusOr<Asked> ReadFlags(const std::vector<std::string>& argv, Sources* sources,
                                  std::string* config_path) const;
  absl::Status Set(const Sources& sources) const;

  const Program program_;
  std::vector<Option> options_;
};

// "" when `address` is "host:port" with a port in 1 … 65535 (IPv6 hosts in brackets), else what is
// wrong with it.
std::string CheckHostPort(std::string_view address);
// "" unless `address`, a "host:port", is one to listen at that nobody can connect to.
std::string CheckNoWildcard(std::string_view address);

// For options with few values.
TextCheck OneOf(std::vector<std::string> values);

}  // namespace cairn
