#include "adapter/redis/sink_session.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <charconv>
#include <random>
#include <utility>
#include <vector>

#include "adapter/redis/command_info.h"
#include "adapter/redis/resp_encoder.h"
#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

using Monotonic = std::chrono::steady_clock;

constexpr size_t kDumpChunkBytes = size_t{256} << 10;
constexpr size_t kWriteBytes = size_t{1} << 20;
// Nothing that an engine says to its primary is longer.
constexpr RequestParser::Limits kLimits{.max_bulk_bytes = 4096,
                                        .max_request_bytes = size_t{64} << 10,
                                        .max_arguments = 64,
                                        .max_arguments_before_auth = 10,
                                        .max_bulk_bytes_before_auth = 512};

std::optional<uint64_t> ReadNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The name of a history: it must never have been used before.
std::string NewHistory() {
  std::random_device random;
  std::string history;
  while (history.size() < 40) history += fmt::format("{:08x}", random());
  return history;
}

// Takes as long for a wrong password as for a right one.
bool SamePassword(std::string_view given, std::string_view wanted) {
  if (given.size() != wanted.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < given.size(); ++i) difference |= given[i] ^ wanted[i];
  return difference == 0;
}

// "PSYNC <replid> <offset of the first byte that is missing>".
StreamPlace ReadPlace(std::span<const std::string_view> argv) {
  const std::optional<uint64_t> next = ReadNumber(argv[2]);
  if (!next || *next == 0) return {"?", StreamOffset()};
  return {std::string(argv[1]), StreamOffset(*next - 1)};
}

}  // namespace

SinkState::SinkState(asio::any_io_executor the_executor, ReplSinkOwner* the_owner,
                     ReplSinkOptions the_options)
    : executor(std::move(the_executor)),
      owner(the_owner),
      options(std::move(the_options)),
      acceptor(executor),
      stream(options.window_bytes),
      room(executor),
      acked(executor) {}

void SinkState::BeginStream(StreamOffset offset, Seq seq) {
  stream.Begin({NewHistory(), offset}, seq);
  ++stream_number;
  told.reset();
  room.Wake();
  owner->OnStream(stream_number, seq);
}

void SinkState::TellFed() {
  const std::optional<SinkStream::Position> acked_to = stream.acked();
  if (!acked_to) return;
  const SinkStream::Position fed = stream.fed();
  if (told && told->fed_seq == fed.seq && told->acked_seq == acked_to->seq) return;
  told = EngineFedEvent{fed.seq, acked_to->seq, fed.offset, acked_to->offset};
  owner->OnFed(stream_number, *told);
}

SinkSession::SinkSession(std::shared_ptr<SinkState> state, asio::ip::tcp::socket socket)
    : state_(std::move(state)),
      socket_(std::move(socket)),
      parser_(kLimits),
      decided_(state_->executor),
      work_(state_->executor) {
  ++state_->connections;
  parser_.set_authenticated(false);
}

SinkSession::~SinkSession() { --state_->connections; }

void SinkSession::Start(const std::shared_ptr<SinkSession>& session) {
  Spawn(session->state_->executor, Run(session));
}

void SinkSession::Close() {
  if (closed_) return;
  closed_ = true;
  std::error_code ignored;
  socket_.close(ignored);
  decided_.Wake();
  work_.Wake();
  if (state_->current.get() != this) return;
  const std::shared_ptr<SinkSession> self = std::exchange(state_->current, nullptr);
  if (feeding_ && !state_->closed) state_->owner->OnLink(false);
}

asio::awaitable<void> SinkSession::Run(std::shared_ptr<SinkSession> self) {
  std::optional<StreamPlace> asked;
  {
    SocketDeadline deadline(&self->socket_, self->state_->options.handshake_patience);
    asked = co_await self->LogIn();
  }
  if (!asked || self->closed_ || self->state_->closed) {
    self->Close();
    co_return;
  }
  if (self->state_->current != nullptr) {
    // Taken out first: closing it tells the owner.
    const std::shared_ptr<SinkSession> older = self->state_->current;
    older->Close();
  }
  self->state_->current = self;
  Spawn(self->state_->executor, Listen(self));
  const bool feed = co_await self->Answer(*asked);
  if (feed) co_await self->Feed();
  self->Close();
}

asio::awaitable<std::optional<StreamPlace>> SinkSession::LogIn() {
  bool open = co_await ReadRequest(state_->options.handshake_patience);
  while (open) {
    std::string reply;
    std::optional<StreamPlace> asked = TakeHandshake(parser_.argv(), &reply);
    if (asked) co_return asked;
    open = co_await Write(std::move(reply));
    if (open) open = co_await ReadRequest(state_->options.handshake_patience);
  }
  co_return std::nullopt;
}

