// cairn.h on a cluster of real processes, whose leader is killed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <vector>

#include "base/check.h"
#include "tests/integration/c_events.h"
#include "tests/integration/npm_modules.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

class CClusterTest : public ::testing::Test {
 protected:
  CClusterTest()
      : cluster_({.program = CAIRN_BIN_DIR "/cairnd",
                  .dir = dir_.path(),
                  .nodes = 3,
                  .flags = {},
                  .hosts = {}}) {
    cluster_.StartAll();
    CHECK(cluster_.AwaitAllReady());
    events_ = std::make_unique<CEvents>(Endpoints());
  }

  std::string Endpoints() const { return fmt::format("{}", fmt::join(cluster_.Endpoints(), ",")); }

  // By the tool: a process that has the C interface cannot have the C++ library too.
  size_t LeaderOf(const std::string& log) {
    const std::string described = FirstLineOf(fmt::format(
        "{} log describe {} -o json --endpoints {}", CAIRN_BIN_DIR "/cairn", log, Endpoints()));
    for (size_t node = 0; node < cluster_.size(); ++node) {
      if (described.find(fmt::format("\"leader\":\"{}\"", cluster_.Endpoint(node))) !=
          described.npos) {
        return node;
      }
    }
    CHECK_UNREACHABLE();
  }

  EventPtr Append(cairn_log log, std::string_view payload, uint64_t if_last_seq = CAIRN_ANY_SEQ) {
    cairn_append_options options = CAIRN_APPEND_OPTIONS_INIT;
    options.if_last_seq = if_last_seq;
    const cairn_new_record record = RecordOf(payload);
    CHECK(cairn_append(log, &record, 1, &options, nullptr, nullptr) == CAIRN_OK);
    return events_->Await(CAIRN_EVENT_APPENDED);
  }

  // All data of a log, read to its end.
  std::vector<std::string> ReadAll(cairn_log log) {
    cairn_read_options options = CAIRN_READ_OPTIONS_INIT;
    options.linearizable = 1;
    cairn_reader reader;
    CHECK(cairn_read_open(log, &options, nullptr, &reader, nullptr) == CAIRN_OK);
    std::vector<std::string> all;
    for (;;) {
      const EventPtr event = events_->Next();
      CHECK(event != nullptr);
      if (event->kind == CAIRN_EVENT_ENDED) {
        Must(event->status);
        break;
      }
      for (size_t i = 0; i < event->record_count; ++i) {
        if (event->records[i].kind == CAIRN_RECORD_DATA) {
          all.emplace_back(PayloadOf(event->records[i]));
        }
      }
    }
    CHECK(cairn_reader_close(reader) == CAIRN_OK);
    return all;
  }

  cairn::testing::TempDir dir_;
  ProcessCluster cluster_;
  std::unique_ptr<CEvents> events_;
};

TEST_F(CClusterTest, AppendsWithAndWithoutACondition) {
  const cairn_log log = events_->Open("orders");
  const EventPtr first = Append(log, "one", 0);
  ASSERT_EQ(first->status.code, CAIRN_OK) << first->status.message;
  EXPECT_EQ(first->first_seq, 1u);
  EXPECT_EQ(first->last_seq, 1u);
  EXPECT_GT(first->timestamp_us, 0);
  EXPECT_NE(first->chain, 0u);
  const EventPtr refused = Append(log, "two", 0);
  EXPECT_EQ(refused->status.code, CAIRN_ABORTED);
  EXPECT_EQ(refused->status.reason, CAIRN_REASON_CONDITION_FAILED);
  EXPECT_STREQ(cairn_status_name(&refused->status), "CONDITION_FAILED");
  EXPECT_EQ(refused->status.last_seq, 1u) << "where the log stands";
  EXPECT_FALSE(refused->status.unknown_outcome);
  EXPECT_EQ(Append(log, "two", 1)->last_seq, 2u);
  EXPECT_EQ(ReadAll(log), (std::vector<std::string>{"one", "two"}));
}

TEST_F(CClusterTest, ALogThatIsNotThere) {
  cairn_log log;
  ASSERT_EQ(cairn_log_open(events_->client(), "nowhere", nullptr, nullptr, &log, nullptr),
            CAIRN_OK);
  const EventPtr event = events_->Await(CAIRN_EVENT_LOG_OPENED);
  EXPECT_EQ(event->status.reason, CAIRN_REASON_LOG_NOT_FOUND);
  EXPECT_FALSE(event->status.unknown_outcome);
}

