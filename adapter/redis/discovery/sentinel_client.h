// SentinelClient: one connection to the SentinelServer: its requests, answers and subscriptions.
//
// Threads: the server's. Lifetime: shared with the operations that are under way on its socket;
// Close() ends them.
#pragma once

#include <asio/ip/tcp.hpp>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "adapter/redis/discovery/sentinel_answers.h"
#include "adapter/redis/request_parser.h"
#include "adapter/redis/resp_encoder.h"

namespace cairn::adapter::redis {

class SentinelServer;

class SentinelClient : public std::enable_shared_from_this<SentinelClient> {
 public:
  SentinelClient(uint64_t id, asio::ip::tcp::socket socket, SentinelServer* server);

  void Start() { Read(); }
  // To a subscriber of the channel; nothing to others.
  void Publish(const SentinelEvent& event);
  void Close();

 private:
  using Argv = std::span<const std::string_view>;
  using Names = std::set<std::string, std::less<>>;

  void Read();
  void Write();
  void TakeRequests();
  void Answer(Argv argv);
  void Hello(Argv argv);
  void Ping(Argv argv);
  void About(Argv argv);
  void Role();
  void Subscribe(Argv argv, std::string_view kind, Names* names);
  void Unsubscribe(Argv argv, std::string_view kind, Names* names);
  void TellSubscription(std::string_view kind, const std::string* name);
  ReplyWriter Writer() { return {version_, &out_}; }
  [[nodiscard]] std::string InfoText() const;

  static constexpr size_t kMaxOutBytes = 1 << 20;
  static constexpr size_t kMaxChannels = 256;

  const uint64_t id_;
  asio::ip::tcp::socket socket_;
  SentinelServer* const server_;
  RequestParser parser_;
  RespVersion version_ = RespVersion::k2;
  Names channels_;
  Names patterns_;
  std::string out_;      // Not handed to the kernel yet.
  std::string sending_;  // Being written.
  bool ending_ = false;  // When everything is written.
  bool closed_ = false;
};

}  // namespace cairn::adapter::redis
