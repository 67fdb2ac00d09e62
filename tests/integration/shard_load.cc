#include "tests/integration/shard_load.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "tests/integration/process.h"

namespace cairn::integration {
namespace {

using adapter::redis::RespValue;
using history::RegisterCall;
using Kind = LoadKey::Kind;
using Calls = std::vector<std::vector<std::string>>;

constexpr int kClients = 4;
constexpr size_t kMaxCalls = 250;
constexpr uint64_t kMaxUnanswered = 6;
constexpr const char* kLifetime =
    "10000";  // Seconds, of registers, and of what transactions write.
constexpr const char* kScript = "return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))";

int64_t NowUs() { return absl::ToUnixMicros(absl::Now()); }

Calls ReadOf(const LoadKey& key) {
  if (key.kind == Kind::kList) return {{"LLEN", key.name}};
  if (key.kind == Kind::kHash) return {{"HGET", key.name, "n"}};
  return {{"GET", key.name}};
}

std::vector<std::string> IncrementOf(const LoadKey& key) {
  if (key.kind == Kind::kList) return {"RPUSH", key.name, "x"};
  if (key.kind == Kind::kHash) return {"HINCRBY", key.name, "n", "1"};
  return {"INCR", key.name};
}

// The answer is the new value, of transactions the last of a list.
Calls WriteOf(const LoadKey& key, int64_t value, uint64_t how) {
  if (key.kind == Kind::kRegister) {
    return {{"SET", key.name, std::to_string(value), "EX", kLifetime}};
  }
  const std::vector<std::string> call = IncrementOf(key);
  if (how == 0) return {{"MULTI"}, {"EXPIRE", key.name, kLifetime}, call, {"EXEC"}};
  if (how > 1) return {call};
  std::vector<std::string> script = {"EVAL", kScript, "1", key.name, call[0]};
  script.insert(script.end(), call.begin() + 2, call.end());
  return {script};
}

int64_t NumberOf(const RespValue& answer) {
  const RespValue& last = answer.items.empty() ? answer : answer.items.back();
  return last.text.empty() ? last.integer : std::atoll(last.text.c_str());
}

}  // namespace

ShardLoad::ShardLoad(std::vector<std::string> addresses, uint64_t seed)
    : addresses_(std::move(addresses)) {
  for (int i = 0; i < kClients; ++i) {
    threads_.emplace_back([this, seed, i] { Run(seed * kClients + static_cast<uint64_t>(i)); });
  }
}

void ShardLoad::Stop() {
  if (!stop_.HasBeenNotified()) stop_.Notify();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::shared_ptr<LoadKey> ShardLoad::Pick(size_t place) {
  const absl::MutexLock lock(&mutex_);
  std::shared_ptr<LoadKey>& key = places_[place];
  if (key == nullptr || key->calls.size() >= kMaxCalls || key->unanswered >= kMaxUnanswered) {
    key = std::make_shared<LoadKey>();
    key->kind = static_cast<Kind>(place % 4);
    key->name = fmt::format("{}{}", "rclh"[place % 4], all_.size());
    all_.push_back(key);
  }
  return key;
}

void ShardLoad::Note(LoadKey& key, const RegisterCall& call) {
  const absl::MutexLock lock(&mutex_);
  key.calls.push_back(call);
  if (!call.answered()) ++key.unanswered;
  if (call.answered() && call.kind != RegisterCall::Kind::kGet) ++acknowledged_;
}

uint64_t ShardLoad::acknowledged() const {
  const absl::MutexLock lock(&mutex_);
  return acknowledged_;
}

bool ShardLoad::AwaitMore(uint64_t writes) {
  const uint64_t enough = acknowledged() + writes;
  return Eventually([&] { return acknowledged() >= enough; });
}

void ShardLoad::Run(uint64_t seed) {
  Random random(seed);
  SlotClient client(addresses_);
  while (!stop_.HasBeenNotified()) {
    One(client, random);
    stop_.WaitForNotificationWithTimeout(absl::Milliseconds(2));
  }
  moved_ += client.moved();
}

void ShardLoad::One(SlotClient& client, Random& random) {
  static std::atomic<int64_t> next_value{1};
  const std::shared_ptr<LoadKey> key = Pick(random.Below(kPlaces));
  RegisterCall call;
  const bool reads = random.Chance(0.4);
  if (!reads) {
    call.kind =
        key->kind == Kind::kRegister ? RegisterCall::Kind::kSet : RegisterCall::Kind::kIncrement;
    call.value = next_value++;
  }
  const Calls calls = reads ? ReadOf(*key) : WriteOf(*key, call.value, random.Below(4));
  call.begin_us = NowUs();
  const std::optional<RespValue> answer = client.Do(key->name, calls);
  if (answer && answer->error()) {
    ++strange_;
    fmt::print("{}: {}\n", fmt::join(calls.front(), " "), answer->text);
  } else if (answer) {
    call.end_us = NowUs();
    if (call.kind != RegisterCall::Kind::kSet) call.value = NumberOf(*answer);
  }
  if (call.answered() || !reads) Note(*key, call);
}

bool ShardLoad::ReadAll() {
  SlotClient client(addresses_);
  for (const std::shared_ptr<LoadKey>& key : keys()) {
    RegisterCall read;
    read.begin_us = NowUs();
    std::optional<RespValue> answer;
    if (!Eventually([&] { return (answer = client.Do(key->name, ReadOf(*key))).has_value(); })) {
      return false;
    }
    if (answer->error()) return false;
    read.value = NumberOf(*answer);
    read.end_us = NowUs();
    Note(*key, read);
  }
  return true;
}

}  // namespace cairn::integration
