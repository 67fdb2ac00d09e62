#include "adapter/redis/repl_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "adapter/redis/resp_encoder.h"
#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

// Longer than any line of the handshake.
constexpr size_t kMaxLineBytes = 4096;
constexpr size_t kDumpMarkBytes = 40;
// Between two acknowledgements at least.
constexpr Millis kAckGap{5};

std::optional<uint64_t> ReadNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::Status Unexpected(std::string_view what, std::string_view line) {
  return absl::InternalError(fmt::format("the engine's answer to {}: '{}'", what, line));
}

// What the engine says to a command that it does not do.
absl::Status RefusalStatus(std::string_view line) {
  const std::string text = fmt::format("the engine refuses to be followed: {}", line);
  for (const std::string_view code : {"-NOAUTH", "-WRONGPASS", "-NOPERM"}) {
    if (line.starts_with(code)) return absl::PermissionDeniedError(text);
  }
  return absl::FailedPreconditionError(text);
}

// "+FULLRESYNC <replid> <offset>".
std::optional<StreamPlace> ReadFullResync(std::string_view line) {
  constexpr std::string_view kPrefix = "+FULLRESYNC ";
  if (!line.starts_with(kPrefix)) return std::nullopt;
  line.remove_prefix(kPrefix.size());
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const std::optional<uint64_t> offset = ReadNumber(line.substr(blank + 1));
  if (!offset) return std::nullopt;
  return StreamPlace{std::string(line.substr(0, blank)), StreamOffset(*offset)};
}

}  // namespace

struct ReplSource::Connection {
  explicit Connection(const asio::any_io_executor& executor)
      : socket(executor), ack_wake(executor), buffer(ReplSource::kReadBytes) {}

  void Close() {
    closed = true;
    std::error_code ignored;
    socket.close(ignored);
    ack_wake.Wake();
  }
  // Moves up to `most` of the buffered bytes out.
  std::string_view Take(size_t most) {
    const size_t bytes = std::min(most, end - begin);
    const std::string_view taken(buffer.data() + begin, bytes);
    begin += bytes;
    return taken;
  }

  EngineSocket socket;
  bool closed = false;
  WakeUp ack_wake;
  StreamOffset ack;
  std::vector<char> buffer;  // [begin, end) was read and not taken.
  size_t begin = 0;
  size_t end = 0;
};

ReplSource::ReplSource(asio::any_io_executor executor, EngineAddress address,
                       ReplSourceOptions options)
    : executor_(std::move(executor)), address_(std::move(address)), options_(options) {}

ReplSource::~ReplSource() { Close(); }

void ReplSource::Close() {
  if (connection_ != nullptr) connection_->Close();
}

asio::awaitable<absl::StatusOr<ReplSource::Attachment>> ReplSource::Attach(StreamPlace place) {
  const StreamOffset committed = place.offset;
  return Attach(std::move(place), committed);
}

asio::awaitable<absl::StatusOr<ReplSource::Attachment>> ReplSource::Attach(StreamPlace place,
                                                                           StreamOffset committed) {
  absl::Status status = co_await Handshake();
  if (!status.ok()) co_return status;
  // The engine is asked for the first byte that is missing.
  const std::string next = std::to_string(place.offset.value() + 1);
  const std::string psync = EncodeCommand({"PSYNC", place.history, next});
  const absl::StatusOr<std::string> line = co_await Ask(psync, options_.handshake_patience);
  if (!line.ok()) co_return line.status();
  if (ReadFullResync(*line)) {
    Close();  // Before the dump is made in vain.
    co_return Attachment::kGap;
  }
  constexpr std::string_view kContinue = "+CONTINUE";
  if (line->starts_with('-')) co_return RefusalStatus(*line);
  if (!line->starts_with(kContinue)) co_return Unexpected("PSYNC", *line);
  const std::string_view replid = std::string_view(*line).substr(kContinue.size());
  history_ = replid.empty() ? place.history : std::string(replid.substr(1));
  read_offset_ = place.offset;
  StartAcks(committed);
  co_return Attachment::kContinued;
}