// Sends and takes deliveries as a program does; "full" is part of it.
struct Sending {
  explicit Sending(cairn_log log) {
    cairn_producer_options options = CAIRN_PRODUCER_OPTIONS_INIT;
    options.max_buffer_bytes = 4096;
    cairn_status why;
    cairn_producer_open(log, &options, this, &producer, &why);
    Must(why);
  }

  void Send(CEvents& events, int number) {
    const std::string payload = std::to_string(number);
    const cairn_new_record record = RecordOf(payload);
    cairn_status why;
    uint64_t ticket = 0;
    while (cairn_producer_send(producer, &record, &ticket, &why) != CAIRN_OK) {
      CHECK(why.code == CAIRN_RESOURCE_EXHAUSTED);
      ++times_full;
      Take(events);
    }
    CHECK_EQ(ticket, static_cast<uint64_t>(number));
  }
  void Take(CEvents& events) {
    const EventPtr event = events.Await(CAIRN_EVENT_DELIVERED);
    CHECK(event->context == this);
    Must(event->status);
    CHECK_EQ(event->first_ticket, delivered + 1);
    CHECK_EQ(event->last_seq - event->first_seq, event->last_ticket - event->first_ticket);
    delivered = event->last_ticket;
  }

  cairn_producer producer = {0};
  uint64_t delivered = 0;
  int times_full = 0;
};

TEST_F(CClusterTest, AProducerOutlivesTheLeader) {
  constexpr int kRecords = 20'000;
  const cairn_log log = events_->Open("stream");
  Sending sending(log);
  std::vector<std::string> sent;
  for (int number = 1; number <= kRecords; ++number) {
    if (number == kRecords / 2) cluster_.Kill(LeaderOf("stream"));
    sending.Send(*events_, number);
    sent.push_back(std::to_string(number));
  }
  while (sending.delivered < kRecords) sending.Take(*events_);
  EXPECT_GT(sending.times_full, 0) << "the buffer has room for a few hundred";
  uint64_t records = 1;
  uint64_t bytes = 1;
  ASSERT_EQ(cairn_producer_pending(sending.producer, &records, &bytes), CAIRN_OK);
  EXPECT_EQ(records + bytes, 0u);
  EXPECT_EQ(cairn_producer_close(sending.producer), CAIRN_OK);
  EXPECT_EQ(ReadAll(log), sent) << "each once, in order";
}

TEST_F(CClusterTest, ATailHandsOutWhatIsCommittedAndGoesOnAfterTheLeader) {
  const cairn_log log = events_->Open("tailed");
  const cairn_metadata metadata[] = {{"colour", "blue"}, {"size", "7"}};
  cairn_new_record record = RecordOf("first");
  record.metadata = metadata;
  record.metadata_count = 2;
  ASSERT_EQ(cairn_append(log, &record, 1, nullptr, nullptr, nullptr), CAIRN_OK);
  ASSERT_EQ(events_->Await(CAIRN_EVENT_APPENDED)->status.code, CAIRN_OK);
  cairn_tail_options options = CAIRN_TAIL_OPTIONS_INIT;
  options.from = CAIRN_FROM_SEQ;
  options.start = 1;
  cairn_reader tail;
  ASSERT_EQ(cairn_tail_open(log, &options, this, &tail, nullptr), CAIRN_OK);
  EventPtr event = events_->Await(CAIRN_EVENT_RECORDS);
  EXPECT_EQ(event->context, this);
  ASSERT_EQ(event->record_count, 1u);
  EXPECT_EQ(PayloadOf(event->records[0]), "first");
  ASSERT_EQ(event->records[0].metadata_count, 2u);
  EXPECT_STREQ(event->records[0].metadata[0].key, "colour");
  EXPECT_STREQ(event->records[0].metadata[1].value, "7");
  EXPECT_EQ(event->next_seq, 2u);

  cluster_.Kill(LeaderOf("tailed"));
  Sending sending(log);
  sending.Send(*events_, 1);
  do event = events_->Next();
  while (event && (event->kind != CAIRN_EVENT_RECORDS || event->record_count == 0));
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->records[0].seq, 2u);
  EXPECT_EQ(PayloadOf(event->records[0]), "1");
  EXPECT_EQ(cairn_reader_close(tail), CAIRN_OK);
}

