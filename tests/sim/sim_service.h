// SimService: the API of all nodes of a simulated world: what stands between the client
// library's transport (sim_stub.h) and the worker box.
//
// In place of gRPC and the reactors of server/rpc: bounds, conversion and status codes are the
// real ones. Everything happens at the moment of the call; delays and losses are the stub's.
//
//   Call            -> done, once; or never, when the node has no answer before the caller gives up
//   Open, Write, …  -> on_message …, on_closed at most once
//
// A node that crashes takes its connections with it (OnCrash).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/src/stub.h"
#include "server/group_events.h"
#include "tests/sim/sim_node.h"

namespace cairn::sim {

using MessagePtr = std::unique_ptr<google::protobuf::Message>;

// How a simulated node is addressed, "node-1:1", and back; 0: no such address.
std::string EndpointOf(NodeId node);
NodeId NodeAt(const std::string& endpoint);

class SimService : private server::ReplySink, private server::TailSink {
 public:
  using Done = std::function<void(absl::Status, MessagePtr)>;
  struct StreamEvents {
    // `bytes` have to be given back with Taken.
    std::function<void(MessagePtr, uint64_t bytes)> on_message;
    std::function<void(absl::Status)> on_closed;
  };

  // Both outlive it.
  SimService(const std::vector<SimLog>* logs, const std::vector<std::unique_ptr<SimNode>>* nodes)
      : logs_(logs), nodes_(nodes) {}

  void Call(NodeId node, client::Method method, const std::string& request, int64_t timeout_us,
            Done done);

  // Returns the stream's number.
  uint64_t Open(NodeId node, client::Method method, StreamEvents events);
  void Write(uint64_t stream, const std::string& request);
  // The client took a message.
  void Taken(uint64_t stream, uint64_t bytes);
  // The client is gone or the connection broke; no event comes any more.
  void Cancel(uint64_t stream);

  // The node's process ended.
  void OnCrash(NodeId node);

 private:
  struct Pending {
    NodeId node;
    std::function<void(server::Reply)> complete;
    Done done;
  };
  // AppendStream and Tail: what server/rpc's reactors keep.
  struct Stream {
    NodeId node;
    client::Method method = client::Method::kTail;
    StreamEvents events;
    GroupId group;  // 0 before the first request.
    uint64_t log_id = 0;
    bool refused = false;
    // Requests of an AppendStream, oldest first, with their answers once these are known.
    uint64_t first_slot = 0;
    std::deque<MessagePtr> slots;
    // The group's mark; outlives every request that was posted.
    std::shared_ptr<bool> broken_in_group = std::make_shared<bool>(false);
    bool told_log = false;
  };

  // server::ReplySink and TailSink.
  void OnReply(uint64_t token, server::Reply reply) override;
  void OnChunk(uint64_t token, server::TailChunk chunk) override;
  void OnEnd(uint64_t token, server::TailEnd end) override;

  [[nodiscard]] SimNode& node(NodeId id) const { return *(*nodes_)[id.value() - 1]; }
  [[nodiscard]] std::optional<GroupId> Route(const std::string& name, uint64_t log_id) const;
  template <class Result, class Request, class Response>
  void Unary(NodeId node, const std::string& bytes, int64_t timeout_us, Done done);
  void Post(NodeId node, GroupId group, server::RequestBody body, int64_t timeout_us,
            uint64_t token, bool* stream_broken = nullptr);
  void WriteAppend(uint64_t id, Stream& stream, const std::string& bytes);
  void WriteTail(uint64_t id, Stream& stream, const std::string& bytes);
  void AnswerSlot(uint64_t id, uint64_t slot, server::Reply reply);
  void CloseStream(uint64_t id, const absl::Status& status);

  const std::vector<SimLog>* const logs_;
  const std::vector<std::unique_ptr<SimNode>>* const nodes_;
  uint64_t next_token_ = 1;
  std::map<uint64_t, Pending> pending_;
  std::map<uint64_t, Stream> streams_;
  // Marks of streams that ended; requests of theirs may still be in a mailbox.
  std::vector<std::shared_ptr<bool>> marks_;
};

}  // namespace cairn::sim
