// Help: --help as a manual page in the terminal: NAME, SYNOPSIS, DESCRIPTION, …
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/commands.h"

namespace cairn::cli {

// The CLI11 option group of the options that every command takes.
inline constexpr const char* kGlobalGroup = "Global options";

class ManFormatter : public CLI::Formatter {
 public:
  // For the root and for families.
  ManFormatter() = default;
  // For one command. `spec` must outlive the formatter.
  explicit ManFormatter(const CommandSpec& spec) : spec_(&spec) {}

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;

 private:
  const CommandSpec* spec_ = nullptr;
};

// `text` in lines of at most `columns`, each behind `indent` spaces; existing newlines stay.
std::string Wrap(std::string_view text, size_t indent, size_t columns);

}  // namespace cairn::cli
