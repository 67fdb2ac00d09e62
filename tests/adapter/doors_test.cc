// The sockets at which clients knock, while the process can open no more.
#include "adapter/front/doors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "base/check.h"

namespace cairn::adapter {
namespace {

using std::chrono_literals::operator""ms;

// As long as it lives, the process can open nothing.
class NoDescriptors {
 public:
  NoDescriptors() {
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int next = dup(STDIN_FILENO);
    CHECK_GE(next, 0);
    close(next);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(next);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
  }
  ~NoDescriptors() { CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST(DoorsTest, WithoutDescriptorsClientsWaitAndNothingSpins) {
  asio::io_context io{1};
  const auto work = asio::make_work_guard(io);
  int taken = 0;
  Doors doors({&io}, [&](size_t, const asio::ip::tcp::socket&, const ClientTls&) { ++taken; });
  ASSERT_TRUE(doors.Open({.listen = "127.0.0.1:0"}).ok());
  const std::string& address = doors.address();
  const auto port = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  asio::ip::tcp::socket client(io);
  client.connect({asio::ip::make_address("127.0.0.1"), port});  // Into the backlog.
  {
    const NoDescriptors none;
    // An accept that fails and the pause behind it are two handlers: however fast the machine,
    // there is no room for many.
    EXPECT_LT(io.run_for(350ms), 12u);
    EXPECT_EQ(taken, 0);
  }
  for (int i = 0; i < 1000 && taken == 0; ++i) io.run_for(10ms);
  EXPECT_EQ(taken, 1);
  std::thread runs([&] { io.run(); });
  doors.Close();
  io.stop();
  runs.join();
}

}  // namespace
}  // namespace cairn::adapter