void NoteUnsafe(void* context) { *static_cast<std::atomic<bool>*>(context) = true; }

TEST_F(CClusterTest, ALeaseIsLostBeforeAnybodyElseCanHaveIt) {
  const cairn_log log = events_->Open("leased");
  std::atomic<bool> unsafe{false};
  cairn_lease_options options = CAIRN_LEASE_OPTIONS_INIT;
  options.holder = "me-1";
  options.ttl_ms = 2000;
  options.on_unsafe = NoteUnsafe;
  cairn_lease lease;
  cairn_status why;
  ASSERT_EQ(cairn_lease_open(log, &options, &unsafe, &lease, &why), CAIRN_OK) << why.message;
  ASSERT_EQ(events_->Await(CAIRN_EVENT_LEASE_GRANTED)->status.code, CAIRN_OK);
  EXPECT_GT(cairn_lease_epoch(lease), 0u);
  EXPECT_GT(cairn_lease_safe_us(lease), 0u);
  EXPECT_FALSE(unsafe);
  for (size_t node = 0; node < cluster_.size(); ++node) cluster_.Signal(node, SIGSTOP);
  events_->Await(CAIRN_EVENT_LEASE_AT_RISK);
  const EventPtr lost = events_->Await(CAIRN_EVENT_LEASE_LOST);
  EXPECT_EQ(lost->lease.id, lease.id);
  EXPECT_NE(lost->status.code, CAIRN_OK);
  EXPECT_TRUE(unsafe);
  EXPECT_EQ(cairn_lease_safe_us(lease), 0u);
  EXPECT_EQ(cairn_lease_close(lease), CAIRN_OK);
  for (size_t node = 0; node < cluster_.size(); ++node) cluster_.Signal(node, SIGCONT);
}

// One that stands for election on a connection of its own.
struct Candidate {
  Candidate(const std::string& endpoints, const char* name) : events(endpoints) {
    const cairn_log log = events.Open("elected");
    cairn_lease_options options = CAIRN_LEASE_OPTIONS_INIT;
    options.holder = name;
    options.ttl_ms = 5000;
    CHECK(cairn_election_open(log, &options, nullptr, &election, nullptr) == CAIRN_OK);
    CHECK(cairn_tail_open(log, nullptr, nullptr, &tail, nullptr) == CAIRN_OK);
  }
  // Its lease, once it is elected.
  EventPtr AwaitElected() {
    for (;;) {
      EventPtr event = events.Next();
      CHECK(event != nullptr);
      if (event->kind == CAIRN_EVENT_ELECTED) return event;
      if (event->kind != CAIRN_EVENT_RECORDS) continue;
      CHECK(cairn_election_consumed(election, event.get()) == CAIRN_OK);
    }
  }
  CEvents events;
  cairn_election election = {0};
  cairn_reader tail = {0};
};

TEST_F(CClusterTest, AnElectionHandsOn) {
  Candidate first(Endpoints(), "first");
  const EventPtr won = first.AwaitElected();
  ASSERT_EQ(won->status.code, CAIRN_OK) << won->status.message;
  EXPECT_EQ(won->epoch, cairn_lease_epoch(won->lease));
  EXPECT_EQ(cairn_election_run(first.election, nullptr), CAIRN_FAILED_PRECONDITION)
      << "it holds the lease";
  Candidate second(Endpoints(), "second");
  ASSERT_EQ(cairn_lease_release(won->lease, nullptr), CAIRN_OK);
  EXPECT_EQ(cairn_lease_safe_us(won->lease), 0u) << "from the call on";
  EXPECT_EQ(first.events.Await(CAIRN_EVENT_LEASE_RELEASED)->status.code, CAIRN_OK);
  const EventPtr next = second.AwaitElected();
  ASSERT_EQ(next->status.code, CAIRN_OK) << next->status.message;
  EXPECT_GT(next->epoch, won->epoch);
  EXPECT_EQ(cairn_lease_close(won->lease), CAIRN_OK);
  EXPECT_EQ(cairn_election_run(first.election, nullptr), CAIRN_OK) << "it stands again";
  EXPECT_EQ(cairn_election_close(first.election), CAIRN_OK) << "and is not waited for";
}

}  // namespace
}  // namespace cairn::integration
