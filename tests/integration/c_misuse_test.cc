// cairn.h used wrongly, and without a cluster: every mistake that can be seen is refused with
// words, whatever else it might have led to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/integration/c_events.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;

// Nobody listens there.
constexpr char kNowhere[] = "127.0.0.1:1";

TEST(CMisuseTest, HandlesThatStandForNothing) {
  const CEvents events(kNowhere);
  const cairn_client client = events.client();
  const cairn_new_record record = RecordOf("x");
  cairn_status why;
  cairn_producer producer;
  cairn_reader reader;
  cairn_lease lease;
  cairn_election election;
  cairn_lease_options options = CAIRN_LEASE_OPTIONS_INIT;
  options.holder = "me";
  // Zero, never given out, and a client's.
  for (const uint64_t id : {uint64_t{0}, UINT64_MAX, client.id}) {
    SCOPED_TRACE(id);
    const cairn_log log = {id};
    const cairn_code codes[] = {
        cairn_append(log, &record, 1, nullptr, nullptr, &why),
        cairn_producer_open(log, nullptr, nullptr, &producer, &why),
        cairn_tail_open(log, nullptr, nullptr, &reader, &why),
        cairn_read_open(log, nullptr, nullptr, &reader, &why),
        cairn_lease_open(log, &options, nullptr, &lease, &why),
        cairn_election_open(log, &options, nullptr, &election, &why),
        cairn_log_close(log),
        cairn_producer_send({id}, &record, nullptr, &why),
        cairn_producer_pending({id}, nullptr, nullptr),
        cairn_producer_close({id}),
        cairn_reader_close({id}),
        cairn_lease_release({id}, &why),
        cairn_lease_close({id}),
        cairn_election_run({id}, &why),
        cairn_election_consumed({id}, nullptr),
        cairn_election_close({id}),
    };
    for (size_t i = 0; i < std::size(codes); ++i) EXPECT_EQ(codes[i], CAIRN_INVALID_ARGUMENT) << i;
    EXPECT_EQ(cairn_lease_safe_us({id}), 0u);
    EXPECT_EQ(cairn_lease_epoch({id}), 0u);
    EXPECT_THAT(why.message, HasSubstr("is closed, was never opened"));
  }
  EXPECT_EQ(cairn_client_fd({0}), -1);
  EXPECT_EQ(cairn_poll({0}, nullptr, 9), 0u);
  EXPECT_EQ(cairn_poll(client, nullptr, 9), 0u);
}

TEST(CMisuseTest, NullPlaces) {
  const CEvents events(kNowhere);
  cairn_log log;
  EXPECT_EQ(cairn_client_open(nullptr, nullptr, nullptr), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_log_open(events.client(), "log", nullptr, nullptr, nullptr, nullptr),
            CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_log_open(events.client(), nullptr, nullptr, nullptr, &log, nullptr),
            CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_event_release(nullptr), CAIRN_OK);
  EXPECT_STREQ(cairn_status_name(nullptr), "INVALID_ARGUMENT");
}

TEST(CMisuseTest, ClosedTwice) {
  cairn_client client;
  cairn_client_options options = CAIRN_CLIENT_OPTIONS_INIT;
  options.endpoints = kNowhere;
  ASSERT_EQ(cairn_client_open(&options, &client, nullptr), CAIRN_OK);
  cairn_log log;
  ASSERT_EQ(cairn_log_open(client, "log", nullptr, nullptr, &log, nullptr), CAIRN_OK);
  EXPECT_EQ(cairn_log_close(log), CAIRN_OK);
  EXPECT_EQ(cairn_log_close(log), CAIRN_INVALID_ARGUMENT);
  ASSERT_EQ(cairn_log_open(client, "log", nullptr, nullptr, &log, nullptr), CAIRN_OK);
  EXPECT_EQ(cairn_client_close(client), CAIRN_OK);
  EXPECT_EQ(cairn_log_close(log), CAIRN_INVALID_ARGUMENT) << "it went with its client";
  EXPECT_EQ(cairn_client_close(client), CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn_client_fd(client), -1);
}

TEST(CMisuseTest, OptionsOfAnotherHeader) {
  struct Newer {
    cairn_client_options known = CAIRN_CLIENT_OPTIONS_INIT;
    uint64_t added = 0;
  } options;
  options.known.size = sizeof(options);
  options.known.endpoints = kNowhere;
  cairn_client client;
  cairn_status why;
  EXPECT_EQ(cairn_client_open(&options.known, &client, &why), CAIRN_OK) << "it is not used";
  cairn_client_close(client);
  options.added = 1;
  EXPECT_EQ(cairn_client_open(&options.known, &client, &why), CAIRN_INVALID_ARGUMENT);
  EXPECT_THAT(why.message, HasSubstr("install the library that the program was built with"));
  options.known.size = 0;
  EXPECT_EQ(cairn_client_open(&options.known, &client, &why), CAIRN_INVALID_ARGUMENT);
  EXPECT_THAT(why.message, HasSubstr("_INIT macro"));
  EXPECT_EQ(client.id, 0u);
}

