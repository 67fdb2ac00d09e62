#include "tests/integration/shard_world.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "cairn/tailer.h"

namespace cairn::integration {
namespace {

using adapter::redis::MovePhase;
using adapter::redis::SlotLog;
using adapter::redis::SlotState;

constexpr char kCache[] = "cache";
constexpr absl::Duration kCallTimeout = absl::Seconds(2);
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr int kMoveSeconds = 120;

AgentWorld::Options OptionsOf(size_t nodes, size_t agents) {
  AgentWorld::Options options;
  options.nodes = nodes;
  options.agents = agents;
  options.program = "cairn-agent";
  options.logs = 2;
  options.ttl_ms = 2000;
  return options;
}

// The record is of the move in this phase, or of what came behind that.
bool Reached(const Record& record, uint64_t move, MovePhase phase) {
  const auto state = adapter::redis::ReadSlotState(record.payload);
  if (!state.ok()) return false;
  if (state->last_move >= move) return true;
  return state->move && state->move->number == move && state->move->phase >= phase;
}

}  // namespace

ShardWorld::ShardWorld(size_t nodes, size_t agents) : world_(OptionsOf(nodes, agents)) {}

void ShardWorld::Begin() {
  world_.StartAllAgents();
  for (size_t log = 0; log < 2; ++log) {
    ASSERT_TRUE(world_.AwaitPrimaryOf(log).has_value()) << world_.Output(log);
  }
  Connect();
}

void ShardWorld::Connect() {
  ClientOptions options;
  options.endpoints = {world_.Endpoints().substr(0, world_.Endpoints().find(','))};
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  client_ = *std::move(client);
}

std::vector<std::string> ShardWorld::Addresses() const {
  std::vector<std::string> addresses;
  for (size_t agent = 0; agent < world_.size(); ++agent) {
    addresses.push_back(world_.Address(agent));
  }
  return addresses;
}

std::optional<SlotLog> ShardWorld::OpenSlots() {
  std::optional<SlotLog> slots;
  EXPECT_TRUE(Eventually([&] {
    auto log = SlotLog::Open(client_.get(), kCache, false, {.timeout = kCallTimeout});
    if (log.ok()) slots = *std::move(log);
    return log.ok();
  }));
  return slots;
}

SlotState ShardWorld::Slots() {
  const std::optional<SlotLog> slots = OpenSlots();
  std::optional<SlotState> state;
  EXPECT_TRUE(slots && Eventually([&] {
                const auto entry = slots->Read({.timeout = kCallTimeout});
                if (entry.ok() && entry->has_value()) state = (**entry).state;
                return state.has_value();
              }));
  return state.value_or(SlotState());
}

void ShardWorld::StartTool(const std::vector<std::string>& words) {
  Process::Command command{.output = world_.File("tool")};
  command.argv = {CAIRN_BIN_DIR "/cairn-agent",
                  "reshard",
                  "--cache",
                  kCache,
                  "--endpoints",
                  world_.Endpoints()};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  tool_ = std::make_unique<Process>();
  tool_->Start(std::move(command));
}

int ShardWorld::Tool(const std::vector<std::string>& words) {
  StartTool(words);
  return tool_->AwaitExit(kMoveSeconds).value_or(-1);
}

bool ShardWorld::AwaitPhase(uint64_t move, MovePhase phase) {
  const auto log = SlotLog::Open(client_.get(), kCache, false, {.timeout = kPatience});
  if (!log.ok()) return false;
  auto tailer = Tailer::Open(log->log(), {});
  if (!tailer.ok()) return false;
  const absl::Time give_up = absl::Now() + kPatience;
  while (absl::Now() < give_up) {
    const auto event = (*tailer)->Next(absl::Milliseconds(200));
    if (!event.ok()) continue;
    for (const RecordBatch& batch : event->batches) {
      for (const Record& record : batch.records) {
        if (Reached(record, move, phase)) return true;
      }
    }
  }
  return false;
}

bool ShardWorld::AwaitOver(uint64_t move) {
  return Eventually([&] { return Slots().last_move >= move; }, kMoveSeconds);
}

int ShardWorld::CountEngines(const std::string& key) {
  int found = 0;
  for (size_t log = 0; log < 2; ++log) {
    const auto primary = world_.AwaitPrimaryOf(log);
    const auto engine = primary ? world_.Engine(*primary) : nullptr;
    const auto there = engine == nullptr ? std::nullopt : engine->Do({"EXISTS", key});
    if (!there) return -1;
    found += static_cast<int>(there->integer);
  }
  return found;
}

}  // namespace cairn::integration
