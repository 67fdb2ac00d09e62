#include "tests/failover/cache_clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/random.h"

namespace cairn::failover {
namespace {

using history::RegisterCall;
using Kind = RegisterCall::Kind;

constexpr int kWriters = 6;
constexpr size_t kKeys = 8;  // At a time; every other one is a counter.
constexpr size_t kMaxCalls = 250;
constexpr uint64_t kMaxUnanswered = 8;
constexpr size_t kMaxFindings = 20;
// A call that takes longer is unanswered. Longer than a failover with the default TTL.
constexpr absl::Duration kPatience = absl::Seconds(4);
constexpr absl::Duration kConnectPatience = absl::Milliseconds(300);
constexpr absl::Duration kPause = absl::Milliseconds(1);
constexpr absl::Duration kSearchPause = absl::Milliseconds(10);
constexpr const char* kFirst = "pair:first";
constexpr const char* kSecond = "pair:second";

int64_t NowUs() { return absl::ToUnixMicros(absl::Now()); }

std::optional<CacheAnswer> Ask(CacheConnection& connection, const std::string& key,
                               const RegisterCall& call) {
  switch (call.kind) {
    case Kind::kSet:
      return connection.Set(key, call.value);
    case Kind::kIncrement:
      return connection.Increment(key);
    case Kind::kGet:
      return connection.Get(key);
  }
  return std::nullopt;
}

}  // namespace

CacheClients::CacheClients(CacheLab& lab, uint64_t seed)
    : lab_(lab), last_acknowledged_(absl::Now()) {
  for (size_t slot = 0; slot < kKeys; ++slot) {
    const SharedKey key = NewKey(slot % 2 == 0);
    absl::MutexLock lock(&mutex_);
    current_.push_back(key);
  }
  for (int client = 0; client < kWriters; ++client) {
    threads_.emplace_back([this, seed, client] { Write(seed, client); });
  }
  threads_.emplace_back([this] { WritePairs(); });
  for (size_t agent = 0; agent < lab_.agents(); ++agent) {
    threads_.emplace_back([this, agent] { ReadPairs(agent); });
  }
}

CacheClients::~CacheClients() { Stop(); }

void CacheClients::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// ---- Writers ---------------------------------------------------------------------------

bool CacheClients::FindWriter(Way& way) {
  if (way.connection != nullptr) return true;
  const AgentPlace agent = lab_.PlaceOf(way.next_agent++ % lab_.agents());
  // First whether there is anybody; then with the patience of calls.
  if (lab_.kind().ConnectWriter(agent, kConnectPatience) != nullptr) {
    way.connection = lab_.kind().ConnectWriter(agent, kPatience);
  }
  if (way.connection != nullptr) return true;
  absl::SleepFor(kSearchPause);
  return false;
}

void CacheClients::Write(uint64_t seed, int client) {
  Random random(seed * kWriters + static_cast<uint64_t>(client));
  Way way;
  way.next_agent = static_cast<size_t>(client);
  while (!stop_) {
    if (!FindWriter(way)) continue;
    const SharedKey key = PickKey(random.Below(kKeys));
    RegisterCall call;
    if (random.Chance(0.5)) {
      call.kind = Kind::kGet;
    } else if (key->counter) {
      call.kind = Kind::kIncrement;
    } else {
      call.kind = Kind::kSet;
      call.value = next_value_++;
    }
    if (!Call(*way.connection, *key, call)) way.connection.reset();
    absl::SleepFor(kPause);
  }
}

bool CacheClients::Call(CacheConnection& connection, Key& key, RegisterCall call) {
  const bool write = call.kind != Kind::kGet;
  call.begin_us = NowUs();
  const std::optional<CacheAnswer> answer = Ask(connection, key.name, call);
  const int64_t end_us = NowUs();
  if (answer && answer->kind == CacheAnswer::Kind::kNotDone) return false;
  const bool usable = answer && answer->done();
  if (usable) {
    call.end_us = end_us;
    call.value = answer->value;
  } else if (answer && !lab_.kind().MayNotKnow(*answer)) {
    Find(fmt::format("an answer nobody can act on: {}", answer->text));
  }
  if (write && call.answered()) NoteAcknowledged();
  if (write && !call.answered()) ++unanswered_;
  if (!write) ++reads_;
  if (!write && !call.answered()) return usable;
  absl::MutexLock lock(&key.mutex);
  key.calls.push_back(call);
  if (!call.answered()) ++key.unanswered;
  return usable;
}

CacheClients::SharedKey CacheClients::NewKey(bool counter) {
  auto key = std::make_shared<Key>();
  key->counter = counter;
  absl::MutexLock lock(&mutex_);
  key->name = fmt::format("{}:{}", counter ? "counter" : "register", all_.size());
  all_.push_back(key);
  return key;
}

CacheClients::SharedKey CacheClients::PickKey(size_t slot) {
  SharedKey key;
  {
    absl::MutexLock lock(&mutex_);
    key = current_[slot];
  }
  {
    absl::MutexLock lock(&key->mutex);
    if (key->calls.size() < kMaxCalls && key->unanswered < kMaxUnanswered) return key;
  }
  const SharedKey fresh = NewKey(key->counter);
  absl::MutexLock lock(&mutex_);
  if (current_[slot] == key) current_[slot] = fresh;
  return current_[slot];
}

void CacheClients::NoteAcknowledged() {
  ++acknowledged_;
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&mutex_);
  longest_gap_ = std::max(longest_gap_, now - last_acknowledged_);
  last_acknowledged_ = now;
}

