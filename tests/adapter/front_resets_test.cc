// The front, while connections of clients and of the engine break at random bytes: nobody gets
// another's reply, or one twice; and when all of them have gone, nothing of them is left.
//
// CAIRN_RESETS_SECONDS and CAIRN_RESETS_SEED make it longer, and another one.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "tests/adapter/fickle_link.h"
#include "tests/adapter/front_lab.h"
#include "tests/adapter/tagged_client.h"

namespace cairn::adapter::redis {
namespace {

constexpr size_t kClients = 24;
constexpr int kThreads = 2;
constexpr int64_t kEraSeconds = 2;
// What the allocator may hold more after the last era than after the first: the reign comes to
// remember some MiB of commits at most. (An era makes hundreds of clients and connections, of which
// each has tens of KiB of buffers.)
constexpr size_t kMayGrowBytes = size_t{2} << 20;

using Way = TaggedClient::Way;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

FrontOptions Options() {
  FrontOptions options;
  options.io_threads = kThreads;
  return options;
}

class ResetStorm {
 public:
  explicit ResetStorm(uint64_t seed)
      : lab_(Options()),
        random_(seed),
        link_(lab_.world().executor(), lab_.engine().address(), random_.Next()) {
    const std::string& address = lab_.front().address();
    port_ = std::stoi(address.substr(address.rfind(':') + 1));
    lab_.EngineUpAt(link_.address());
  }

  // Clients come and go while everything breaks, and then none are left.
  void RunEra() {
    records_.clear();
    link_.SetCalm(false);
    const MonoMicros end_us = SystemClock().Mono() + kEraSeconds * kMicrosPerSecond;
    ASSERT_TRUE(lab_.world().Until([&] {
      StepAll(/*replace=*/true);
      Disturb();
      return trouble_ != "" || SystemClock().Mono() > end_us;
    }));
    link_.SetCalm(true);
    lab_.SetCommitting(true);
    for (const auto& client : clients_) client->Finish();
    EXPECT_TRUE(lab_.world().Until([&] {
      StepAll(/*replace=*/false);
      return clients_.empty();
    })) << "a client waits for ever";
    ASSERT_EQ(trouble_, "");
  }

  // What the engine has of each client is what it was told, or more by what it was not told.
  void CheckKeys() {
    FrontClient reader(&lab_);
    int database = 0;
    for (const TaggedClient::Record& record : records_) {
      if (record.database != std::exchange(database, record.database)) {
        ASSERT_EQ(reader.Ask({"SELECT", std::to_string(database)}), "+OK\r\n");
      }
      // A mark that nobody takes away would hold this reply.
      const std::string reply = reader.Ask({"INCRBY", record.counter, "0"});
      int64_t value = -1;
      std::from_chars(reply.data() + 1, reply.data() + reply.size(), value);
      EXPECT_GE(value, record.acknowledged) << record.counter;
      EXPECT_LE(value, record.asked) << record.counter;
    }
  }

  // Clients, slots and replies are gone; the engine and the front agree on their connections, which
  // are as many as clients may need at a time.
  void CheckRest() {
    EXPECT_TRUE(lab_.world().Until([&] {
      const FrontStats stats = lab_.front().Stats();
      return stats.clients == 0 && stats.held_replies == 0 && stats.held_bytes == 0 &&
             EngineClients() == stats.backends;
    })) << Describe();
    EXPECT_LE(lab_.front().Stats().backends, kThreads * 3 * (kClients + 1));
    const auto drained = std::make_shared<std::atomic<int>>(0);
    lab_.SetMode(FrontMode::kPausing);
    lab_.front().Drain([drained] { ++*drained; });
    EXPECT_TRUE(lab_.world().Until([&] { return *drained > 0; }))
        << "a write is under way for ever";
    lab_.SetMode(FrontMode::kPrimary);
  }

  // Without an engine there is no connection to it, on neither side.
  void CheckBase() {
    lab_.EngineDown();
    EXPECT_TRUE(lab_.world().Until([&] {
      return lab_.front().Stats().backends == 0 && EngineClients() == 0;
    })) << Describe();
    lab_.EngineUpAt(link_.address());
  }

  [[nodiscard]] const FickleLink::Counts& counts() const { return link_.counts(); }
  [[nodiscard]] uint64_t answered() const { return answered_; }
  [[nodiscard]] uint64_t ended_well() const { return ended_well_; }
  [[nodiscard]] uint64_t clients() const { return next_id_ - 1; }