TEST(CMisuseTest, OptionsThatMakeNoSense) {
  cairn_client client;
  cairn_status why;
  cairn_client_options options = CAIRN_CLIENT_OPTIONS_INIT;
  options.bearer_token = "secret";
  EXPECT_EQ(cairn_client_open(&options, &client, &why), CAIRN_INVALID_ARGUMENT);
  EXPECT_THAT(why.message, HasSubstr("the environment says how to connect"));
  options = CAIRN_CLIENT_OPTIONS_INIT;
  options.endpoints = kNowhere;
  options.max_outstanding = 65'537;
  EXPECT_EQ(cairn_client_open(&options, &client, &why), CAIRN_INVALID_ARGUMENT);
  // The message is cut, and ends all the same.
  std::string long_name;
  while (long_name.size() < 2 * sizeof(why.message)) long_name += "µ";
  options = CAIRN_CLIENT_OPTIONS_INIT;
  options.endpoints = long_name.c_str();
  EXPECT_EQ(cairn_client_open(&options, &client, &why), CAIRN_INVALID_ARGUMENT);
  EXPECT_GT(strlen(why.message), sizeof(why.message) / 2);
  EXPECT_LT(strlen(why.message), sizeof(why.message));
  EXPECT_STREQ(cairn_status_name(&why), "INVALID_ARGUMENT");
}

TEST(CMisuseTest, ALogThatIsNotOpen) {
  CEvents events(kNowhere, 1);
  cairn_log_options options = CAIRN_LOG_OPTIONS_INIT;
  options.timeout_ms = 100;
  cairn_log log;
  cairn_log second;
  cairn_status why;
  const cairn_new_record record = RecordOf("x");
  ASSERT_EQ(cairn_log_open(events.client(), "log", &options, &log, &log, &why), CAIRN_OK);
  EXPECT_EQ(cairn_append(log, &record, 1, nullptr, nullptr, &why), CAIRN_FAILED_PRECONDITION);
  EXPECT_THAT(why.message, HasSubstr("CAIRN_EVENT_LOG_OPENED"));
  EXPECT_EQ(cairn_log_open(events.client(), "log", &options, nullptr, &second, &why),
            CAIRN_RESOURCE_EXHAUSTED)
      << "max_outstanding is 1";
  EXPECT_EQ(second.id, 0u);
  {
    const EventPtr opened = events.Next();
    ASSERT_NE(opened, nullptr);
    EXPECT_EQ(opened->kind, CAIRN_EVENT_LOG_OPENED);
    EXPECT_EQ(opened->context, &log);
    EXPECT_NE(opened->status.code, CAIRN_OK);
    EXPECT_FALSE(opened->status.unknown_outcome) << "nothing was to be changed";
    EXPECT_EQ(cairn_append(log, &record, 1, nullptr, nullptr, &why), opened->status.code);
  }
  EXPECT_EQ(cairn_log_open(events.client(), "log", &options, nullptr, &second, &why), CAIRN_OK)
      << "the event was taken";
}

TEST(CMisuseTest, EventsReleasedTwiceAndAfterTheClient) {
  cairn_log_options options = CAIRN_LOG_OPTIONS_INIT;
  options.timeout_ms = 50;
  const cairn_event* kept = nullptr;
  {
    CEvents events(kNowhere);
    cairn_log log;
    for (int i = 0; i < 2; ++i) {
      ASSERT_EQ(cairn_log_open(events.client(), "log", &options, nullptr, &log, nullptr), CAIRN_OK);
    }
    const cairn_event* released = events.Next().release();
    EXPECT_EQ(cairn_event_release(released), CAIRN_OK);
    EXPECT_EQ(cairn_event_release(released), CAIRN_INVALID_ARGUMENT);
    kept = events.Next().release();
  }
  EXPECT_EQ(kept->kind, CAIRN_EVENT_LOG_OPENED) << "valid until it is released";
  EXPECT_EQ(cairn_event_release(kept), CAIRN_OK);
}

TEST(CMisuseTest, NothingComesFromWhatIsClosed) {
  CEvents events(kNowhere);
  cairn_log_options options = CAIRN_LOG_OPTIONS_INIT;
  options.timeout_ms = 50;
  int first = 0;
  int second = 0;
  cairn_log log;
  ASSERT_EQ(cairn_log_open(events.client(), "log", &options, &first, &log, nullptr), CAIRN_OK);
  ASSERT_EQ(cairn_log_close(log), CAIRN_OK);
  ASSERT_EQ(cairn_log_open(events.client(), "log", &options, &second, &log, nullptr), CAIRN_OK);
  const EventPtr event = events.Next();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->context, &second);
}

struct Called {
  absl::Notification once;
  cairn_client client = {0};
  cairn_log log = {0};
  cairn_code closed_client = CAIRN_OK;
  cairn_code closed_log = CAIRN_UNKNOWN;
};

void CloseAll(const cairn_event* event, void* context) {
  auto* called = static_cast<Called*>(context);
  EXPECT_EQ(event->context, context);
  called->closed_client = cairn_client_close(called->client);
  called->closed_log = cairn_log_close(called->log);
  called->once.Notify();
}

TEST(CMisuseTest, ACallbackMayCloseItsObjectButNotTheClient) {
  Called called;
  cairn_client_options options = CAIRN_CLIENT_OPTIONS_INIT;
  options.endpoints = kNowhere;
  options.default_timeout_ms = 200;
  options.on_event = CloseAll;
  ASSERT_EQ(cairn_client_open(&options, &called.client, nullptr), CAIRN_OK);
  EXPECT_EQ(cairn_client_fd(called.client), -1) << "a thread of the library takes the events";
  ASSERT_EQ(cairn_log_open(called.client, "log", nullptr, &called, &called.log, nullptr), CAIRN_OK);
  ASSERT_TRUE(called.once.WaitForNotificationWithTimeout(absl::Minutes(1)));
  EXPECT_EQ(cairn_client_close(called.client), CAIRN_OK);
  EXPECT_EQ(called.closed_client, CAIRN_FAILED_PRECONDITION);
  EXPECT_EQ(called.closed_log, CAIRN_OK);
}

}  // namespace
}  // namespace cairn::integration
