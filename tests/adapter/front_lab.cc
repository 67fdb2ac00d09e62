#include "tests/adapter/front_lab.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "adapter/redis/resp_encoder.h"
#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

constexpr MonoMicros kForEver = int64_t{1} << 60;

FrontOptions AtFreePort(FrontOptions options) {
  options.listen = "127.0.0.1:0";
  return options;
}

}  // namespace

FrontLab::FrontLab(FrontOptions options, std::vector<std::string> engine_options)
    : engine_(&world_, "engine", std::move(engine_options)),
      source_(world_.executor(), engine_.address(), {}),
      guard_(std::make_shared<LeaseGuard>(&SystemClock())) {
  const absl::StatusOr<StreamPlace> place = world_.Run(source_.AttachWithDump());
  CHECK(place.ok());
  char dump[4096];
  while (world_.Run(source_.ReadDump(dump)).value() > 0) {
  }
  const EngineFacts facts = engine_.Facts();
  auto setup =
      world_.Run(SetUpEngine(engine_.link(), facts, {.sink_password = "s"}, kCallPatience));
  CHECK(setup.ok());

  auto started = Front::Start(AtFreePort(std::move(options)), nullptr);
  CHECK(started.ok());
  front_ = *std::move(started);
  known_engine_ = {.address = engine_.address(),
                   .run_id = facts.run_id,
                   .version = facts.version,
                   .setup = std::make_shared<const EngineSetup>(*std::move(setup))};
  front_->EngineUp(known_engine_);
  CacheView view;
  view.log_replicas = 3;
  front_->SetView(view);
  SetSafe(true);
  reign_ = {.epoch = Epoch(1), .lease = guard_, .committed = *place, .seq = Seq(1)};
  SetMode(FrontMode::kPrimary);
  Spawn(world_.executor(), Publish());
}

FrontLab::~FrontLab() {
  front_->Stop();
  source_.Close();
  CHECK(world_.Until([&] { return !publishing_; }));
}

void FrontLab::SetMode(FrontMode mode) {
  front_->SetMode(
      mode, mode == FrontMode::kPrimary || mode == FrontMode::kPausing ? reign_ : FrontReign());
}

void FrontLab::EngineUpAt(const EngineAddress& address) {
  FrontEngine engine = known_engine_;
  engine.address = address;
  front_->EngineUp(engine);
}

void FrontLab::SetSafe(bool safe) { guard_->SetSafeUntil(safe ? kForEver : 0); }

asio::awaitable<void> FrontLab::Publish() {
  while (true) {
    // (In a condition g++ 12 makes a trap of it.)
    const absl::StatusOr<std::string_view> read = co_await source_.Read();
    if (!read.ok()) break;
    if (committing_) Tell(source_.read_offset());
  }
  publishing_ = false;
}

void FrontLab::Tell(StreamOffset offset) {
  front_->Committed(offset, Seq(++seq_));
  source_.Acknowledge(offset);
}

void FrontLab::SetCommitting(bool on) {
  committing_ = on;
  if (on) Tell(source_.read_offset());
}

// ---- Clients ----------------------------------------------------------------------------------

FrontClient::FrontClient(FrontLab* lab) : lab_(lab) {
  const std::string& address = lab->front().address();
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_GE(socket_, 0);
  CHECK_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
}

FrontClient::~FrontClient() { close(socket_); }

void FrontClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      lab_->world().Drain();
    } else {
      return;  // It was cut, which Next tells.
    }
  }
}

void FrontClient::Do(const std::vector<std::string>& argv) {
  const std::vector<std::string_view> views(argv.begin(), argv.end());
  std::string bytes;
  AppendCommand(views, &bytes);
  Send(bytes);
}

// What has arrived; false when nothing has.
bool FrontClient::Receive() {
  char bytes[16 << 10];
  const ssize_t got = recv(socket_, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return false;
  if (got <= 0) {
    closed_ = true;
    return true;
  }
  std::string_view input(bytes, static_cast<size_t>(got));
  if (skips_) return true;
  while (!input.empty()) {
    const auto piece = scanner_.Next(&input);
    CHECK(piece.ok());
    partial_ += piece->bytes;
    if (piece->ends) replies_.push_back(std::exchange(partial_, ""));
  }
  return true;
}

std::string FrontClient::Next() {
  const bool came = lab_->world().Until([&] {
    while (!closed_ && Receive()) {
    }
    return closed_ || !replies_.empty();
  });
  EXPECT_TRUE(came) << "no reply came";
  if (replies_.empty()) return "";
  std::string reply = std::move(replies_.front());
  replies_.erase(replies_.begin());
  return reply;
}

std::string FrontClient::Ask(const std::vector<std::string>& argv) {
  Do(argv);
  return Next();
}

bool FrontClient::Waits() {
  // A turn of each io thread passes for others.
  for (int i = 0; i < 4; ++i) {
    FrontClient other(lab_);
    EXPECT_EQ(other.Ask({"PING"}), "+PONG\r\n");
  }
  while (!closed_ && Receive()) {
  }
  return !closed_ && replies_.empty();
}

bool FrontClient::IsCut() {
  return lab_->world().Until([&] {
    while (!closed_ && Receive()) {
    }
    return closed_;
  });
}

}  // namespace cairn::adapter::redis
