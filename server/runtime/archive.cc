#include "server/runtime/archive.h"

namespace cairn::server {

std::unique_ptr<Archive> Archive::Make(const NodeConfig* config, ArchiverPorts* ports,
                                       const Clock* clock, Metrics* metrics) {
  if (config->archive_url.empty()) return nullptr;
  return std::unique_ptr<Archive>(new Archive(config, ports, clock, metrics));
}

Archive::Archive(const NodeConfig* config, ArchiverPorts* ports, const Clock* clock,
                 Metrics* metrics)
    : access_(config->archive_url, config->archive_cache_bytes, metrics),
      archiver_(config, ports, &access_, clock, metrics, &archiver_threads_),
      reader_(ports, &access_, clock) {}

void Archive::Start() {
  archiver_.Start();
  reader_.Start();
}

void Archive::Stop() {
  archiver_.Stop();
  access_.Stop();
}

void Archive::Join() {
  archiver_.Join();
  reader_.Stop();
}

void Archive::Describe(GroupId group, cairn::v1::ArchiveStatus& status) const {
  status.set_trouble(archiver_.TroubleOf(group));
  const auto place = archive::LogPlace::FromLocation(status.location());
  if (place) status.set_first_seq(access_.FirstSeqOf(*place).value());
}

}  // namespace cairn::server
