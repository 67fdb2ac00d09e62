// What the lease commands share.
#pragma once

#include <string>

#include "cli/commands.h"

namespace cairn::cli {

Runner DeclareLeaseKeep(CLI::App& app);  // lease_keep.cc

struct LeaseTarget {
  std::string log;
  std::string lease = "primary";
};
void AddLeaseTarget(CLI::App& app, LeaseTarget& target);
void AddHolder(CLI::App& app, std::string& holder);

// A holder's name that no other run of the tool has.
std::string MakeHolder();

}  // namespace cairn::cli
