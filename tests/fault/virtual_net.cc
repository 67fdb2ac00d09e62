#include "tests/fault/virtual_net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::fault {
namespace {

// Large, so that a batch of records is one packet and this process has less to carry.
constexpr int kMtuBytes = 9000;
constexpr size_t kMaxHeldPackets = 100'000;
constexpr absl::Duration kMaxWait = absl::Milliseconds(100);
// How long a packet that comes out of order is held back on a link without a delay.
constexpr absl::Duration kHeldBack = absl::Milliseconds(10);
constexpr size_t kIpHeaderBytes = 20;
constexpr size_t kIpDestinationAt = 16;
constexpr const char* kDevice = "tun0";

absl::Status Failed(std::string_view what) {
  return absl::UnavailableError(ToAbsl(fmt::format("{}: {}", what, std::strerror(errno))));
}

// The last byte of a host's address.
uint8_t NumberOf(size_t host) { return static_cast<uint8_t>(host + 1); }

absl::Status SetAddress(int fd, ifreq& request, unsigned long what, const std::string& address) {
  auto* const in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  in->sin_family = AF_INET;
  CHECK_EQ(inet_pton(AF_INET, address.c_str(), &in->sin_addr), 1);
  if (ioctl(fd, what, &request) != 0) return Failed("setting " + address);
  return absl::OkStatus();
}

absl::Status BringUp(int fd, const char* device) {
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) return Failed("bringing up a device");
  return absl::OkStatus();
}

absl::Status Configure(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("socket");
  ifreq request{};
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  absl::Status status = SetAddress(fd, request, SIOCSIFADDR, address);
  if (status.ok()) status = SetAddress(fd, request, SIOCSIFNETMASK, "255.255.255.0");
  request.ifr_mtu = kMtuBytes;
  if (status.ok() && ioctl(fd, SIOCSIFMTU, &request) != 0) status = Failed("setting the MTU");
  if (status.ok()) status = BringUp(fd, kDevice);
  if (status.ok()) status = BringUp(fd, "lo");
  close(fd);
  return status;
}

// A device in the namespace in which this thread is. The descriptor does not block.
absl::StatusOr<int> OpenTun() {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return Failed("/dev/net/tun");
  ifreq request{};
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(fd, TUNSETIFF, &request) == 0) return fd;
  const absl::Status failed = Failed("making a TUN device");
  close(fd);
  return failed;
}

}  // namespace

VirtualNet::VirtualNet(size_t hosts, uint64_t seed)
    : ports_(hosts + 1), random_(seed), rules_(ports_.size() * ports_.size()) {}

std::string VirtualNet::AddressOf(size_t host) { return fmt::format("10.99.0.{}", NumberOf(host)); }

absl::StatusOr<std::unique_ptr<VirtualNet>> VirtualNet::Make(size_t hosts, uint64_t seed) {
  std::unique_ptr<VirtualNet> net(new VirtualNet(hosts, seed));
  RETURN_IF_ERROR(net->Open());
  net->carrier_ = std::thread([carried = net.get()] { carried->Carry(); });
  return net;
}

absl::Status VirtualNet::Open() {
  // Of this process last: that is the namespace in which it stays.
  for (size_t host = 0; host < ports_.size(); ++host) {
    Port& port = ports_[host];
    if (unshare(CLONE_NEWNET) != 0) return Failed("making a network namespace");
    port.namespace_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (port.namespace_fd < 0) return Failed("/proc/self/ns/net");
    ASSIGN_OR_RETURN(port.tun_fd, OpenTun());
    RETURN_IF_ERROR(Configure(AddressOf(host)));
  }
  wake_fd_ = eventfd(0, EFD_CLOEXEC);
  CHECK_GE(wake_fd_, 0);
  return absl::OkStatus();
}

VirtualNet::~VirtualNet() {
  if (carrier_.joinable()) {
    const uint64_t one = 1;
    CHECK_EQ(write(wake_fd_, &one, sizeof one), static_cast<ssize_t>(sizeof one));
    carrier_.join();
  }
  if (wake_fd_ >= 0) close(wake_fd_);
  for (const Port& port : ports_) {
    if (port.tun_fd >= 0) close(port.tun_fd);
    if (port.namespace_fd >= 0) close(port.namespace_fd);
  }
}

void VirtualNet::SetLink(size_t from, size_t to, const LinkRule& rule) {
  absl::MutexLock lock(&mutex_);
  Rule(from, to) = rule;
}

