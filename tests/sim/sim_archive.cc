#include "tests/sim/sim_archive.h"

#include <memory>

namespace cairn::sim {

SimArchive::SimArchive(const server::NodeConfig* config, server::ArchiverPorts* ports,
                       const Clock* clock, SimObjects* objects)
    : threads_(clock),
      access_([this, objects] { return std::make_unique<SimObjectsFromAfar>(objects, &threads_); },
              config->archive_cache_bytes, &metrics_),
      archiver_(config, ports, &access_, clock, &metrics_, &threads_) {
  archiver_.Start();
}

void SimArchive::Stop() {
  archiver_.Stop();
  access_.Stop();
}

}  // namespace cairn::sim
