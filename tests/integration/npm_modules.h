// Libraries that tests take from npm or from Debian, as they come.
//
// Threads: any. Errors: "" where something cannot be had; a test that wants it skips itself.
#pragma once

#include <string>

namespace cairn::integration {

// The first line that a shell command prints; "" when it cannot run.
std::string FirstLineOf(const std::string& command);

// The directory (for NODE_PATH) where npm put these packages, each as name@version.
std::string NpmModules(const std::string& packages);

}  // namespace cairn::integration
