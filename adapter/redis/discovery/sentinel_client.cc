#include "adapter/redis/discovery/sentinel_client.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/write.hpp>
#include <utility>

#include "adapter/redis/command_info.h"
#include "adapter/redis/discovery/sentinel_server.h"

namespace cairn::adapter::redis {
namespace {

// What is asked here is short.
constexpr RequestParser::Limits kLimits = {
    .max_bulk_bytes = 16 << 10, .max_request_bytes = 64 << 10, .max_arguments = 512};

constexpr std::string_view kServerVersion = "7.0.15";  // Whose Sentinel this speaks like.

}  // namespace

SentinelClient::SentinelClient(uint64_t id, asio::ip::tcp::socket socket, SentinelServer* server)
    : id_(id), socket_(std::move(socket)), server_(server), parser_(kLimits) {
  asio::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  // Subscribers are silent for months; who has gone without a word is found by this.
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
}

void SentinelClient::Close() {
  if (std::exchange(closed_, true)) return;
  asio::error_code ignored;
  socket_.close(ignored);
  server_->clients_.erase(shared_from_this());
}

void SentinelClient::Read() {
  const std::span<char> room = parser_.Prepare();
  socket_.async_receive(
      asio::buffer(room.data(), room.size()),
      [this, self = shared_from_this()](const asio::error_code& error, size_t bytes) {
        if (closed_) return;
        if (error) return Close();
        parser_.Commit(bytes);
        TakeRequests();
        Write();
        if (!closed_ && !ending_) Read();
      });
}

void SentinelClient::TakeRequests() {
  while (!ending_) {
    const RequestParser::Outcome next = parser_.Next();
    if (next == RequestParser::Outcome::kNeedMore) return;
    if (next == RequestParser::Outcome::kError) {
      Writer().Error(parser_.error());
      ending_ = true;
      return;
    }
    Answer(parser_.argv());
  }
}

void SentinelClient::Write() {
  if (closed_) return;
  if (out_.size() > kMaxOutBytes) return Close();
  if (!sending_.empty()) return;
  if (out_.empty()) {
    if (ending_) Close();
    return;
  }
  sending_ = std::exchange(out_, {});
  asio::async_write(socket_, asio::buffer(sending_),
                    [this, self = shared_from_this()](const asio::error_code& error, size_t) {
                      sending_.clear();
                      if (closed_) return;
                      if (error) return Close();
                      Write();
                    });
}

// ---- Commands -------------------------------------------------------------------------------

void SentinelClient::Answer(Argv argv) {
  const auto is = [&](std::string_view name) { return EqualsIgnoringCase(argv[0], name); };
  if (is("sentinel")) {
    ReplyWriter writer = Writer();
    if (argv.size() < 2) {
      return writer.Error("ERR wrong number of arguments for 'sentinel' command");
    }
    return AnswerSentinel(server_->view_, {.address = server_->options_.own_address}, argv,
                          &writer);
  }
  if (is("ping")) return Ping(argv);
  if (is("subscribe")) return Subscribe(argv, "subscribe", &channels_);
  if (is("psubscribe")) return Subscribe(argv, "psubscribe", &patterns_);
  if (is("unsubscribe")) return Unsubscribe(argv, "unsubscribe", &channels_);
  if (is("punsubscribe")) return Unsubscribe(argv, "punsubscribe", &patterns_);
  if (is("hello")) return Hello(argv);
  if (is("client")) return About(argv);
  if (is("info")) return Writer().Verbatim("txt", InfoText());
  if (is("role")) return Role();
  if (is("quit")) {
    Writer().Simple("OK");
    ending_ = true;
    return;
  }
  if (is("auth")) {
    return Writer().Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  Writer().Error("ERR this port of the agent plays Sentinel; data is served at " +
                 server_->options_.own_address);
}

void SentinelClient::Ping(Argv argv) {
  ReplyWriter writer = Writer();
  const bool subscribed = !channels_.empty() || !patterns_.empty();
  if (subscribed && version_ == RespVersion::k2) {
    writer.Array(2);
    writer.Bulk("pong");
    return writer.Bulk(argv.size() > 1 ? argv[1] : "");
  }
  if (argv.size() > 1) return writer.Bulk(argv[1]);
  writer.Simple("PONG");
}

void SentinelClient::Hello(Argv argv) {
  if (argv.size() > 1 && argv[1] != "2" && argv[1] != "3") {
    return Writer().Error("NOPROTO unsupported protocol version");
  }
  if (argv.size() > 1) version_ = argv[1] == "3" ? RespVersion::k3 : RespVersion::k2;
  ReplyWriter writer = Writer();
  writer.Map(6);
  writer.Bulk("server");
  writer.Bulk("redis");
  writer.Bulk("version");
  writer.Bulk(kServerVersion);
  writer.Bulk("proto");
  writer.Integer(version_ == RespVersion::k3 ? 3 : 2);
  writer.Bulk("id");
  writer.Integer(static_cast<int64_t>(id_));
  writer.Bulk("mode");
  writer.Bulk("sentinel");
  writer.Bulk("modules");
  writer.Array(0);
}

// CLIENT …: what libraries say of themselves at the beginning is taken and forgotten.
void SentinelClient::About(Argv argv) {
  const auto is = [&](std::string_view name) {
    return argv.size() > 1 && EqualsIgnoringCase(argv[1], name);
  };
  if (is("setname") || is("setinfo")) return Writer().Simple("OK");
  if (is("id")) return Writer().Integer(static_cast<int64_t>(id_));
  Writer().Error("ERR of CLIENT, only ID, SETINFO and SETNAME are known here");
}

void SentinelClient::Role() {
  ReplyWriter writer = Writer();
  writer.Array(2);
  writer.Bulk("sentinel");
  writer.Array(1 + server_->view_.others.size());
  writer.Bulk(server_->view_.log);
  for (const ShardView& other : server_->view_.others) writer.Bulk(other.log);
}

std::string SentinelClient::InfoText() const {
  std::string text = fmt::format(
      "# Server\r\nredis_version:{}\r\nredis_mode:sentinel\r\n\r\n# Sentinel\r\n"
      "sentinel_masters:{}\r\nsentinel_tilt:0\r\nsentinel_running_scripts:0\r\n",
      kServerVersion, 1 + server_->view_.others.size());
  size_t number = 0;
  const auto add = [&](const ShardView& shard) {
    text += fmt::format("master{}:name={},status={},address={},slaves={},sentinels={}\r\n",
                        number++, shard.log, shard.primary_address.empty() ? "odown" : "ok",
                        shard.primary_address, shard.agents.empty() ? 0 : shard.agents.size() - 1,
                        shard.agents.size());
  };
  add(server_->view_);
  for (const ShardView& other : server_->view_.others) add(other);
  return text;
}

// ---- Subscriptions ----------------------------------------------------------------------------

void SentinelClient::TellSubscription(std::string_view kind, const std::string* name) {
  ReplyWriter writer = Writer();
  writer.Push(3);
  writer.Bulk(kind);
  name == nullptr ? writer.Null() : writer.Bulk(*name);
  writer.Integer(static_cast<int64_t>(channels_.size() + patterns_.size()));
}

void SentinelClient::Subscribe(Argv argv, std::string_view kind, Names* names) {
  if (argv.size() < 2) {
    return Writer().Error(fmt::format("ERR wrong number of arguments for '{}' command", kind));
  }
  if (channels_.size() + patterns_.size() + argv.size() - 1 > kMaxChannels) {
    return Writer().Error("ERR too many channels: there are only Sentinel's own");
  }
  for (const std::string_view word : argv.subspan(1)) {
    const std::string& name = *names->emplace(word).first;
    TellSubscription(kind, &name);
  }
}

void SentinelClient::Unsubscribe(Argv argv, std::string_view kind, Names* names) {
  std::vector<std::string> gone(argv.begin() + 1, argv.end());
  if (gone.empty()) gone.assign(names->begin(), names->end());
  for (const std::string& name : gone) {
    names->erase(name);
    TellSubscription(kind, &name);
  }
  if (gone.empty()) TellSubscription(kind, nullptr);
}

void SentinelClient::Publish(const SentinelEvent& event) {
  if (closed_) return;
  if (channels_.contains(event.channel)) {
    ReplyWriter writer = Writer();
    writer.Push(3);
    writer.Bulk("message");
    writer.Bulk(event.channel);
    writer.Bulk(event.message);
  }
  for (const std::string& pattern : patterns_) {
    if (fnmatch(pattern.c_str(), event.channel.c_str(), 0) != 0) continue;
    ReplyWriter writer = Writer();
    writer.Push(4);
    writer.Bulk("pmessage");
    writer.Bulk(pattern);
    writer.Bulk(event.channel);
    writer.Bulk(event.message);
  }
  Write();
}

}  // namespace cairn::adapter::redis
