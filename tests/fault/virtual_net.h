// VirtualNet: hosts on a network of their own, whose every packet passes through this process.
//
// The process moves into a fresh network namespace and makes one more for each host. Each has a
// TUN device with the address 10.99.0.N; the other ends are file descriptors here, and a thread
// carries packets from one to the other. What happens on the way is decided link by link (a link
// is directed): nothing, all are dropped, or some are delayed, lost, reordered, doubled or
// damaged. So there is no need for netem, firewall rules or bridges, which a kernel may lack;
// each effect is counted where it is brought about; and since namespaces and devices are held by
// file descriptors alone, nothing is left behind, however the process ends.
//
// Checksums: the kernel hands out packets with their checksums done and checks those it is given,
// so a damaged packet is found by the receiver as on a wire.
// Threads: all methods from any thread, but for Make. The carrier is a thread of its own.
// Bounds: kMaxHeldPackets wait for their time; a link that is full of them drops.
#pragma once

#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/random.h"

namespace cairn::fault {

// What a directed link does to packets. Probabilities are of each packet.
struct LinkRule {
  bool cut = false;
  double loss = 0;
  double duplicate = 0;
  double corrupt = 0;  // One bit is flipped.
  double reorder = 0;  // Overtakes those that are delayed; without a delay it is held back.
  absl::Duration delay;
  absl::Duration jitter;  // Uniform, to both sides of the delay.
};

// What was done to packets, as evidence.
struct PacketCounts {
  uint64_t forwarded = 0;
  uint64_t cut = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t corrupted = 0;
  uint64_t reordered = 0;
  uint64_t delayed = 0;
};

class VirtualNet {
 public:
  // Makes `hosts` hosts beside this process, which becomes host `hosts` of the same network.
  // Requires: the process has one thread. Errors: the kernel does not let it, or lacks something;
  // the process may then be in a namespace of its own, with a working loopback.
  static absl::StatusOr<std::unique_ptr<VirtualNet>> Make(size_t hosts, uint64_t seed);
  ~VirtualNet();
  VirtualNet(const VirtualNet&) = delete;
  VirtualNet& operator=(const VirtualNet&) = delete;

  // Hosts without this process.
  [[nodiscard]] size_t size() const { return ports_.size() - 1; }
  [[nodiscard]] static std::string AddressOf(size_t host);
  [[nodiscard]] int NamespaceFd(size_t host) const { return ports_.at(host).namespace_fd; }

  void SetLink(size_t from, size_t to, const LinkRule& rule);
  // Of both directions.
  void SetPair(size_t a, size_t b, const LinkRule& rule);
  // No link does anything any more. What was held back is still delivered.
  void Heal();

  [[nodiscard]] PacketCounts counts() const;

 private:
  struct Port {
    int namespace_fd = -1;
    int tun_fd = -1;
  };
  struct HeldPacket {
    absl::Time due;
    size_t to = 0;
    std::string bytes;
    bool operator>(const HeldPacket& other) const { return due > other.due; }
  };
  VirtualNet(size_t hosts, uint64_t seed);
  absl::Status Open();
  void Carry();
  void TakeFrom(size_t from);
  void Forward(size_t from, size_t to, std::string packet) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Hold(size_t to, absl::Duration wait, std::string packet)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(size_t to, const std::string& packet) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Delivers what is due; returns the time until the next is, at most kMaxWait.
  absl::Duration DeliverDue();
  [[nodiscard]] LinkRule& Rule(size_t from, size_t to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return rules_[from * ports_.size() + to];
  }

  std::vector<Port> ports_;  // The last one is that of this process.
  int wake_fd_ = -1;         // Readable: the carrier ends.
  std::thread carrier_;
  mutable absl::Mutex mutex_;
  Random random_ ABSL_GUARDED_BY(mutex_);
  std::vector<LinkRule> rules_ ABSL_GUARDED_BY(mutex_);
  PacketCounts counts_ ABSL_GUARDED_BY(mutex_);
  std::priority_queue<HeldPacket, std::vector<HeldPacket>, std::greater<>> held_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::fault
