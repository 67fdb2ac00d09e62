// The tool's version, from the project's CMakeLists.txt.
#pragma once

namespace cairn::cli {

inline constexpr const char* kVersion = CAIRN_VERSION;

}  // namespace cairn::cli
