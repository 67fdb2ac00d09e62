// plain_agent: the agent without a front: nobody is served, so that tests that speak to the engines
// see what the agent does by itself.
#include <string>
#include <vector>

#include "adapter/redis/agent_process.h"

namespace cairn::adapter::redis {
namespace {

class NoFront : public FrontPort {
 public:
  void EngineUp(FrontEngine) override {}
  void EngineDown() override {}
  void SetMode(FrontMode, FrontReign) override {}
  void Committed(StreamOffset, Seq) override {}
  void Drain(std::function<void()> done) override { done(); }
  void DrainSlots(SlotRanges, std::string, std::function<void()> done) override { done(); }
  void SetView(CacheView) override {}
  void SetLogReachable(bool) override {}
  void Stop() override {}
};

absl::StatusOr<std::unique_ptr<FrontPort>> StartFront(const AgentConfig&, FrontHost*) {
  return std::make_unique<NoFront>();
}

}  // namespace
}  // namespace cairn::adapter::redis

int main(int argc, char** argv) {
  // As the agent is called: "redis" first.
  const std::vector<std::string> words(argv + (argc > 1 ? 2 : 1), argv + argc);
  return cairn::adapter::redis::RunAgentProcess(words, cairn::adapter::redis::StartFront);
}