std::optional<StreamPlace> SinkSession::TakeHandshake(std::span<const std::string_view> argv,
                                                      std::string* reply) {
  ReplyWriter writer(RespVersion::k2, reply);
  if (EqualsIgnoringCase(argv[0], "auth")) {
    Authenticate(argv, reply);
  } else if (!authenticated_) {
    // An engine takes that as an answer to its PING, and sends AUTH next.
    writer.Error("NOAUTH Authentication required.");
  } else if (EqualsIgnoringCase(argv[0], "ping")) {
    writer.Simple("PONG");
  } else if (EqualsIgnoringCase(argv[0], "replconf")) {
    writer.Simple("OK");
  } else if (EqualsIgnoringCase(argv[0], "psync") && argv.size() >= 3) {
    return ReadPlace(argv);
  } else {
    writer.Error("ERR this port feeds one engine and knows no such command");
  }
  return std::nullopt;
}

void SinkSession::Authenticate(std::span<const std::string_view> argv, std::string* reply) {
  ReplyWriter writer(RespVersion::k2, reply);
  if (argv.size() > 1 && SamePassword(argv.back(), state_->options.password)) {
    authenticated_ = true;
    parser_.set_authenticated(true);
    writer.Simple("OK");
    return;
  }
  spdlog::warn("somebody tried a wrong password at the port that feeds the engine");
  writer.Error("WRONGPASS invalid username-password pair or user is disabled.");
}

