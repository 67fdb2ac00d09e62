// SimArchive: what a simulated node does about the archive: the real Archiver over threads of the
// simulator, and its way to the store of objects.
//
// Threads: the simulator's. Lifetime: the node's process; what is passed outlives it. Stop, then
// the
//   worker's end, then Join, as Archiver has it.
#pragma once

#include "base/clock.h"
#include "server/runtime/archive_access.h"
#include "server/runtime/archiver.h"
#include "server/runtime/config.h"
#include "server/runtime/metrics.h"
#include "tests/sim/sim_objects.h"
#include "tests/sim/sim_threads.h"

namespace cairn::sim {

class SimArchive {
 public:
  SimArchive(const server::NodeConfig* config, server::ArchiverPorts* ports, const Clock* clock,
             SimObjects* objects);

  // Lets those of its threads run that have something to do.
  void Run() { threads_.Run(); }
  void Stop();
  void Join() { archiver_.Join(); }

 private:
  SimThreads threads_;
  server::Metrics metrics_;
  server::ArchiveAccess access_;
  server::Archiver archiver_;
};

}  // namespace cairn::sim