 private:
  void StepAll(bool replace) {
    for (size_t i = 0; i < clients_.size();) {
      clients_[i]->Step();
      if (!clients_[i]->finished()) {
        ++i;
        continue;
      }
      Note(*clients_[i]);
      clients_[i] = std::move(clients_.back());
      clients_.pop_back();
    }
    // Those who have vanished keep their place.
    while (replace && clients_.size() < kClients) AddClient();
  }

  void AddClient() {
    constexpr Way kWays[] = {Way::kSteady, Way::kSteady,      Way::kResets,     Way::kResets,
                             Way::kResets, Way::kReadsSlowly, Way::kHalfCloses, Way::kVanishes};
    const Way way = kWays[random_.Below(std::size(kWays))];
    clients_.push_back(std::make_unique<TaggedClient>(port_, next_id_++, way, random_.Next()));
  }

  void Note(const TaggedClient& client) {
    records_.push_back(client.record());
    answered_ += client.record().answered;
    ended_well_ += client.record().ended_well ? 1 : 0;
    if (trouble_.empty()) trouble_ = client.trouble();
  }

  // Commits stop and go on; now and then the engine itself ends all connections, or the oldest
  // client leaves, so that also those who have vanished make room.
  void Disturb() {
    if (SystemClock().Mono() < next_us_) return;
    next_us_ = SystemClock().Mono() + random_.Between(1, 20) * kMicrosPerMilli;
    lab_.SetCommitting(random_.Chance(0.7));
    if (random_.Chance(0.02)) {
      lab_.engine().Ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    }
    if (random_.Chance(0.3)) {
      const size_t victim = random_.Below(clients_.size());
      clients_[victim]->Finish();
    }
  }

  // Of the front, as the engine counts them: all but the lab's own.
  uint64_t EngineClients() {
    const std::string info = lab_.engine().Ask({"INFO", "clients"});
    constexpr std::string_view kField = "connected_clients:";
    uint64_t count = 0;
    const char* const begin = info.data() + info.find(kField) + kField.size();
    std::from_chars(begin, info.data() + info.size(), count);
    return count - 1;
  }

  std::string Describe() {
    const FrontStats stats = lab_.front().Stats();
    return fmt::format(
        "{} clients, {} held replies of {} bytes, {} connections, of which the "
        "engine has {}",
        stats.clients, stats.held_replies, stats.held_bytes, stats.backends, EngineClients());
  }

  FrontLab lab_;
  Random random_;
  FickleLink link_;
  int port_ = 0;
  uint64_t next_id_ = 1;
  std::vector<std::unique_ptr<TaggedClient>> clients_;
  std::vector<TaggedClient::Record> records_;  // Of this era.
  std::string trouble_;
  uint64_t answered_ = 0;
  uint64_t ended_well_ = 0;
  MonoMicros next_us_ = 0;
};

TEST(FrontResetsTest, NobodyGetsAnothersReplyAndNothingIsLeft) {
  const auto seed = static_cast<uint64_t>(FromEnvironment("CAIRN_RESETS_SEED", 1));
  SCOPED_TRACE(fmt::format("CAIRN_RESETS_SEED={}", seed));
  const int64_t eras =
      std::max<int64_t>(FromEnvironment("CAIRN_RESETS_SECONDS", 6) / kEraSeconds, 2);
  ResetStorm storm(seed);
  size_t first_bytes = 0;
  for (int64_t era = 0; era < eras && !HasFailure(); ++era) {
    storm.RunEra();
    if (HasFailure()) break;
    storm.CheckKeys();
    storm.CheckRest();
    storm.CheckBase();
    const size_t bytes = mallinfo2().uordblks;
    if (era == 0) first_bytes = bytes;
    EXPECT_LE(bytes, first_bytes + kMayGrowBytes) << "after era " << era + 1;
    fmt::print(
        "era {}: {} clients, {} replies, {} clients ended well; connections: {} made, {} "
        "reset, {} ended, {} stalled, {} bytes; {} bytes allocated\n",
        era + 1, storm.clients(), storm.answered(), storm.ended_well(), storm.counts().made,
        storm.counts().reset, storm.counts().ended, storm.counts().stalled, storm.counts().bytes,
        bytes);
  }
  // The storm was one.
  EXPECT_GT(storm.answered(), 1'000u);
  EXPECT_GT(storm.ended_well(), 0u);
  EXPECT_GT(storm.counts().reset, 20u);
  EXPECT_GT(storm.counts().ended, 5u);
  EXPECT_GT(storm.counts().stalled, 0u);
}

}  // namespace
}  // namespace cairn::adapter::redis
