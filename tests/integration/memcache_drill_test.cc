// A drill: clients of all agents set, increment and read a few keys while processes are killed and
// stopped in turn, by a seed; then each key's history must have an order that explains every answer
// (tests/history/register_history.h), and all engines must hold the same.
//
// CAIRN_DRILL_SECONDS and CAIRN_DRILL_SEED make it longer, and another one.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "base/random.h"
#include "tests/history/register_history.h"
#include "tests/integration/memcache_tools.h"
#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

using history::RegisterCall;

constexpr int kClients = 6;
constexpr size_t kMaxCalls = 250;  // Of a key; then another one takes its place.
constexpr uint64_t kMaxUnanswered = 8;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

int64_t NowUs() { return absl::ToUnixMicros(absl::Now()); }

std::optional<int64_t> Number(std::string_view text) {
  int64_t value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && at == text.data() + text.size() ? std::optional(value)
                                                                 : std::nullopt;
}

struct Key {
  std::string name;
  bool counter = false;
  std::vector<RegisterCall> calls;
  uint64_t unanswered = 0;
};

class Histories {
 public:
  // A key in this place, which goes on if its history can still be judged.
  std::shared_ptr<Key> Pick(size_t place) {
    const absl::MutexLock lock(&mutex_);
    std::shared_ptr<Key>& key = places_[place];
    const bool full =
        key == nullptr || key->calls.size() >= kMaxCalls || key->unanswered >= kMaxUnanswered;
    if (full) {
      key = std::make_shared<Key>();
      key->counter = place % 2 == 0;
      key->name = fmt::format("{}{}", key->counter ? 'c' : 'r', all_.size());
      all_.push_back(key);
    }
    return key;
  }

  void Note(Key& key, const RegisterCall& call) {
    const absl::MutexLock lock(&mutex_);
    key.calls.push_back(call);
    if (!call.answered()) ++key.unanswered;
    if (call.answered() && call.kind != RegisterCall::Kind::kGet) ++acknowledged_;
  }

  uint64_t acknowledged() {
    const absl::MutexLock lock(&mutex_);
    return acknowledged_;
  }

  // Requires: nobody calls any more.
  std::vector<std::shared_ptr<Key>> All() {
    const absl::MutexLock lock(&mutex_);
    return all_;
  }

  static constexpr size_t kPlaces = 8;

