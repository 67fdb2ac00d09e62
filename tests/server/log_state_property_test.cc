// A random stream of requests, retries, commits, elections and restarts on three replicas.
// Whatever happens: replicas are equal at each index, seqs are dense, an acknowledged
// request stands where the answer said, no producer sequence is appended twice, each fenced
// append lies within its epoch, and a refusal that was told was true.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/overloaded.h"
#include "base/random.h"
#include "server/log_state.h"

namespace cairn::server {
namespace {

constexpr size_t kReplicas = 3;
constexpr GroupId kLog{7};

struct ProposedEntry {
  uint64_t term = 0;
  std::optional<Bytes> payload;  // nullopt: a no-op.
};

// A request whose outcome the client does not know yet, and what it would be told.
struct Pending {
  Index index;
  uint64_t term = 0;
  std::string payload;  // Of its one record; empty: not an append.
  Reply reply;
};

struct Writer {
  uint64_t id = 0;
  uint64_t acknowledged = 0;
  uint64_t sent = 0;  // At most a window ahead of `acknowledged`.
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed) {
    limits_.producer_expiry_ms = 300;
    for (auto& node : nodes_) {
      node = std::make_unique<LogState>(LogFacts::Empty(kLog, {}), Index(), limits_);
    }
    Elect();
  }

