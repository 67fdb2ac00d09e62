#include "tests/adapter/tagged_client.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "adapter/redis/resp_encoder.h"
#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

constexpr size_t kDeepest = 64;
constexpr size_t kSlowBytes = 512;
constexpr size_t kBigTags = 4'000;
constexpr uint64_t kMagnitudes = 18;
constexpr int kDatabases = 3;
constexpr std::string_view kUnreachable =
    "-LOADING the engine cannot be reached right now; try again\r\n";

int Connect(int port, bool little_room) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_GE(socket_fd, 0);
  const int room = 4096;
  if (little_room) setsockopt(socket_fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(port));
  CHECK_EQ(connect(socket_fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  return socket_fd;
}

std::string Bulk(std::string_view text) { return fmt::format("${}\r\n{}\r\n", text.size(), text); }

std::string Repeated(const std::string& tag) {
  std::string all;
  all.reserve(tag.size() * kBigTags);
  for (size_t i = 0; i < kBigTags; ++i) all += tag;
  return all;
}

}  // namespace

TaggedClient::TaggedClient(int port, uint64_t id, Way way, uint64_t seed)
    : id_(id),
      way_(way),
      random_(seed),
      socket_(Connect(port, way == Way::kReadsSlowly)),
      left_(way == Way::kSteady ? std::numeric_limits<uint64_t>::max()
                                : random_.Below(uint64_t{2} << random_.Below(kMagnitudes))) {
  record_.counter = Key("counter");
  Ask(Kind::kSelect);
}

TaggedClient::~TaggedClient() { Close(/*reset=*/true); }

std::string TaggedClient::Tag(uint64_t number) const { return fmt::format("<{}:{}>", id_, number); }

std::string TaggedClient::Key(std::string_view name) const {
  return fmt::format("{}:{}", name, id_);
}

// ---- Asking -----------------------------------------------------------------------------------

void TaggedClient::Ask(Kind kind) {
  const uint64_t number = next_number_++;
  const std::string tag = Tag(number);
  const auto add = [this](std::initializer_list<std::string_view> argv) {
    AppendCommand(argv, &out_);
  };
  switch (kind) {
    case Kind::kEcho:
    case Kind::kQueuedEcho:
      add({"ECHO", tag});
      break;
    case Kind::kBigEcho:
      add({"ECHO", Repeated(tag)});
      break;
    case Kind::kIncrement:
    case Kind::kQueuedIncrement:
      add({"INCR", record_.counter});
      ++record_.asked;
      break;
    case Kind::kSwap:
      add({"SET", Key("swapped"), tag, "GET"});
      break;
    case Kind::kEval:
      add({"EVAL", "return ARGV[1]", "0", tag});
      break;
    case Kind::kPush:
      add({"RPUSH", Key("list"), tag});
      break;
    case Kind::kPop:
      add({"BLPOP", Key("list"), "0.02"});
      break;
    case Kind::kMulti:
      add({"MULTI"});
      break;
    case Kind::kExec:
      add({"EXEC"});
      break;
    case Kind::kSelect:
      add({"SELECT", std::to_string(id_ % kDatabases)});
      break;
    case Kind::kQuit:
      add({"QUIT"});
      break;
  }
  due_.push_back({kind, number});
}

void TaggedClient::AskSomething() {
  switch (random_.Below(16)) {
    case 0:
      return Ask(Kind::kBigEcho);
    case 1:
      return Ask(Kind::kEval);
    case 2:
      Ask(Kind::kPush);
      return Ask(Kind::kPop);
    case 3:
      Ask(Kind::kMulti);
      Ask(Kind::kQueuedEcho);
      Ask(Kind::kQueuedIncrement);
      return Ask(Kind::kExec);
    case 4:
    case 5:
    case 6:
    case 7:
      return Ask(Kind::kEcho);
    case 8:
    case 9:
    case 10:
      return Ask(Kind::kSwap);
    default:
      return Ask(Kind::kIncrement);
  }
}

void TaggedClient::Finish() {
  if (finished() || finishing_) return;
  if (way_ != Way::kSteady) return Close(/*reset=*/true);
  finishing_ = true;
  Ask(Kind::kQuit);
}

// ---- Sockets ----------------------------------------------------------------------------------

void TaggedClient::Step() {
  if (finished() || silent_) return;
  if (sends_ && !finishing_ && out_.empty() && due_.size() < kDeepest) {
    const uint64_t burst = 1 + random_.Below(kDeepest - due_.size());
    while (due_.size() < burst) AskSomething();
  }
  if (sends_) SendSome();
  if (!finished() && !silent_) ReceiveSome();
}

void TaggedClient::SendSome() {
  while (!out_.empty()) {
    const size_t size = std::min<uint64_t>(out_.size(), left_);
    const ssize_t sent = send(socket_, out_.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) return Close(/*reset=*/false);
    out_.erase(0, static_cast<size_t>(sent));
    if (way_ != Way::kSteady) left_ -= static_cast<uint64_t>(sent);
    if (left_ == 0) return Leave();
  }
}

