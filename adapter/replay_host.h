// ReplayHost: what a process has that replays logs of caches, for snapshots, restores, adoption.
//
// Threads: the executor is the engine thread's; the rest says it of itself. Lifetime: all outlive
// what is given them.
#pragma once

#include <asio/any_io_executor.hpp>
#include <string>
#include <vector>

#include "adapter/background.h"
#include "adapter/progress_report.h"
#include "storage/objects/object_store.h"

namespace cairn::adapter {

struct ReplayHost {
  asio::any_io_executor executor;
  Background* background = nullptr;
  objects::ObjectStore* store = nullptr;  // Null: there is none.
  ProgressReport* report = nullptr;
  // Of throw-away engines; logs of memcached need none.
  std::vector<std::string> engine_command;
};

}  // namespace cairn::adapter
