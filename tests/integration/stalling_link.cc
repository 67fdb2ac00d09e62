#include "tests/integration/stalling_link.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace cairn::integration {
namespace {

sockaddr_un AtPath(const std::string& path) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  CHECK_LT(path.size(), sizeof at.sun_path);
  std::memcpy(at.sun_path, path.data(), path.size());
  return at;
}

Fd NewSocket() {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(fd);
  return fd;
}

bool SendAll(const Fd& to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

StallingLink::StallingLink(const std::string& listen_at, std::string engine,
                           std::function<void()> stall)
    : engine_(std::move(engine)), stall_(std::move(stall)), listener_(NewSocket()) {
  const sockaddr_un at = AtPath(listen_at);
  CHECK_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  CHECK_EQ(listen(listener_.get(), 16), 0);
  accepter_ = std::thread([this] { Accept(); });
}

StallingLink::~StallingLink() {
  std::vector<std::thread> passers;
  shutdown(listener_.get(), SHUT_RDWR);
  accepter_.join();
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    for (const auto& pair : pairs_) {
      shutdown(pair->adopter.get(), SHUT_RDWR);
      shutdown(pair->engine.get(), SHUT_RDWR);
    }
    passers.swap(passers_);
  }
  for (std::thread& passer : passers) passer.join();
}

bool StallingLink::stalled() const {
  const absl::MutexLock lock(&mutex_);
  return stalled_;
}

void StallingLink::Accept() {
  while (true) {
    auto pair = std::make_unique<Pair>();
    pair->adopter = Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!pair->adopter) return;
    pair->engine = NewSocket();
    const sockaddr_un at = AtPath(engine_);
    CHECK_EQ(connect(pair->engine.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    const absl::MutexLock lock(&mutex_);
    Pair* const known = pairs_.emplace_back(std::move(pair)).get();
    passers_.emplace_back([this, known] { PassUp(known); });
    passers_.emplace_back([this, known] { PassDown(known); });
  }
}

void StallingLink::PassUp(Pair* pair) {
  char room[64 << 10];
  while (true) {
    const ssize_t got = recv(pair->adopter.get(), room, sizeof room, 0);
    if (got <= 0) break;
    const std::string_view bytes(room, static_cast<size_t>(got));
    OnRequest(pair, bytes);
    if (!SendAll(pair->engine, bytes)) break;
  }
  shutdown(pair->engine.get(), SHUT_RDWR);
}

void StallingLink::PassDown(Pair* pair) {
  char room[64 << 10];
  while (true) {
    const ssize_t got = recv(pair->engine.get(), room, sizeof room, 0);
    if (got <= 0) break;
    AwaitRelease(*pair);
    if (!SendAll(pair->adopter, std::string_view(room, static_cast<size_t>(got)))) break;
  }
  shutdown(pair->adopter.get(), SHUT_RDWR);
}

void StallingLink::OnRequest(Pair* pair, std::string_view bytes) {
  bool stalls = false;
  {
    const absl::MutexLock lock(&mutex_);
    pair->replicates |= bytes.find("PSYNC") != std::string_view::npos;
    if (bytes.find("INFO") != std::string_view::npos) holds_ = false;
    stalls = !begun_ && bytes.find("min-replicas") != std::string_view::npos;
    if (stalls) begun_ = holds_ = true;
  }
  if (!stalls) return;
  stall_();
  const absl::MutexLock lock(&mutex_);
  stalled_ = true;
}

void StallingLink::AwaitRelease(const Pair& pair) {
  const absl::MutexLock lock(&mutex_);
  const auto released = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !holds_ || !pair.replicates || closed_;
  };
  mutex_.Await(absl::Condition(&released));
}

}  // namespace cairn::integration
