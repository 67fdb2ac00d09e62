// A read from a server that says nothing.
#include "cli/raw_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/fd.h"
#include "cli/interrupt.h"

namespace cairn::cli {
namespace {

// Connections get into its backlog, and no further.
class SilentServer {
 public:
  SilentServer() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    CHECK_EQ(bind(socket_.get(), any, bytes), 0);
    CHECK_EQ(listen(socket_.get(), 1), 0);
    CHECK_EQ(getsockname(socket_.get(), any, &bytes), 0);
    endpoint_ = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
  }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

 private:
  const Fd socket_;
  std::string endpoint_;
};

TEST(RawReaderTest, CtrlCEndsAReadOfWhoSaysNothing) {
  const SilentServer server;
  const Interrupt interrupt;
  ASSERT_EQ(raise(SIGINT), 0);
  const RawReadOptions read{.endpoint = server.endpoint(),
                            .log = "orders",
                            .log_id = LogId(1),
                            .start_seq = Seq(1),
                            .end_seq = Seq(9),
                            .timeout = absl::Hours(1),
                            .interrupt = &interrupt};
  const absl::Status status =
      ReadRaw(ClientOptions(), read, [](const RawRecordBatch&) { return absl::OkStatus(); });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

}  // namespace
}  // namespace cairn::cli
