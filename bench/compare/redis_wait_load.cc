// redis_wait_load: SET, each followed by WAIT on the same connection: what a client of a plain
// Redis has to do to know that its write is on a replica, too.
//
//   redis_wait_load PORT CONNECTIONS REQUESTS VALUE_BYTES KEYS REPLICAS
//
// A closed loop like redis-benchmark's, on one thread: each connection sends SET and WAIT in one
// packet, and the next pair when both are answered. Prints one line in the form of redis-benchmark
// --csv: name, requests a second, and average, minimum, p50, p95, p99, maximum in ms. A request is
// a SET that at least REPLICAS replicas have acknowledged.
//
// Exit codes: 0; 1 if a connection fails, or a SET is not acknowledged by so many; 2 usage.
#include <fmt/format.h>

#include <algorithm>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "adapter/redis/reply_scanner.h"
#include "adapter/redis/resp_encoder.h"
#include "base/clock.h"
#include "base/random.h"

namespace cairn::bench {
namespace {

using adapter::redis::AppendCommand;
using asio::ip::tcp;

constexpr const char* kWaitMs = "10000";

struct Plan {
  uint16_t port = 0;
  size_t connections = 0;
  size_t requests = 0;
  std::string value;
  uint64_t keys = 0;
  int64_t replicas = 0;
};

[[noreturn]] void Fail(const std::string& why) {
  fmt::print(stderr, "redis_wait_load: {}\n", why);
  std::exit(1);
}

class Load {
 public:
  explicit Load(Plan plan) : plan_(std::move(plan)) { latencies_us_.reserve(plan_.requests); }

  void Run() {
    for (size_t i = 0; i < plan_.connections; ++i) clients_.push_back(Connect());
    begin_us_ = SystemClock().Mono();
    for (const auto& client : clients_) Begin(*client);
    io_.run();
    Report();
  }

 private:
  struct Client {
    explicit Client(asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    std::string request;
    char bytes[256];
    adapter::redis::ReplyScanner scanner;
    std::string reply;
    int due = 0;
    MonoMicros sent_us = 0;
  };

  std::unique_ptr<Client> Connect() {
    auto client = std::make_unique<Client>(io_);
    asio::error_code error;
    client->socket.connect({asio::ip::address_v4::loopback(), plan_.port}, error);
    if (error) Fail(error.message());
    client->socket.set_option(tcp::no_delay(true));
    return client;
  }

  void Begin(Client& client) {
    if (begun_ == plan_.requests) return;
    ++begun_;
    const std::string key = fmt::format("key:{:012}", random_.Below(plan_.keys));
    client.request.clear();
    AppendCommand({"SET", key, plan_.value}, &client.request);
    AppendCommand({"WAIT", std::to_string(plan_.replicas), kWaitMs}, &client.request);
    client.due = 2;
    client.sent_us = SystemClock().Mono();
    asio::async_write(client.socket, asio::buffer(client.request),
                      [this, &client](const asio::error_code& error, size_t) {
                        if (error) Fail(error.message());
                        Read(client);
                      });
  }

  void Read(Client& client) {
    client.socket.async_read_some(asio::buffer(client.bytes),
                                  [this, &client](const asio::error_code& error, size_t size) {
                                    if (error) Fail(error.message());
                                    Take(client, std::string_view(client.bytes, size));
                                    if (client.due > 0) return Read(client);
                                    latencies_us_.push_back(SystemClock().Mono() - client.sent_us);
                                    Begin(client);
                                  });
  }

  void Take(Client& client, std::string_view input) {
    while (!input.empty()) {
      const auto piece = client.scanner.Next(&input);
      if (!piece.ok()) Fail(std::string(piece.status().message()));
      client.reply += piece->bytes;
      if (!piece->ends) continue;
      Judge(client.reply, client.due--);
      client.reply.clear();
    }
  }

  // `due`: 2 for SET, 1 for WAIT.
  void Judge(const std::string& reply, int due) const {
    int64_t replicas = -1;
    std::from_chars(reply.data() + 1, reply.data() + reply.size(), replicas);
    const bool right =
        due == 2 ? reply == "+OK\r\n" : reply.starts_with(':') && replicas >= plan_.replicas;
    if (!right) Fail("the answer was " + reply);
  }

  void Report() {
    const double seconds = static_cast<double>(SystemClock().Mono() - begin_us_) / kMicrosPerSecond;
    std::sort(latencies_us_.begin(), latencies_us_.end());
    int64_t sum_us = 0;
    for (const int64_t one : latencies_us_) sum_us += one;
    const auto at = [this](double share) {
      const auto last = static_cast<double>(latencies_us_.size() - 1);
      return static_cast<double>(latencies_us_[static_cast<size_t>(share * last)]) / 1000;
    };
    const auto count = static_cast<double>(latencies_us_.size());
    fmt::print("\"SET+WAIT\",\"{:.2f}\",\"{:.3f}\",\"{:.3f}\",\"{:.3f}\",\"{:.3f}\",\"{:.3f}\",",
               count / seconds, static_cast<double>(sum_us) / count / 1000, at(0), at(0.5),
               at(0.95), at(0.99));
    fmt::print("\"{:.3f}\"\n", at(1));
  }

  const Plan plan_;
  asio::io_context io_{1};
  Random random_{1};
  std::vector<std::unique_ptr<Client>> clients_;
  size_t begun_ = 0;
  MonoMicros begin_us_ = 0;
  std::vector<int64_t> latencies_us_;
};

int Main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr, "usage: {} PORT CONNECTIONS REQUESTS VALUE_BYTES KEYS REPLICAS\n", argv[0]);
    return 2;
  }
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  Plan plan{.port = static_cast<uint16_t>(number(1)),
            .connections = number(2),
            .requests = number(3),
            .value = std::string(number(4), 'x'),
            .keys = number(5),
            .replicas = static_cast<int64_t>(number(6))};
  if (plan.connections == 0 || plan.requests == 0 || plan.keys == 0) return 2;
  Load(std::move(plan)).Run();
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