void VirtualNet::SetPair(size_t a, size_t b, const LinkRule& rule) {
  SetLink(a, b, rule);
  SetLink(b, a, rule);
}

void VirtualNet::Heal() {
  absl::MutexLock lock(&mutex_);
  std::fill(rules_.begin(), rules_.end(), LinkRule());
}

PacketCounts VirtualNet::counts() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

void VirtualNet::Carry() {
  std::vector<pollfd> ready;
  for (const Port& port : ports_) ready.push_back({.fd = port.tun_fd, .events = POLLIN});
  ready.push_back({.fd = wake_fd_, .events = POLLIN});
  while (true) {
    const absl::Duration wait = DeliverDue();
    // Rounded up, so that it does not run in a circle for the last part of a millisecond.
    poll(ready.data(), ready.size(), static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1);
    if (ready.back().revents != 0) return;
    for (size_t from = 0; from < ports_.size(); ++from) {
      if (ready[from].revents != 0) TakeFrom(from);
    }
  }
}

void VirtualNet::TakeFrom(size_t from) {
  constexpr int kPacketsAtOnce = 64;  // The others shall not wait for one that never ends.
  char bytes[kMtuBytes];
  for (int i = 0; i < kPacketsAtOnce; ++i) {
    const ssize_t size = read(ports_[from].tun_fd, bytes, sizeof bytes);
    if (size <= 0) return;
    const auto packet_bytes = static_cast<size_t>(size);
    const bool is_ip4 = packet_bytes >= kIpHeaderBytes && (bytes[0] & 0xf0) == 0x40;
    if (!is_ip4) continue;  // The kernel's own, such as router solicitations.
    const auto number = static_cast<uint8_t>(bytes[kIpDestinationAt + 3]);
    if (number == 0 || number > ports_.size()) continue;
    absl::MutexLock lock(&mutex_);
    Forward(from, number - 1u, std::string(bytes, packet_bytes));
  }
}

void VirtualNet::Forward(size_t from, size_t to, std::string packet) {
  const LinkRule rule = Rule(from, to);
  if (rule.cut) {
    ++counts_.cut;
    return;
  }
  if (rule.loss > 0 && random_.Chance(rule.loss)) {
    ++counts_.lost;
    return;
  }
  if (rule.duplicate > 0 && random_.Chance(rule.duplicate)) {
    ++counts_.duplicated;
    Deliver(to, packet);
  }
  if (rule.corrupt > 0 && random_.Chance(rule.corrupt)) {
    // Behind the header of IP, which would only send it elsewhere.
    const size_t bit = random_.Below((packet.size() - kIpHeaderBytes) * 8 + 1);
    const size_t at = std::min(kIpHeaderBytes + bit / 8, packet.size() - 1);
    packet[at] = static_cast<char>(packet[at] ^ (1 << (bit % 8)));
    ++counts_.corrupted;
  }
  ++counts_.forwarded;
  const bool out_of_order = rule.reorder > 0 && random_.Chance(rule.reorder);
  if (out_of_order) ++counts_.reordered;
  if (rule.delay == absl::ZeroDuration()) {
    if (out_of_order) return Hold(to, kHeldBack, std::move(packet));
    return Deliver(to, packet);
  }
  if (out_of_order) return Deliver(to, packet);
  ++counts_.delayed;
  const double part = 2 * random_.Fraction() - 1;
  Hold(to, rule.delay + part * rule.jitter, std::move(packet));
}

void VirtualNet::Hold(size_t to, absl::Duration wait, std::string packet) {
  if (held_.size() >= kMaxHeldPackets) {
    ++counts_.lost;
    return;
  }
  held_.push({absl::Now() + wait, to, std::move(packet)});
}

void VirtualNet::Deliver(size_t to, const std::string& packet) {
  // A device whose queue is full, or whose host is gone, loses the packet, as a wire does.
  const ssize_t written = write(ports_[to].tun_fd, packet.data(), packet.size());
  static_cast<void>(written);
}

absl::Duration VirtualNet::DeliverDue() {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = absl::Now();
  while (!held_.empty() && held_.top().due <= now) {
    Deliver(held_.top().to, held_.top().bytes);
    held_.pop();
  }
  return held_.empty() ? kMaxWait : std::min(kMaxWait, held_.top().due - now);
}

}  // namespace cairn::fault