absl::Duration CacheClients::TakeLongestGap() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(longest_gap_, absl::ZeroDuration());
}

void CacheClients::Find(std::string finding) {
  absl::MutexLock lock(&mutex_);
  if (findings_.size() < kMaxFindings) findings_.push_back(std::move(finding));
}

// ---- Pairs -----------------------------------------------------------------------------

void CacheClients::WritePairs() {
  Way way;
  const char* next = kFirst;
  while (!stop_) {
    if (!FindWriter(way)) continue;
    const std::optional<CacheAnswer> answer = way.connection->Increment(next);
    if (!answer || !answer->done()) {
      // Perhaps it was done: begin again at the first, which may run ahead.
      way.connection.reset();
      next = kFirst;
    } else {
      next = next == kFirst ? kSecond : kFirst;
    }
    absl::SleepFor(kPause);
  }
}

void CacheClients::ReadPairs(size_t agent) {
  std::unique_ptr<CacheConnection> connection;
  while (!stop_) {
    absl::SleepFor(kPause);
    if (connection == nullptr) connection = lab_.kind().Connect(lab_.PlaceOf(agent), kPatience);
    if (connection == nullptr) {
      absl::SleepFor(kSearchPause);
      continue;
    }
    std::optional<int64_t> values[2];
    for (int i = 0; i < 2 && connection != nullptr; ++i) {
      const std::optional<CacheAnswer> answer = connection->Get(i == 0 ? kSecond : kFirst);
      if (!answer) connection.reset();
      if (answer && answer->done()) values[i] = answer->value;
    }
    if (!values[0] || !values[1]) continue;
    ++replica_reads_;
    if (*values[0] <= *values[1]) continue;
    ++replica_errors_;
    Find(fmt::format("{} showed {} of the second and then {} of the first", CacheLab::Name(agent),
                     *values[0], *values[1]));
  }
}

// ---- The judgement ---------------------------------------------------------------------

CacheVerdict CacheClients::Judge() {
  Stop();
  CacheVerdict verdict;
  for (size_t agent = 0; agent < lab_.agents(); ++agent) ReadAllFrom(agent, verdict);
  JudgeKeys(verdict);
  verdict.acknowledged = acknowledged_;
  verdict.unanswered = unanswered_;
  verdict.reads = reads_;
  verdict.replica_reads = replica_reads_;
  verdict.replica_errors = replica_errors_;
  absl::MutexLock lock(&mutex_);
  verdict.keys = all_.size();
  verdict.findings.insert(verdict.findings.end(), findings_.begin(), findings_.end());
  return verdict;
}

// Nobody writes any more, so what a replica shows has to fit too.
void CacheClients::ReadAllFrom(size_t agent, CacheVerdict& verdict) {
  const auto connection = lab_.kind().Connect(lab_.PlaceOf(agent), kPatience);
  std::vector<SharedKey> keys;
  {
    absl::MutexLock lock(&mutex_);
    keys = all_;
  }
  for (const SharedKey& key : keys) {
    RegisterCall read;
    read.begin_us = NowUs();
    const std::optional<CacheAnswer> answer =
        connection == nullptr ? std::nullopt : connection->Get(key->name);
    if (!answer || !answer->done()) {
      verdict.findings.push_back(fmt::format("{} does not answer for {}: {}", CacheLab::Name(agent),
                                             key->name, answer ? answer->text : "no reply"));
      return;
    }
    read.value = answer->value;
    read.end_us = NowUs();
    absl::MutexLock lock(&key->mutex);
    key->calls.push_back(read);
  }
}

void CacheClients::JudgeKeys(CacheVerdict& verdict) {
  absl::MutexLock lock(&mutex_);
  for (const SharedKey& key : all_) {
    absl::MutexLock key_lock(&key->mutex);
    const history::RegisterVerdict judged = history::CheckRegister(key->calls);
    if (judged.ok()) continue;
    ++verdict.not_linearizable;
    if (verdict.findings.size() >= kMaxFindings) continue;
    verdict.findings.push_back(fmt::format("{}: {}", key->name, judged.explanation));
  }
}

}  // namespace cairn::failover
