// HoldDrill: what the programs of drills do around one: a directory of their own, the verdict's
// page, and an exit code.
//
// Exit codes: 0 passed; 1 something is wrong, or no drill could be held; 130 interrupted. Nothing
// is left behind in any case, but for the directory of a drill that found something.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/strings.h"
#include "cli/interrupt.h"

namespace cairn::fault {

struct DrillProgram {
  std::string name;   // For what it says.
  bool keep = false;  // The directory, although nothing is wrong.
  bool json = false;
};

// The folder of the program that runs.
inline std::string ProgramFolder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

// `run(interrupt)` gives a StatusOr of a verdict with Passed, Text and Json. `dir` is set to a new
// directory if it is empty; one with files in it is data of somebody else.
template <class Run>
int HoldDrill(const DrillProgram& program, std::string& dir, Run run) {
  constexpr int kExitFailed = 1;
  constexpr int kExitInterrupted = 130;
  if (dir.empty()) {
    dir = std::filesystem::temp_directory_path() / fmt::format("{}-{}", program.name, getpid());
  }
  std::error_code error;
  if (std::filesystem::exists(dir, error) && !std::filesystem::is_empty(dir, error)) {
    fmt::print(stderr, "{}: {} is not empty\n", program.name, dir);
    return kExitFailed;
  }
  const cli::Interrupt interrupt;
  const auto verdict = run(&interrupt);
  if (interrupt.Requested()) {
    std::filesystem::remove_all(dir);
    return kExitInterrupted;
  }
  if (!verdict.ok()) {
    fmt::print(stderr, "{}: {}\nData and logs are in {}\n", program.name,
               ToStd(verdict.status().message()), dir);
    return kExitFailed;
  }
  fmt::print("{}", program.json ? verdict->Json() : verdict->Text());
  if (verdict->Passed() && !program.keep) {
    std::filesystem::remove_all(dir);
  } else {
    fmt::print(stderr, "Data and logs are in {}\n", dir);
  }
  return verdict->Passed() ? 0 : kExitFailed;
}

}  // namespace cairn::fault