  void Run(int steps) {
    for (int step = 0; step < steps; ++step) {
      now_.mono += random_.Between(0, 30'000);
      now_.wall += random_.Between(-20'000, 80'000);
      const uint64_t dice = random_.Below(100);
      if (dice < 70) {
        BuildEntry();
      } else if (dice < 93) {
        CommitSome();
      } else if (dice < 97) {
        Elect();
      } else {
        Restart(random_.Below(kReplicas));
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
    committed_ = log_.size();
    for (size_t i = 0; i < kReplicas; ++i) CatchUp(i);
    CheckHistory();
  }

  [[nodiscard]] size_t acknowledged() const { return acknowledged_.size(); }
  [[nodiscard]] size_t refused() const { return refused_; }
  [[nodiscard]] size_t duplicates() const { return duplicates_; }

 private:
  LogState& leader() { return *nodes_[leader_]; }

  void BuildEntry() {
    LogState& state = leader();
    const Index index(log_.size() + 1);
    state.BeginEntry(index, now_);
    if (state.HousekeepingDue(now_)) state.EvaluateHousekeeping(now_, std::nullopt);
    for (uint64_t n = random_.Below(5); n > 0; --n) Send(index);
    std::optional<Bytes> payload = state.FinishEntry();
    if (payload.has_value()) log_.push_back({term_, std::move(payload)});
    // What was filed under an entry that did not come to be rests on nothing new.
  }

  void Send(Index index) {
    const uint64_t dice = random_.Below(12);
    if (dice < 5) {
      SendAppend(index);
    } else if (dice == 5 && writers_.size() < 3) {
      Evaluate(index, RegisterProducerOp{}, "");
    } else if (dice == 5) {
      SendAppend(index);
    } else if (dice == 6) {
      Evaluate(index, AcquireOp{LeaseName(), "holder", 100 + random_.Below(200), MaybeLastSeq()},
               "");
    } else if (dice == 7) {
      Evaluate(index, RenewOp{LeaseName(), SomeEpoch()}, "");
    } else if (dice == 8) {
      Evaluate(index, ReleaseOp{LeaseName(), SomeEpoch()}, "");
    } else if (dice == 9) {
      Evaluate(index, TransferLeaseOp{LeaseName(), SomeEpoch(), "heir", 0, MaybeLastSeq()}, "");
    } else if (dice == 10) {
      Evaluate(index, TrimOp{Seq(random_.Below(leader().speculative().last_seq.value() + 3))}, "");
    } else {
      Evaluate(index,
               RegisterSnapshotOp{fmt::format("s{}", random_.Below(4)), Seq(random_.Below(20)), 0,
                                  "here"},
               "");
    }
  }

  void SendAppend(Index index) {
    AppendOp op;
    op.count = 1;
    op.lease_name = LeaseName();
    op.if_last_seq = MaybeLastSeq();
    std::string payload;
    if (random_.Chance(0.3)) op.if_lease_epoch = SomeEpoch();
    if (!writers_.empty() && random_.Chance(0.7)) {
      auto it = writers_.begin();
      std::advance(it, random_.Below(writers_.size()));
      Writer& writer = it->second;
      op.producer_id = writer.id;
      // A retry of anything unanswered, or the next one.
      const uint64_t newest = std::min(writer.sent + 1, writer.acknowledged + kProducerWindow);
      op.producer_sequence = writer.acknowledged + 1 + random_.Below(newest - writer.acknowledged);
      writer.sent = std::max(writer.sent, op.producer_sequence);
      op.if_last_seq.reset();
      payload = fmt::format("p{}/{}", op.producer_id, op.producer_sequence);
    } else {
      payload = fmt::format("r{}", requests_++);
    }
    cairn::v1::Record record;
    record.set_payload(payload);
    if (op.if_lease_epoch) {
      (*record.mutable_metadata())["fence"] =
          fmt::format("{}/{}", op.lease_name, *op.if_lease_epoch);
    }
    storage::AppendRecordTo(op.records, record.SerializeAsString());
    Evaluate(index, op, payload);
  }

  void Evaluate(Index index, const RequestBody& body, const std::string& payload) {
    const Evaluation evaluation = leader().Evaluate(body, now_);
    if (const auto* accepted = std::get_if<Accepted>(&evaluation)) {
      pending_.push_back({index, term_, payload, accepted->reply});
      return;
    }
    const Decided& decided = std::get<Decided>(evaluation);
    switch (decided.rests) {
      case Decided::Rests::kNothing:
        return Tell(payload, decided.reply);
      case Decided::Rests::kEntry:
        ASSERT_GT(decided.index, leader().applied_index());
        ASSERT_LE(decided.index, index);
        return pending_.push_back({decided.index, term_, payload, decided.reply});
      case Decided::Rests::kUpToDate:  // The leader is the only one here.
        return Tell(payload, decided.reply);
    }
  }

  void CommitSome() {
    if (committed_ < log_.size()) committed_ += 1 + random_.Below(log_.size() - committed_);
    CatchUp(leader_);
    std::vector<Pending> still;
    for (Pending& pending : pending_) {
      if (pending.index.value() > committed_) {
        still.push_back(std::move(pending));
      } else if (log_[pending.index.value() - 1].term == pending.term) {
        Tell(pending.payload, pending.reply);
      }
    }
    pending_ = std::move(still);
    if (random_.Chance(0.7)) CatchUp(random_.Below(kReplicas));
  }

  // The answer reaches the client: it must be true of what is committed.
  void Tell(const std::string& payload, const Reply& reply) {
    const LogFacts& facts = leader().applied();
    std::visit(Overloaded{
                   [&](const AppendDone& done) {
                     duplicates_ += done.duplicate ? 1 : 0;
                     ASSERT_LE(done.last_seq, facts.last_seq);
                     const auto [it, inserted] = acknowledged_.emplace(payload, done.first_seq);
                     ASSERT_EQ(it->second, done.first_seq) << payload;
                     Acknowledge(payload);
                   },
                   [&](const RegisterProducerDone& done) {
                     const bool fresh =
                         writers_.emplace(done.producer_id, Writer{done.producer_id}).second;
                     ASSERT_TRUE(fresh) << "producer id " << done.producer_id << " given out twice";
                   },
                   [&](const LeaseGranted& done) {
                     ASSERT_TRUE(epochs_.insert(done.epoch.value()).second);
                   },
                   [&](const Rejection& rejection) { CheckTrue(rejection, payload); },
                   [](const auto&) {},
               },
               reply);
  }

  static uint64_t ProducerOf(const std::string& payload) {
    return payload.front() == 'p' ? std::stoull(payload.substr(1)) : 0;
  }

  void Acknowledge(const std::string& payload) {
    const auto writer = writers_.find(ProducerOf(payload));
    if (writer == writers_.end()) return;
    // Sequences are appended in order, so all before it are done too.
    const uint64_t sequence = std::stoull(payload.substr(payload.find('/') + 1));
    writer->second.acknowledged = std::max(writer->second.acknowledged, sequence);
  }

  void CheckTrue(const Rejection& rejection, const std::string& payload) {
    ++refused_;
    const LogFacts& facts = leader().applied();
    const cairn::v1::ErrorInfo& info = rejection.info;
    ASSERT_EQ(info.log_id(), kLog.value());
    switch (info.reason()) {
      case cairn::v1::REASON_CONDITION_FAILED:
      case cairn::v1::REASON_SEQ_IN_FUTURE:
        ASSERT_LE(info.last_seq(), facts.last_seq.value()) << rejection.message;
        break;
      case cairn::v1::REASON_LEASE_HELD:
      case cairn::v1::REASON_LEASE_LOST:
        ASSERT_LE(info.lease().epoch(), facts.last_seq.value()) << rejection.message;
        break;
      case cairn::v1::REASON_PRODUCER_EXPIRED:
        writers_.erase(ProducerOf(payload));
        break;
      case cairn::v1::REASON_DUPLICATE_GAP:
        // Never because the window was passed: nobody here has more than 16 unanswered.
        ASSERT_EQ(rejection.message.find("older than"), std::string::npos) << rejection.message;
        break;
      default:
        FAIL() << rejection.message << " for " << payload;
    }
  }

  void Elect() {
    if (term_ != 0) leader().EndTerm();
    log_.resize(committed_);
    leader_ = random_.Below(kReplicas);
    log_.push_back({++term_, std::nullopt});
    committed_ = log_.size();
    CatchUp(leader_);
    leader().BeginTerm(now_);
    pending_.clear();  // Their entries are committed or lost; clients do not learn which.
    for (auto& [id, writer] : writers_) writer.sent = writer.acknowledged;
    for (const auto& [id, state] : leader().applied().producers.producers()) {
      const auto it = writers_.find(id);
      if (it != writers_.end()) it->second.sent = std::max(it->second.sent, state.last_sequence);
    }
  }

  void Restart(size_t i) {
    if (i == leader_) return;
    const Index applied = nodes_[i]->applied_index();
    const auto facts = LogFacts::FromSnapshot(nodes_[i]->applied().ToSnapshot());
    ASSERT_TRUE(facts.ok()) << facts.status();
    nodes_[i] = std::make_unique<LogState>(*facts, applied, limits_);
  }

  void CatchUp(size_t i) {
    LogState& node = *nodes_[i];
    while (node.applied_index().value() < committed_) {
      const Index index = node.applied_index() + 1;
      const ProposedEntry& entry = log_[index.value() - 1];
      if (!entry.payload.has_value()) {
        node.ApplyEmpty(index);
      } else {
        const absl::Status status = node.Apply(index, entry.payload->view(), now_);
        ASSERT_TRUE(status.ok()) << status;
      }
      const std::string bytes = node.applied().ToSnapshot().SerializeAsString();
      const auto [it, inserted] = states_.emplace(index.value(), bytes);
      ASSERT_EQ(it->second, bytes) << "replica " << i << " differs at index " << index;
    }
    if (i == leader_ && term_ != 0 && node.leading() && committed_ == log_.size()) {
      ASSERT_EQ(node.speculative().ToSnapshot().SerializeAsString(),
                node.applied().ToSnapshot().SerializeAsString());
    }
  }

  // Reads the committed log as a consumer does, with a model of leases of its own.
  void CheckHistory() {
    Seq last;
    std::map<std::string, Seq> places;
    std::map<std::string, uint64_t> current;
    for (const ProposedEntry& proposed : log_) {
      if (!proposed.payload.has_value()) continue;
      const auto entry = storage::EntryView::Parse(proposed.payload->view());
      ASSERT_TRUE(entry.ok());
      entry->ForEachRecord([&](uint32_t, std::string_view bytes) {
        cairn::v1::Record record;
        ASSERT_TRUE(record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
        CheckRecord(record, ++last, places, current);
      });
    }
    EXPECT_EQ(last, leader().applied().last_seq);
    for (const auto& [payload, seq] : acknowledged_) {
      ASSERT_EQ(places[payload], seq) << payload << " was acknowledged";
    }
  }

  void CheckRecord(const cairn::v1::Record& record, Seq seq, std::map<std::string, Seq>& places,
                   std::map<std::string, uint64_t>& current) {
    uint64_t& epoch = current[record.lease().name()];
    switch (record.kind()) {
      case cairn::v1::RECORD_KIND_LEASE_ACQUIRED:
        ASSERT_EQ(epoch, 0u) << "lease held by two at seq " << seq;
        epoch = seq.value();
        return;
      case cairn::v1::RECORD_KIND_LEASE_TRANSFERRED:
        ASSERT_EQ(std::exchange(epoch, seq.value()), record.lease().ended_epoch());
        return;
      case cairn::v1::RECORD_KIND_LEASE_RELEASED:
      case cairn::v1::RECORD_KIND_LEASE_EXPIRED:
        ASSERT_EQ(std::exchange(epoch, 0), record.lease().ended_epoch());
        return;
      default:
        break;
    }
    ASSERT_TRUE(places.emplace(record.payload(), seq).second)
        << record.payload() << " stands at " << places[record.payload()] << " and at " << seq;
    for (const auto& [key, fence] : record.metadata()) {
      const size_t slash = fence.find('/');
      ASSERT_EQ(current[fence.substr(0, slash)], std::stoull(fence.substr(slash + 1)))
          << "seq " << seq << " lies outside its epoch";
    }
  }

  std::string LeaseName() { return random_.Chance(0.7) ? "primary" : "other"; }

  // Mostly the current one.
  Epoch SomeEpoch() {
    const LogFacts& facts = leader().speculative();
    const Lease* const lease = facts.leases.Find("primary");
    if (lease != nullptr && random_.Chance(0.8)) return lease->epoch;
    return Epoch(random_.Below(facts.last_seq.value() + 2));
  }

  std::optional<Seq> MaybeLastSeq() {
    const uint64_t last = leader().speculative().last_seq.value();
    if (random_.Chance(0.6)) return std::nullopt;
    return Seq(last + 2 - std::min<uint64_t>(last + 2, random_.Below(7)));
  }

  Random random_;
  LogLimits limits_;
  std::array<std::unique_ptr<LogState>, kReplicas> nodes_;
  size_t leader_ = 0;
  uint64_t term_ = 0;
  TurnTime now_{.mono = 77, .wall = 1'000'000'000};
  std::vector<ProposedEntry> log_;
  size_t committed_ = 0;
  std::vector<Pending> pending_;
  std::map<uint64_t, Writer> writers_;
  std::map<std::string, Seq> acknowledged_;
  std::set<uint64_t> epochs_;
  std::map<uint64_t, std::string> states_;  // By index: what every replica must be.
  uint64_t requests_ = 0;
  size_t refused_ = 0;
  size_t duplicates_ = 0;
};

class LogStatePropertyTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(LogStatePropertyTest, HoldsWhateverHappens) {
  Simulation simulation(GetParam());
  simulation.Run(1200);
  // The stream must have met what the properties are about.
  EXPECT_GT(simulation.acknowledged(), 100u);
  EXPECT_GT(simulation.refused(), 100u);
  EXPECT_GT(simulation.duplicates(), 20u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LogStatePropertyTest, ::testing::Range<uint64_t>(1, 21));

}  // namespace
}  // namespace cairn::server
