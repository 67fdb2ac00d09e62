// The tools, one source file each.
#pragma once

#include <string>

#include "cli/commands.h"

namespace cairn::cli {

Runner DeclareCheck(CLI::App& app);       // check_command.cc
Runner DeclareRecover(CLI::App& app);     // recover_command.cc
Runner DeclareDoctor(CLI::App& app);      // doctor.cc
Runner DeclareDrill(CLI::App& app);       // drill_command.cc
Runner DeclareCompletion(CLI::App& app);  // completion.cc

// The bash script for a tree of commands.
std::string BashCompletion(const CLI::App& root);

}  // namespace cairn::cli