asio::awaitable<absl::StatusOr<StreamPlace>> ReplSource::AttachWithDump() {
  absl::Status status = co_await Handshake();
  if (!status.ok()) co_return status;
  const std::string psync = EncodeCommand({"PSYNC", "?", "-1"});
  const absl::StatusOr<std::string> line = co_await Ask(psync, options_.handshake_patience);
  if (!line.ok()) co_return line.status();
  if (line->starts_with('-')) co_return RefusalStatus(*line);
  std::optional<StreamPlace> place = ReadFullResync(*line);
  if (!place) co_return Unexpected("PSYNC", *line);
  status = co_await BeginDump();
  if (!status.ok()) co_return status;
  history_ = place->history;
  read_offset_ = place->offset;
  co_return *place;
}

asio::awaitable<absl::Status> ReplSource::Handshake() {
  Close();
  dump_.reset();
  connection_ = std::make_shared<Connection>(executor_);
  absl::Status status =
      co_await ConnectEngine(&connection_->socket, address_, options_.handshake_patience);
  if (!status.ok()) co_return status;
  std::vector<std::string> commands;
  if (!address_.password.empty()) {
    commands.push_back(address_.user.empty()
                           ? EncodeCommand({"AUTH", address_.password})
                           : EncodeCommand({"AUTH", address_.user, address_.password}));
  }
  // Port 0: nobody could connect to this replica. psync2: "+CONTINUE" may name a new replid.
  commands.push_back(EncodeCommand({"REPLCONF", "listening-port", "0"}));
  commands.push_back(EncodeCommand({"REPLCONF", "capa", "eof", "capa", "psync2"}));
  for (const std::string& command : commands) {
    const absl::StatusOr<std::string> line = co_await Ask(command, options_.handshake_patience);
    if (!line.ok()) co_return line.status();
    if (line->starts_with('-')) co_return RefusalStatus(*line);
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<std::string>> ReplSource::Ask(std::string command, Millis patience) {
  absl::Status status = co_await Send(std::move(command));
  if (!status.ok()) co_return status;
  while (true) {
    absl::StatusOr<std::string> line = co_await ReadLine(patience);
    // Empty lines: the engine is busy, and alive.
    if (!line.ok() || !line->empty()) co_return line;
  }
}

// Without its end.
asio::awaitable<absl::StatusOr<std::string>> ReplSource::ReadLine(Millis patience) {
  std::string line;
  while (line.size() < kMaxLineBytes) {
    if (connection_->begin == connection_->end) {
      absl::Status status = co_await Fill(patience);
      if (!status.ok()) co_return status;
    }
    const char c = connection_->Take(1).front();
    if (c != '\n') {
      line.push_back(c);
      continue;
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    co_return line;
  }
  co_return absl::InternalError("the engine sends a line without an end");
}

asio::awaitable<absl::Status> ReplSource::Send(std::string bytes) {
  SocketDeadline deadline(&connection_->socket, options_.handshake_patience);
  std::error_code error;
  co_await asio::async_write(connection_->socket, asio::buffer(bytes),
                             asio::redirect_error(asio::use_awaitable, error));
  co_return deadline.Judge(error, "writing to the engine");
}

// Requires: nothing is buffered.
asio::awaitable<absl::Status> ReplSource::Fill(Millis patience) {
  const std::shared_ptr<Connection> connection = connection_;
  if (connection->closed) co_return absl::UnavailableError("the connection was closed");
  SocketDeadline deadline(&connection->socket, patience, options_.wait_on);
  std::error_code error;
  const size_t bytes = co_await connection->socket.async_read_some(
      asio::buffer(connection->buffer), asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    connection->Close();
    co_return deadline.Judge(error, "reading the engine's stream");
  }
  connection->begin = 0;
  connection->end = bytes;
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> ReplSource::BeginDump() {
  // Empty lines come while the engine makes it.
  const absl::StatusOr<std::string> line = co_await Ask("", options_.dump_patience);
  if (!line.ok()) co_return line.status();
  Dump dump;
  constexpr std::string_view kMarked = "$EOF:";
  if (line->starts_with(kMarked) && line->size() == kMarked.size() + kDumpMarkBytes) {
    dump.by_mark = true;
    dump.mark = line->substr(kMarked.size());
  } else {
    const std::optional<uint64_t> bytes =
        line->starts_with('$') ? ReadNumber(std::string_view(*line).substr(1)) : std::nullopt;
    if (!bytes) co_return Unexpected("PSYNC, the dump's beginning", *line);
    dump.bytes_left = *bytes;
  }
  dump_ = std::move(dump);
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<size_t>> ReplSource::ReadDump(std::span<char> into) {
  CHECK(dump_.has_value());
  CHECK(!into.empty());
  if (dump_->done) co_return 0;
  absl::StatusOr<size_t> bytes = 0;
  if (dump_->by_mark) {
    bytes = co_await ReadMarkedDump(into);
  } else {
    bytes = co_await ReadSizedDump(into);
  }
  if (bytes.ok() && *bytes == 0) {
    dump_->done = true;
    // An engine that sent a dump without a file sends the stream only after an acknowledgement.
    StartAcks(read_offset_);
  }
  co_return bytes;
}

asio::awaitable<absl::StatusOr<size_t>> ReplSource::ReadSizedDump(std::span<char> into) {
  if (dump_->bytes_left == 0) co_return 0;
  if (connection_->begin == connection_->end) {
    absl::Status status = co_await Fill(options_.silence);
    if (!status.ok()) co_return status;
  }
  const std::string_view bytes =
      connection_->Take(std::min<uint64_t>(into.size(), dump_->bytes_left));
  std::memcpy(into.data(), bytes.data(), bytes.size());
  dump_->bytes_left -= bytes.size();
  co_return bytes.size();
}

// The mark stands right behind the dump, and nothing follows it before the acknowledgement. So the
// last 40 bytes that have come are kept back, until they are the mark or more has come.
asio::awaitable<absl::StatusOr<size_t>> ReplSource::ReadMarkedDump(std::span<char> into) {
  std::string& tail = dump_->tail;
  while (true) {
    if (tail.size() > kDumpMarkBytes) {
      const size_t bytes = std::min(into.size(), tail.size() - kDumpMarkBytes);
      std::memcpy(into.data(), tail.data(), bytes);
      tail.erase(0, bytes);
      co_return bytes;
    }
    if (tail == dump_->mark) co_return 0;
    if (connection_->begin == connection_->end) {
      absl::Status status = co_await Fill(options_.silence);
      if (!status.ok()) co_return status;
    }
    tail.append(connection_->Take(kReadBytes));
  }
}

asio::awaitable<absl::StatusOr<std::string_view>> ReplSource::Read() {
  CHECK(connection_ != nullptr);
  CHECK(!dump_ || dump_->done);
  if (connection_->begin == connection_->end || connection_->closed) {
    absl::Status status = co_await Fill(options_.silence);
    if (!status.ok()) co_return status;
  }
  const std::string_view bytes = connection_->Take(kReadBytes);
  read_offset_ += bytes.size();
  co_return bytes;
}

void ReplSource::Acknowledge(StreamOffset committed) {
  if (connection_ == nullptr || committed <= connection_->ack) return;
  connection_->ack = committed;
  connection_->ack_wake.Wake();
}

void ReplSource::StartAcks(StreamOffset offset) {
  connection_->ack = offset;
  Spawn(executor_, SendAcks(connection_, options_.ack_interval));
}

asio::awaitable<void> ReplSource::SendAcks(std::shared_ptr<Connection> connection,
                                           Millis interval) {
  while (!connection->closed) {
    const std::string offset = std::to_string(connection->ack.value());
    const std::string command = EncodeCommand({"REPLCONF", "ACK", offset});
    std::error_code error;
    co_await asio::async_write(connection->socket, asio::buffer(command),
                               asio::redirect_error(asio::use_awaitable, error));
    // A Read sees it as well, and tells.
    if (error) co_return;
    co_await connection->ack_wake.Wait(interval);
    // A log may commit many thousand times a second: the engine need not hear of each.
    asio::steady_timer gap(connection->socket.get_executor(), kAckGap);
    co_await gap.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

}  // namespace cairn::adapter::redis