 private:
  absl::Mutex mutex_;
  std::shared_ptr<Key> places_[kPlaces] ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Key>> all_ ABSL_GUARDED_BY(mutex_);
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The answer's value; nullopt: it is unknown what became of the call.
std::optional<int64_t> Ask(MemcacheClient& client, const std::string& key,
                           const RegisterCall& call) {
  using Kind = RegisterCall::Kind;
  if (call.kind == Kind::kGet) {
    const auto item = client.Get(key);
    if (!item) return std::nullopt;
    return item->has_value() ? Number((**item).value) : 0;
  }
  if (call.kind == Kind::kSet) {
    const bool stored = client.Set(key, std::to_string(call.value)) == "STORED";
    return stored ? std::optional(call.value) : std::nullopt;
  }
  // Begins with 1 if there is none.
  if (!client.Send(fmt::format("ma {} N0 J1 v\r\n", key))) return std::nullopt;
  const auto reply = client.Read(adapter::memcache::ReplyKind::kMeta);
  if (!reply || !reply->starts_with("VA ")) return std::nullopt;
  const size_t from = reply->find("\r\n") + 2;
  return Number(std::string_view(*reply).substr(from, reply->size() - 2 - from));
}

void Write(const MemcacheWorld& world, Histories& histories, uint64_t seed,
           const absl::Notification& stop) {
  static std::atomic<int64_t> next_value{1};
  Random random(seed);
  std::unique_ptr<MemcacheClient> client;
  while (!stop.HasBeenNotified()) {
    if (client == nullptr) {
      client = MemcacheClient::Connect(world.Address(random.Below(world.size())), absl::Seconds(4));
      if (client == nullptr) stop.WaitForNotificationWithTimeout(absl::Milliseconds(10));
      continue;
    }
    const std::shared_ptr<Key> key = histories.Pick(random.Below(Histories::kPlaces));
    RegisterCall call;
    if (random.Chance(0.5)) {
      call.kind = key->counter ? RegisterCall::Kind::kIncrement : RegisterCall::Kind::kSet;
      if (!key->counter) call.value = next_value++;
    }
    call.begin_us = NowUs();
    const std::optional<int64_t> answer = Ask(*client, key->name, call);
    if (answer) {
      call.value = *answer;
      call.end_us = NowUs();
    }
    if (!answer) client.reset();
    if (answer || call.kind != RegisterCall::Kind::kGet) histories.Note(*key, call);
    stop.WaitForNotificationWithTimeout(absl::Milliseconds(1));
  }
}

// Harms one process, and undoes it.
void Harm(MemcacheWorld& world, Random& random, const absl::Notification& stop) {
  const std::optional<size_t> primary = world.AwaitPrimary();
  ASSERT_TRUE(primary.has_value());
  const size_t victim = random.Chance(0.7) ? *primary : random.Below(world.size());
  const absl::Duration pause = absl::Milliseconds(random.Between(200, 2'500));
  switch (random.Below(5)) {
    case 0:
      world.KillAgent(victim);
      stop.WaitForNotificationWithTimeout(pause);
      return world.StartAgent(victim);
    case 1:
      world.KillEngine(victim);
      stop.WaitForNotificationWithTimeout(pause);
      return;
    case 2:
      world.Stop(victim);
      stop.WaitForNotificationWithTimeout(pause);
      return world.Signal(victim, SIGCONT);
    case 3: {
      // One that has just begun does not know the signal yet.
      EXPECT_TRUE(Eventually([&] { return world.Metric(victim, "cairn_agent_ready") == 1.0; }));
      world.Signal(victim, SIGTERM);
      EXPECT_EQ(world.AwaitExit(victim), std::optional<int>(0)) << world.Output(victim);
      return world.StartAgent(victim);
    }
    default: {
      const size_t node = random.Below(world.cluster().size());
      world.cluster().Kill(node);
      stop.WaitForNotificationWithTimeout(pause);
      return world.cluster().Start(node);
    }
  }
}

// As further calls of the histories. Requires: nobody calls any more.
void ReadFromAllAgents(const MemcacheWorld& world, Histories& histories) {
  for (const std::shared_ptr<Key>& key : histories.All()) {
    for (size_t agent = 0; agent < world.size(); ++agent) {
      RegisterCall read;
      read.begin_us = NowUs();
      const auto answer = Ask(*world.Client(agent), key->name, read);
      ASSERT_TRUE(answer.has_value()) << world.Output(agent);
      read.value = *answer;
      read.end_us = NowUs();
      histories.Note(*key, read);
    }
  }
}

// The flags are for every agent. Judges what all agents and the log must agree on.
void Drill(const std::vector<std::string>& flags, Histories& histories) {
  const auto seed = static_cast<uint64_t>(FromEnvironment("CAIRN_DRILL_SEED", 1));
  const absl::Duration time = absl::Seconds(FromEnvironment("CAIRN_DRILL_SECONDS", 15));
  SCOPED_TRACE(fmt::format("CAIRN_DRILL_SEED={}", seed));
  MemcacheWorld world({.nodes = 3, .flags = flags});
  world.StartAllAgents();
  ASSERT_TRUE(world.AwaitAllServe());
  absl::Notification stop;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] { Write(world, histories, seed * kClients + i, stop); });
  }
  Random random(seed);
  const absl::Time end = absl::Now() + time;
  while (absl::Now() < end && !::testing::Test::HasFailure()) Harm(world, random, stop);
  // Whoever was harmed last, clients are served again.
  const uint64_t enough = histories.acknowledged() + 50;
  EXPECT_TRUE(Eventually([&] { return histories.acknowledged() >= enough; }));
  stop.Notify();
  for (std::thread& client : clients) client.join();

  ASSERT_TRUE(world.AwaitSameEngines());
  EXPECT_EQ(world.EngineItems(0), MemcacheTools(world).Fold());
  ReadFromAllAgents(world, histories);
  fmt::print("{} changes acknowledged over {} keys\n", histories.acknowledged(),
             histories.All().size());
}

TEST(MemcacheDrillTest, EveryAnswerHasItsPlaceWhateverDies) {
  Histories histories;
  ASSERT_NO_FATAL_FAILURE(Drill({}, histories));
  for (const std::shared_ptr<Key>& key : histories.All()) {
    const history::RegisterVerdict verdict = history::CheckRegister(key->calls);
    EXPECT_TRUE(verdict.ok()) << key->name << ": " << verdict.explanation;
  }
}

// What is lost has no place in a history. But whatever is left was written by somebody, and all
// agents say the same.
TEST(MemcacheDrillTest, WriteBehindAgreesWhateverDies) {
  Histories histories;
  ASSERT_NO_FATAL_FAILURE(Drill({"--mode", "write-behind"}, histories));
  for (const std::shared_ptr<Key>& key : histories.All()) {
    const int64_t left = key->calls.back().value;
    const size_t agents = 3;
    for (size_t i = key->calls.size() - agents; i < key->calls.size(); ++i) {
      EXPECT_EQ(key->calls[i].value, left) << key->name;
    }
    const bool written = std::any_of(key->calls.begin(), key->calls.end(), [&](const auto& call) {
      return call.kind == RegisterCall::Kind::kSet && call.value == left;
    });
    EXPECT_TRUE(key->counter || written || left == 0) << key->name << ": " << left;
  }
}

}  // namespace
}  // namespace cairn::integration
