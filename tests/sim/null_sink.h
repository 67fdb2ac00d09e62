// NullSink: for answers that nobody waits for.
#pragma once

#include "server/group_events.h"

namespace cairn::sim {

class NullSink final : public server::ReplySink {
 public:
  void OnReply(uint64_t, server::Reply) override {}
};
inline NullSink null_sink;

}  // namespace cairn::sim