asio::awaitable<bool> SinkSession::ReadRequest(Millis patience) {
  while (!closed_) {
    const RequestParser::Outcome outcome = parser_.Next();
    if (outcome == RequestParser::Outcome::kRequest) co_return true;
    if (outcome == RequestParser::Outcome::kError) co_return false;
    const std::span<char> room = parser_.Prepare();
    SocketDeadline deadline(&socket_, patience);
    std::error_code error;
    const size_t bytes = co_await socket_.async_read_some(
        asio::buffer(room.data(), room.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return false;
    parser_.Commit(bytes);
  }
  co_return false;
}

asio::awaitable<bool> SinkSession::Write(std::string bytes) {
  SocketDeadline deadline(&socket_, state_->options.silence);
  std::error_code error;
  co_await asio::async_write(socket_, asio::buffer(bytes),
                             asio::redirect_error(asio::use_awaitable, error));
  co_return !error && !closed_;
}

// True: the stream is to be fed.
asio::awaitable<bool> SinkSession::Answer(StreamPlace asked) {
  SinkStream& stream = state_->stream;
  bool sent = false;
  if (stream.CanContinue(asked)) {
    stream.Continue(asked.offset);
    spdlog::info("the engine goes on at {}", asked.offset);
    sent = co_await Write(fmt::format("+CONTINUE {}\r\n", stream.history()));
    co_return sent;
  }
  const std::optional<Seq> seq = stream.SeqAt(asked);
  if (seq) {
    decision_ = SinkContinue{*seq};
  } else {
    const bool decided = co_await AwaitDecision(asked);
    if (!decided) co_return false;
  }
  if (const auto* goes_on = std::get_if<SinkContinue>(&*decision_)) {
    state_->BeginStream(asked.offset, goes_on->seq);
    spdlog::info("the engine goes on at {} {}, behind seq {}", asked.history, asked.offset,
                 goes_on->seq);
    sent = co_await Write(fmt::format("+CONTINUE {}\r\n", stream.history()));
    co_return sent;
  }
  if (auto* full = std::get_if<SinkFull>(&*decision_)) {
    // Not 0, which would mean that there is no offset.
    state_->BeginStream(StreamOffset(1), full->seq);
    spdlog::info("the engine gets a dump of {} bytes, as of seq {}", full->dump->size_bytes(),
                 full->seq);
    sent = co_await Write(fmt::format("+FULLRESYNC {} {}\r\n", stream.history(), stream.end()));
    if (sent) sent = co_await SendDump(full->dump.get());
    co_return sent;
  }
  // The one error after which an engine asks again by itself.
  co_await Write("-NOMASTERLINK the agent cannot feed the engine now\r\n");
  co_return false;
}

// Meanwhile the engine is sent empty lines, so that it does not lose patience.
asio::awaitable<bool> SinkSession::AwaitDecision(StreamPlace asked) {
  Spawn(state_->executor, RunDecide(shared_from_this(), std::move(asked)));
  while (true) {
    co_await decided_.Wait(state_->options.keepalive);
    if (closed_) co_return false;
    if (decision_) co_return true;
    const bool sent = co_await Write("\n");
    if (!sent) co_return false;
  }
}

asio::awaitable<void> SinkSession::RunDecide(std::shared_ptr<SinkSession> self, StreamPlace asked) {
  SinkDecision decision = co_await self->state_->owner->Decide(std::move(asked));
  self->decision_ = std::move(decision);
  self->decided_.Wake();
}

asio::awaitable<bool> SinkSession::SendDump(RdbSource* dump) {
  uint64_t left = dump->size_bytes();
  bool sent = co_await Write(fmt::format("${}\r\n", left));
  std::string chunk;
  while (sent && left > 0) {
    chunk.resize(std::min<uint64_t>(left, kDumpChunkBytes));
    const absl::StatusOr<size_t> bytes =
        co_await dump->Read(std::span<char>(chunk.data(), chunk.size()));
    if (!bytes.ok()) {
      spdlog::warn("feeding the engine a dump: {}", ToStd(bytes.status().message()));
      co_return false;
    }
    CHECK(*bytes > 0 && *bytes <= left);
    chunk.resize(*bytes);
    left -= *bytes;
    sent = co_await Write(chunk);
  }
  co_return sent;
}

asio::awaitable<void> SinkSession::Feed() {
  feeding_ = true;
  said_time_ = Monotonic::now();
  state_->owner->OnLink(true);
  state_->TellFed();
  while (!closed_) {
    const bool may_ask = Monotonic::now() - asked_time_ >= state_->options.ack_gap;
    if (state_->stream.all_sent() && state_->stream.has_unacked_records() && may_ask) AskForAck();
    if (state_->stream.all_sent()) {
      co_await WaitForWork();
      continue;
    }
    const bool sent = co_await SendSome();
    if (!sent) co_return;
  }
}

asio::awaitable<bool> SinkSession::SendSome() {
  std::vector<asio::const_buffer> buffers;
  for (const std::string_view piece : state_->stream.Unsent(kWriteBytes)) {
    buffers.push_back(asio::buffer(piece.data(), piece.size()));
  }
  SocketDeadline deadline(&socket_, state_->options.silence);
  std::error_code error;
  const size_t bytes =
      co_await socket_.async_write_some(buffers, asio::redirect_error(asio::use_awaitable, error));
  // The stream may be another one's by now.
  if (error || closed_) co_return false;
  state_->stream.Sent(bytes);
  said_time_ = Monotonic::now();
  if (!state_->stream.between_records()) state_->room.Wake();
  co_return true;
}

asio::awaitable<void> SinkSession::WaitForWork() {
  const SinkStream& stream = state_->stream;
  const bool will_ask = !asked_at_ && stream.has_unacked_records() && stream.between_records();
  co_await work_.Wait(will_ask ? state_->options.ack_gap : state_->options.keepalive);
  if (closed_ || state_->frozen || !stream.all_sent() || !stream.between_records()) co_return;
  if (Monotonic::now() - said_time_ < state_->options.keepalive) co_return;
  state_->stream.AppendKeepalive(EncodeCommand({"PING"}));
}

void SinkSession::AskForAck() {
  if (!feeding_ || asked_at_ || !state_->stream.between_records()) return;
  asked_at_ = state_->stream.end();
  asked_time_ = Monotonic::now();
  state_->stream.AppendKeepalive(EncodeCommand({"REPLCONF", "GETACK", "*"}));
}

asio::awaitable<void> SinkSession::Listen(std::shared_ptr<SinkSession> self) {
  while (true) {
    const bool read = co_await self->ReadRequest(self->state_->options.silence);
    if (!read) break;
    self->TakeRequest(self->parser_.argv());
  }
  self->Close();
}

void SinkSession::TakeRequest(std::span<const std::string_view> argv) {
  // Others are REPLCONF of things that do not matter here.
  if (argv.size() < 3 || !EqualsIgnoringCase(argv[1], "ack")) return;
  const std::optional<uint64_t> number = ReadNumber(argv[2]);
  const StreamOffset offset(number.value_or(0));
  if (!feeding_ || !number || !state_->stream.Acknowledge(offset)) {
    spdlog::warn("the engine acknowledges {}, which it cannot have", argv[2]);
    Close();
    return;
  }
  // Anew even without an answer to the last question: after a break it may have been lost.
  if (asked_at_ && offset >= *asked_at_) asked_at_.reset();
  state_->TellFed();
  state_->room.Wake();
  state_->acked.Wake();
  if (state_->stream.has_unacked_records()) work_.Wake();
}

}  // namespace cairn::adapter::redis