void TaggedClient::ReceiveSome() {
  char bytes[32 << 10];
  while (true) {
    // What comes after its time is read by those alone who have only ended their side.
    uint64_t most = way_ == Way::kReadsSlowly ? kSlowBytes : sizeof bytes;
    if (sends_) most = std::min(most, left_);
    const ssize_t got = recv(socket_, bytes, most, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return Close(/*reset=*/false);
    Take(std::string_view(bytes, static_cast<size_t>(got)));
    if (finished()) return;
    if (way_ != Way::kSteady && sends_) left_ -= static_cast<uint64_t>(got);
    if (left_ == 0 && sends_) return Leave();
    if (way_ == Way::kReadsSlowly) return;
  }
}

void TaggedClient::Leave() {
  switch (way_) {
    case Way::kSteady:
      return;
    case Way::kResets:
    case Way::kReadsSlowly:
      return Close(/*reset=*/true);
    case Way::kHalfCloses:
      sends_ = false;
      shutdown(socket_, SHUT_WR);
      return;
    case Way::kVanishes:
      silent_ = true;
      return;
  }
}

// The agent may end a connection at any moment, with requests unanswered; but what it has begun to
// say has to be the answer.
void TaggedClient::Close(bool reset) {
  if (finished()) return;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (reset) setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(std::exchange(socket_, -1));
  if (partial_.empty() || !trouble_.empty()) return;
  if (due_.empty()) return Complain("bytes that nobody asked for");
  if (!Expected().starts_with(partial_) && !kUnreachable.starts_with(partial_)) {
    Complain("the beginning of another reply");
  }
}

// ---- Replies ----------------------------------------------------------------------------------

void TaggedClient::Take(std::string_view input) {
  while (!input.empty() && trouble_.empty()) {
    const auto piece = scanner_.Next(&input);
    if (!piece.ok()) return Complain(std::string(piece.status().message()));
    partial_ += piece->bytes;
    if (!piece->ends) continue;
    if (due_.empty()) return Complain("a reply that nobody asked for");
    Answered(std::exchange(partial_, ""));
  }
}

std::string TaggedClient::Expected() const {
  const Request& request = due_.front();
  const std::string tag = Tag(request.number);
  switch (request.kind) {
    case Kind::kQueuedEcho:
    case Kind::kEcho:
    case Kind::kEval:
      return in_multi_ ? "+QUEUED\r\n" : Bulk(tag);
    case Kind::kBigEcho:
      return Bulk(Repeated(tag));
    case Kind::kQueuedIncrement:
    case Kind::kIncrement:
      return in_multi_ ? "+QUEUED\r\n" : fmt::format(":{}\r\n", record_.acknowledged + 1);
    case Kind::kSwap:
      return swapped_ == 0 ? "$-1\r\n" : Bulk(Tag(swapped_));
    case Kind::kPush:
      return fmt::format(":{}\r\n", pushed_.size() + 1);
    case Kind::kPop:
      return pushed_.empty() ? "*-1\r\n"
                             : "*2\r\n" + Bulk(Key("list")) + Bulk(Tag(pushed_.front()));
    case Kind::kExec:
      if (!in_multi_) return "-ERR EXEC without MULTI\r\n";
      return "*2\r\n" + Bulk(Tag(queued_)) + fmt::format(":{}\r\n", record_.acknowledged + 1);
    case Kind::kMulti:
    case Kind::kSelect:
    case Kind::kQuit:
      return "+OK\r\n";
  }
  CHECK_UNREACHABLE();
}

// What could not reach the engine was not done, and everything behind it goes on without it.
void TaggedClient::Answered(const std::string& reply) {
  ++record_.answered;
  if (reply == kUnreachable && !in_multi_) return due_.pop_front();
  if (reply != Expected()) return Complain(reply.substr(0, 100));
  const Request request = due_.front();
  Advance(request);
  due_.pop_front();
}

void TaggedClient::Advance(const Request& request) {
  switch (request.kind) {
    case Kind::kIncrement:
      ++record_.acknowledged;
      break;
    case Kind::kQueuedIncrement:
      if (!in_multi_) ++record_.acknowledged;
      break;
    case Kind::kQueuedEcho:
      queued_ = request.number;
      break;
    case Kind::kExec:
      if (std::exchange(in_multi_, false)) ++record_.acknowledged;
      break;
    case Kind::kMulti:
      in_multi_ = true;
      break;
    case Kind::kSwap:
      swapped_ = request.number;
      break;
    case Kind::kPush:
      pushed_.push_back(request.number);
      break;
    case Kind::kPop:
      if (!pushed_.empty()) pushed_.pop_front();
      break;
    case Kind::kSelect:
      record_.database = static_cast<int>(id_ % kDatabases);
      break;
    case Kind::kQuit:
      record_.ended_well = true;
      break;
    case Kind::kEcho:
    case Kind::kBigEcho:
    case Kind::kEval:
      break;
  }
}

void TaggedClient::Complain(const std::string& what) {
  const std::string expected = due_.empty() ? "nothing" : Expected().substr(0, 100);
  trouble_ = fmt::format("client {}: told '{}' in place of '{}'", id_, what, expected);
  Close(/*reset=*/true);
}

}  // namespace cairn::adapter::redis
