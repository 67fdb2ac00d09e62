// Whole nodes in the test's process: real store, threads, sockets and services; raw gRPC calls from
// outside. What the client library would smooth over is visible here.
//
// Ports are picked by the kernel, data lives in a directory of the test's own.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "cairn/v1/cluster.grpc.pb.h"
#include "cairn/v1/lease.grpc.pb.h"
#include "cairn/v1/log.grpc.pb.h"
#include "cairn/v1/peer.grpc.pb.h"
#include "server/rpc/convert.h"
#include "server/rpc/rpc_server.h"
#include "server/runtime/node.h"
#include "tests/support/temp_dir.h"

namespace cairn::rpc {

// Polls until `done` says so; false after `seconds`.
inline bool Eventually(const std::function<bool()>& done, int seconds = 20) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!done()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// Ports that were free a moment ago, all different.
inline std::vector<int> FreePorts(size_t count) {
  std::vector<int> sockets;
  std::vector<int> ports;
  for (size_t i = 0; i < count; ++i) {
    sockets.push_back(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    CHECK_EQ(bind(sockets.back(), raw, size), 0);
    CHECK_EQ(getsockname(sockets.back(), raw, &size), 0);
    ports.push_back(ntohs(address.sin_port));
  }
  for (int fd : sockets) close(fd);
  return ports;
}

inline std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// A node and its servers, from start to stop.
class TestNode {
 public:
  explicit TestNode(server::NodeConfig config) : node_(std::move(config)) {
    const absl::Status started = node_.Start();
    CHECK(started.ok());
    auto rpc = RpcServer::Start(&node_);
    CHECK(rpc.ok());
    rpc_ = *std::move(rpc);
    const std::string address = node_.config().listen;
    channel_ = ChannelTo(address);
    log = v1::LogService::NewStub(channel_);
    lease = v1::LeaseService::NewStub(channel_);
    cluster = v1::ClusterService::NewStub(channel_);
  }
  ~TestNode() { Stop(); }

  // In the order of cairnd.cc.
  void Stop() {
    if (rpc_ == nullptr) return;
    rpc_->SetServing(false);
    node_.Drain(/*timeout_ms=*/1000);
    rpc_->EndStreams();
    node_.Stop();
    rpc_->Shutdown(/*timeout_ms=*/1000);
    rpc_.reset();
  }

  [[nodiscard]] bool IsReady() const { return node_.NotReady().empty(); }
  server::Node& node() { return node_; }
  RpcServer& rpc() { return *rpc_; }
  [[nodiscard]] const std::string& address() const { return node_.config().listen; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

  std::unique_ptr<v1::LogService::Stub> log;
  std::unique_ptr<v1::LeaseService::Stub> lease;
  std::unique_ptr<v1::ClusterService::Stub> cluster;

 private:
  server::Node node_;
  std::unique_ptr<RpcServer> rpc_;
  std::shared_ptr<grpc::Channel> channel_;
};

// A cluster of `size` nodes, ready to serve.
class TestCluster {
 public:
  explicit TestCluster(size_t size, const std::function<void(server::NodeConfig&)>& change = {}) {
    std::vector<server::InitialMember> members;
    const std::vector<int> ports = FreePorts(size);
    for (size_t i = 0; i < size; ++i) {
      members.push_back({.name = "n" + std::to_string(i + 1),
                         .address = "127.0.0.1:" + std::to_string(ports[i])});
    }
    for (const server::InitialMember& member : members) {
      server::NodeConfig config;
      config.name = member.name;
      config.data_dir = dir_.File(member.name);
      config.listen = member.address;
      config.initial_cluster = members;
      config.memtable_bytes = 8 << 20;
      config.tick_ms = 20;  // Elections of 100 to 200 ms.
      config.election_ticks = 5;
      if (change) change(config);
      CHECK(server::FinishConfig(config).ok());
      nodes_.push_back(std::make_unique<TestNode>(std::move(config)));
    }
    CHECK(Eventually([&] {
      return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& n) { return n->IsReady(); });
    }));
  }

  TestNode& operator[](size_t i) { return *nodes_.at(i); }
  [[nodiscard]] size_t size() const { return nodes_.size(); }
  void Stop(size_t i) { nodes_.at(i).reset(); }

  // Creates a log and waits until it has a leader, and every node knows whom.
  uint64_t Create(const std::string& name, const v1::LogSettings& settings = {}) {
    v1::CreateLogRequest request;
    request.set_name(name);
    *request.mutable_settings() = settings;
    v1::CreateLogResponse response;
    grpc::ClientContext context;
    const grpc::Status status = nodes_[0]->log->CreateLog(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    AwaitLeader(name);
    return response.log_id();
  }

  // Until every node knows who leads the log.
  void AwaitLeader(const std::string& log) {
    EXPECT_TRUE(Eventually([&] {
      return std::all_of(nodes_.begin(), nodes_.end(),
                         [&](const auto& node) { return !node || KnowsLeader(*node, log); });
    }));
  }

  // The node that leads `log`, as the nodes themselves say.
  size_t LeaderOf(const std::string& log) {
    size_t leader = 0;
    EXPECT_TRUE(Eventually([&] {
      for (size_t i = 0; i < nodes_.size(); ++i) {
        if (!nodes_[i]) continue;
        for (const server::GroupView& view : nodes_[i]->node().Groups()) {
          if (view.name == log && view.role == consensus::Role::kLeader) {
            leader = i;
            return true;
          }
        }
      }
      return false;
    }));
    return leader;
  }

 private:
  static bool KnowsLeader(TestNode& node, const std::string& log) {
    const std::vector<server::GroupView> views = node.node().Groups();
    return std::any_of(views.begin(), views.end(), [&](const server::GroupView& view) {
      return view.name == log && view.leader != NodeId();
    });
  }

  cairn::testing::TempDir dir_;
  std::vector<std::unique_ptr<TestNode>> nodes_;
};

// One unary call, by a pointer to the stub's method.
template <class Stub, class Request, class Response>
grpc::Status Call(Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response* response = nullptr, bool redirect = false) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  if (redirect) context.AddMetadata(kLeaderHeader, kLeaderRedirect);
  Response own;
  return (stub.*method)(&context, request, response != nullptr ? response : &own);
}

// One unary call whose messages are bytes.
inline grpc::Status RawCall(const std::shared_ptr<grpc::Channel>& channel,
                            const std::string& method, const std::string& request_bytes,
                            std::string* response_bytes = nullptr) {
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel);
  grpc::Slice slice(request_bytes);
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  grpc::CompletionQueue queue;
  auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  grpc::Status status;
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  CHECK(queue.Next(&tag, &ok));
  if (response_bytes != nullptr && status.ok()) {
    grpc::Slice whole;
    CHECK(response.DumpToSingleSlice(&whole).ok());
    response_bytes->assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
  }
  return status;
}

inline v1::Reason ReasonOf(const grpc::Status& status) {
  const auto info = ErrorInfoOf(status);
  return info ? info->reason() : v1::REASON_UNSPECIFIED;
}

}  // namespace cairn::rpc
