// `cairn archive restore`, in a source of its own.
#pragma once

#include "cli/commands.h"

namespace cairn::cli {

Runner DeclareArchiveRestore(CLI::App& app);  // archive_restore.cc

}  // namespace cairn::cli
