// Archive: all that a node has to do with the archive of its logs: the store, the archiver of those
// that it leads, the reader of what is trimmed. Made only where --archive-url says where it is.
//
// Threads: Start, Stop and Join as the host's (group_host.h): Stop, then the workers' stop, then
//   Join; the rest from any thread, never blocking.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/threads.h"
#include "cairn/v1/log.pb.h"
#include "server/runtime/archive_access.h"
#include "server/runtime/archive_reader.h"
#include "server/runtime/archiver.h"
#include "server/runtime/config.h"
#include "server/runtime/metrics.h"

namespace cairn::server {

class Archive {
 public:
  // Null without --archive-url. All arguments outlive it.
  static std::unique_ptr<Archive> Make(const NodeConfig* config, ArchiverPorts* ports,
                                       const Clock* clock, Metrics* metrics);

  void Start();
  void Stop();
  void Join();

  [[nodiscard]] ArchiveReader& reader() { return reader_; }
  // Without secrets; empty until the store could be opened.
  [[nodiscard]] std::string location() const { return access_.location(); }
  [[nodiscard]] int64_t LagUs() const { return archiver_.LagUs(); }
  // Adds what this node knows of a log's archive to what the log knows.
  void Describe(GroupId group, cairn::v1::ArchiveStatus& status) const;

 private:
  Archive(const NodeConfig* config, ArchiverPorts* ports, const Clock* clock, Metrics* metrics);

  ArchiveAccess access_;
  SystemThreads archiver_threads_;
  Archiver archiver_;
  ArchiveReader reader_;
};

}  // namespace cairn::server
