// SimNetwork: links between nodes that lose, delay, duplicate and reorder messages, and can be
// cut in one direction or both. Links can also damage entries, always the same ones: so looks
// a node with bad memory to the others.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/random.h"
#include "cairn/v1/peer.pb.h"
#include "server/group_events.h"
#include "server/runtime/wire_codec.h"
#include "storage/entry_codec.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"

namespace cairn::sim {

class SimNetwork {
 public:
  using Deliver = std::function<void(NodeId to, const server::OutMessage& message)>;

  SimNetwork(const Faults* faults, EventQueue* events, Random* random, Deliver deliver)
      : faults_(faults), events_(events), random_(random), deliver_(std::move(deliver)) {}

  void Send(const server::OutMessage& message) {
    const NodeId from = message.message.from;
    const NodeId to = message.message.to;
    if (!Connected(from, to)) return;
    if (lossy_ && random_->Chance(faults_->drop)) return;
    const int copies = lossy_ && random_->Chance(faults_->duplicate) ? 2 : 1;
    const std::string bytes = Encoded(message);
    for (int i = 0; i < copies; ++i) {
      events_->After(Delay(), [this, from, to, bytes] {
        // A link that was cut meanwhile loses what was under way.
        if (Connected(from, to)) deliver_(to, Decoded(bytes));
      });
    }
  }

  // `deliver` runs when a pulse of `from` arrives at `to`, if it does.
  void SendPulse(NodeId from, NodeId to, std::function<void()> deliver) {
    if (!Connected(from, to) || (lossy_ && random_->Chance(faults_->drop))) return;
    events_->After(Delay(), [this, from, to, deliver = std::move(deliver)] {
      if (Connected(from, to)) deliver();
    });
  }

  // A delay between a client and a node, or between two nodes.
  SimTime Delay() {
    SimTime delay = random_->Between(faults_->delay_min_us, faults_->delay_max_us);
    if (lossy_ && random_->Chance(faults_->reorder)) delay += random_->Between(0, 50'000);
    return delay;
  }

  void Cut(NodeId from, NodeId to) { cut_.insert({from, to}); }
  void Restore(NodeId from, NodeId to) { cut_.erase({from, to}); }
  void Heal() { cut_.clear(); }
  // Entries that `from` sends to `to` (0: to anybody) arrive damaged, until Repair.
  void Damage(NodeId from, NodeId to) {
    damages_from_ = from;
    damages_to_ = to;
  }
  void Repair() { damages_from_ = NodeId(); }
  [[nodiscard]] bool damages() const { return damages_from_ != NodeId(); }
  // No loss, duplication or reordering from now on.
  void Calm() { lossy_ = false; }
  [[nodiscard]] bool Connected(NodeId from, NodeId to) const { return !cut_.contains({from, to}); }

 private:
  // As it travels, so that what the codec forgets is missing here too.
  [[nodiscard]] std::string Encoded(const server::OutMessage& message) const {
    const consensus::Message& sent = message.message;
    if (sent.from != damages_from_ || (damages_to_ && sent.to != damages_to_)) {
      return server::EncodeMessage(message).SerializeAsString();
    }
    server::OutMessage damaged = message;
    DamageEntries(damaged);
    return server::EncodeMessage(damaged).SerializeAsString();
  }
  [[nodiscard]] static server::OutMessage Decoded(const std::string& bytes) {
    cairn::v1::WireMessage wire;
    CHECK(wire.ParseFromString(bytes));
    auto message = server::DecodeMessage(std::move(wire));
    CHECK(message.ok());
    return *std::move(message);
  }

  // One entry in four: the last bit of its last record.
  static void DamageEntries(server::OutMessage& message) {
    auto* append = std::get_if<consensus::AppendRequest>(&message.message.body);
    if (append == nullptr) return;
    for (consensus::Entry& entry : append->entries) {
      if (entry.kind != consensus::EntryKind::kData || entry.index.value() % 4 != 1) continue;
      const auto header = storage::ParseEntryHeader(entry.payload.view());
      CHECK(header.ok());
      if (header->record_count == 0) continue;  // The chain covers records only.
      std::string payload(entry.payload.view());
      payload.back() = static_cast<char>(payload.back() ^ 1);
      entry.payload = Bytes(std::move(payload));
    }
  }

  const Faults* faults_;
  EventQueue* events_;
  Random* random_;
  Deliver deliver_;
  bool lossy_ = true;
  std::set<std::pair<NodeId, NodeId>> cut_;
  NodeId damages_from_;
  NodeId damages_to_;
};

}  // namespace cairn::sim
