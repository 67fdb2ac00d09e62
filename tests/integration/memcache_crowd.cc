#include "tests/integration/memcache_crowd.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <charconv>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "tests/integration/memcache_client.h"
#include "tests/integration/process.h"

namespace cairn::integration {
namespace {

using adapter::memcache::ReplyKind;
using asio::ip::tcp;
using history::RegisterCall;

constexpr double kReads = 0.2;  // Of the calls of who sets and increments.
constexpr auto kBeforeTheNext = std::chrono::milliseconds(10);
constexpr size_t kMaxFindings = 10;

int64_t NowUs() { return absl::ToUnixMicros(absl::Now()); }

tcp::endpoint EndpointOf(const std::string& address) {
  const size_t colon = address.rfind(':');
  return {asio::ip::make_address(address.substr(0, colon)),
          static_cast<asio::ip::port_type>(std::stoi(address.substr(colon + 1)))};
}

bool IsError(const std::string& reply) { return reply.starts_with("SERVER_ERROR "); }

bool SaysNotDone(const std::string& reply) {
  return IsError(reply) && reply.ends_with("nothing was done\r\n");
}

// The number that the text begins with.
std::optional<int64_t> NumberOf(const std::string& text) {
  int64_t number = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace

struct MemcacheCrowd::Client {
  Client(asio::io_context& io, size_t number, CrowdKey& its_key)
      : socket(io), pause(io), next_agent(number), random(number), key(its_key) {}

  tcp::socket socket;
  asio::steady_timer pause;
  size_t next_agent;
  Random random;
  CrowdKey& key;
  std::string input;
  std::array<char, 4096> room{};
};

MemcacheCrowd::MemcacheCrowd(Options options) : options_(std::move(options)) {
  for (const std::string& address : options_.addresses) agents_.push_back(EndpointOf(address));
  for (size_t key = 0; key < options_.keys; ++key) {
    keys_.push_back({.kind = static_cast<CrowdKey::Kind>(key % 3),
                     .name = fmt::format("{}{}", options_.prefix, key),
                     .calls = {}});
  }
}

MemcacheCrowd::~MemcacheCrowd() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

bool MemcacheCrowd::Prepare(const std::string& address) {
  return std::all_of(keys_.begin(), keys_.end(), [&](const CrowdKey& key) {
    return key.kind == CrowdKey::Kind::kSet || StoreIn(address, key.name, "0");
  });
}

void MemcacheCrowd::Start() {
  for (size_t client = 0; client < options_.clients; ++client) {
    asio::co_spawn(io_, Live(client), asio::detached);
  }
  thread_ = std::thread([this] { io_.run(); });
}

void MemcacheCrowd::Finish() {
  ending_ = true;
  thread_.join();
}

bool MemcacheCrowd::AwaitAcknowledged(uint64_t more) {
  const uint64_t enough = acknowledged_ + more;
  return Eventually([&] { return acknowledged_ >= enough && under_way_ == options_.clients; });
}

// ---- Clients ------------------------------------------------------------------------------------

asio::awaitable<void> MemcacheCrowd::Live(size_t number) {
  Client client(io_, number, keys_[number % keys_.size()]);
  while (!ending_) {
    const bool connected = co_await Connect(client);
    while (!ending_ && client.socket.is_open()) co_await Call(client);
    asio::error_code ignored;
    client.socket.close(ignored);
    if (connected) continue;
    client.pause.expires_after(kBeforeTheNext);
    co_await client.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<bool> MemcacheCrowd::Connect(Client& client) {
  const tcp::endpoint& agent = agents_[client.next_agent++ % agents_.size()];
  asio::error_code error;
  client.input.clear();
  co_await client.socket.async_connect(agent, asio::redirect_error(asio::use_awaitable, error));
  if (!error) client.socket.set_option(tcp::no_delay(true), error);
  if (error) client.socket.close(error);
  co_return client.socket.is_open();
}

asio::awaitable<void> MemcacheCrowd::Call(Client& client) {
  if (client.key.kind == CrowdKey::Kind::kSwap) return Swap(client);
  if (client.random.Chance(kReads)) return Read(client);
  return client.key.kind == CrowdKey::Kind::kSet ? Set(client) : Increment(client);
}

asio::awaitable<void> MemcacheCrowd::Read(Client& client) {
  RegisterCall call;
  call.begin_us = NowUs();
  const Reply reply =
      co_await Ask(client, fmt::format("gets {}\r\n", client.key.name), ReplyKind::kValues);
  NoteRead(client, call, reply, nullptr);
}

asio::awaitable<void> MemcacheCrowd::Set(Client& client) {
  RegisterCall call;
  call.kind = RegisterCall::Kind::kSet;
  call.value = next_value_++;
  call.begin_us = NowUs();
  std::string command = fmt::format("set {} 0 0 {}\r\n{:<{}}\r\n", client.key.name,
                                    options_.value_bytes, call.value, options_.value_bytes);
  const Reply reply = co_await Ask(client, std::move(command), ReplyKind::kLine);
  NoteChange(client, call, reply, reply == "STORED\r\n");
}

asio::awaitable<void> MemcacheCrowd::Increment(Client& client) {
  RegisterCall call;
  call.kind = RegisterCall::Kind::kIncrement;
  call.begin_us = NowUs();
  const Reply reply =
      co_await Ask(client, fmt::format("incr {} 1\r\n", client.key.name), ReplyKind::kLine);
  const std::optional<int64_t> value = reply ? NumberOf(*reply) : std::nullopt;
  call.value = value.value_or(0);
  NoteChange(client, call, reply, value.has_value());
}

asio::awaitable<void> MemcacheCrowd::Swap(Client& client) {
  RegisterCall look;
  look.begin_us = NowUs();
  const Reply item =
      co_await Ask(client, fmt::format("gets {}\r\n", client.key.name), ReplyKind::kValues);
  uint64_t cas = 0;
  const std::optional<RegisterCall> seen = NoteRead(client, look, item, &cas);
  if (!seen) co_return;
  RegisterCall call;
  call.kind = RegisterCall::Kind::kIncrement;
  call.value = seen->value + 1;
  call.begin_us = NowUs();
  const std::string value = std::to_string(call.value);
  const Reply reply = co_await Ask(
      client, fmt::format("cas {} 0 0 {} {}\r\n{}\r\n", client.key.name, value.size(), cas, value),
      ReplyKind::kLine);
  if (reply == "EXISTS\r\n") co_return;
  NoteChange(client, call, reply, reply == "STORED\r\n");
}

asio::awaitable<MemcacheCrowd::Reply> MemcacheCrowd::Ask(Client& client, std::string command,
                                                         ReplyKind kind) {
  ++under_way_;
  asio::error_code error;
  co_await asio::async_write(client.socket, asio::buffer(command),
                             asio::redirect_error(asio::use_awaitable, error));
  Reply reply;
  while (!error) {
    absl::StatusOr<Reply> taken = TakeReply(kind, &client.input);
    if (!taken.ok()) {
      Find(client, client.input);
      break;
    }
    reply = *std::move(taken);
    if (reply) break;
    const size_t bytes = co_await client.socket.async_read_some(
        asio::buffer(client.room), asio::redirect_error(asio::use_awaitable, error));
    client.input.append(client.room.data(), bytes);
  }
  if (!reply) client.socket.close(error);
  --under_way_;
  co_return reply;
}

// ---- What they were told ------------------------------------------------------------------------

void MemcacheCrowd::NoteChange(Client& client, RegisterCall call, const Reply& reply, bool done) {
  if (reply && SaysNotDone(*reply)) return;
  if (reply && !done && !IsError(*reply)) return Find(client, reply);
  if (done) {
    call.end_us = NowUs();
    ++acknowledged_;
  }
  client.key.calls.push_back(call);
}

// The read with its answer; nullopt: there was none.
std::optional<RegisterCall> MemcacheCrowd::NoteRead(Client& client, RegisterCall call,
                                                    const Reply& reply, uint64_t* cas) {
  if (!reply || IsError(*reply)) return std::nullopt;
  const std::optional<std::optional<MemcacheItem>> item = ReadItem(*reply);
  const bool may_miss = client.key.kind == CrowdKey::Kind::kSet;
  std::optional<int64_t> value;
  if (item && *item) value = NumberOf((**item).value);
  if (item && !*item && may_miss) value = 0;
  if (!value) {
    Find(client, reply);
    return std::nullopt;
  }
  if (cas != nullptr) *cas = (**item).cas;
  call.value = *value;
  call.end_us = NowUs();
  client.key.calls.push_back(call);
  return call;
}

void MemcacheCrowd::Find(const Client& client, const Reply& reply) {
  if (findings_.size() >= kMaxFindings) return;
  findings_.push_back(fmt::format("{}: {}", client.key.name, reply.value_or("no reply")));
}

}  // namespace cairn::integration
