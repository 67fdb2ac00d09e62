// Acceptor and AcceptPause: how long a listener waits that cannot accept, and what it says. That it
// goes on, with descriptors, is in doors_test.cc.
#include "adapter/front/acceptor.h"

#include <gtest/gtest.h>

#include <system_error>

#include "base/accept_pause.h"

namespace cairn::adapter {
namespace {

TEST(AcceptorTest, ClosedItTakesNobody) {
  asio::io_context io;
  Acceptor acceptor(&io);
  ASSERT_TRUE(acceptor.Listen("127.0.0.1:0").ok());
  acceptor.Next(&io, [](asio::ip::tcp::socket) { FAIL() << "nobody came"; });
  acceptor.Close();
  EXPECT_GE(io.run(), 1u) << "and its context ends";
}

TEST(AcceptPauseTest, SaysItNowAndThen) {
  const std::error_code none_left = std::make_error_code(std::errc::too_many_files_open);
  AcceptPause pause("127.0.0.1:1");
  MonoMicros now = kMicrosPerSecond;
  for (int failures = 0; failures < 250; ++failures) {
    EXPECT_EQ(pause.OnFailure(none_left, now), AcceptPause::kPauseUs);
    now += AcceptPause::kPauseUs;
  }
  EXPECT_EQ(pause.logged(), 3u) << "25 s of failures";
}

TEST(AcceptPauseTest, AConnectionThatHasGoneIsNoReasonToWait) {
  AcceptPause pause("127.0.0.1:1");
  EXPECT_EQ(pause.OnFailure(std::make_error_code(std::errc::connection_aborted), 1), 0);
  EXPECT_EQ(pause.logged(), 0u);
}

}  // namespace
}  // namespace cairn::adapter
