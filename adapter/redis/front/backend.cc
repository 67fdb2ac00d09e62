#include "adapter/redis/front/backend.h"

#include <fmt/format.h>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <utility>

#include "adapter/redis/resp_value.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kRole = "*1\r\n$4\r\nROLE\r\n";
constexpr std::string_view kHello = "*1\r\n$5\r\nHELLO\r\n";
// Above that, a buffer that was needed once is given back.
constexpr size_t kKeptBytes = 256 << 10;

absl::Status Unusable(std::string_view what) {
  return absl::UnavailableError(ToAbsl(fmt::format("the engine's connection: {}", what)));
}

}  // namespace

Backend::Backend(Socket socket, BackendOwner* owner)
    : socket_(std::move(socket)),
      owner_(owner),
      alive_(std::make_shared<bool>(true)),
      in_(kReadBytes) {
  asio::error_code error;
  socket_.non_blocking(true, error);
  if (error) {
    broken_ = Unusable(error.message());
    return;
  }
  Read();
}

Backend::~Backend() { *alive_ = false; }

// ---- Sending --------------------------------------------------------------------------------

BatchId Backend::Batch() {
  CHECK(usable());
  if (!batch_) batch_ = owner_->NewBatch();
  return batch_;
}

void Backend::Send(std::string_view command, ReplyReceiver* receiver, uint64_t tag) {
  CHECK(usable());
  batch_bytes_ += command;
  due_.push_back({receiver, tag, batch_});
}

void Backend::SendOneWay(std::string_view command) {
  CHECK(usable());
  batch_bytes_ += command;
}

void Backend::SendPushed(std::string_view command, ReplyReceiver* receiver, uint64_t tag) {
  CHECK(usable());
  batch_bytes_ += command;
  batch_bytes_ += kHello;
  due_.push_back({receiver, tag, BatchId(), true});
}

void Backend::Flush() {
  if (!usable()) return;
  if (batch_) {
    batch_bytes_ += kRole;
    due_.push_back({nullptr, 0, batch_});
    batch_ = BatchId();
  }
  if (batch_bytes_.empty()) return;
  if (out_.empty()) {
    std::swap(out_, batch_bytes_);
  } else {
    out_ += batch_bytes_;
    batch_bytes_.clear();
  }
  if (!waits_writable_) Write();
}

void Backend::Write() {
  while (out_sent_ < out_.size()) {
    asio::error_code error;
    out_sent_ +=
        socket_.send(asio::buffer(out_.data() + out_sent_, out_.size() - out_sent_), 0, error);
    if (error == asio::error::would_block || error == asio::error::try_again) {
      return WaitWritable();
    }
    if (error) return Break(Unusable(error.message()));
  }
  out_.clear();
  if (out_.capacity() > kKeptBytes) out_.shrink_to_fit();
  out_sent_ = 0;
}

void Backend::EndSending() {
  if (!usable() || std::exchange(ending_, true)) return;
  Flush();
  asio::error_code ignored;
  if (usable()) socket_.shutdown(Socket::shutdown_send, ignored);
}

void Backend::WaitWritable() {
  waits_writable_ = true;
  socket_.async_wait(Socket::wait_write, [this, alive = alive_](const asio::error_code& error) {
    if (!*alive) return;
    waits_writable_ = false;
    if (!usable()) return;
    if (error) return Break(Unusable(error.message()));
    Write();
  });
}

// ---- Receiving ------------------------------------------------------------------------------

void Backend::Read() {
  socket_.async_receive(asio::buffer(in_),
                        [this, alive = alive_](const asio::error_code& error, size_t bytes) {
                          if (!*alive || !usable()) return;
                          if (error && ending_) return Close();
                          if (error) return Break(Unusable(error.message()));
                          OnBytes(std::string_view(in_.data(), bytes));
                          if (*alive && usable()) Read();
                        });
}

void Backend::OnBytes(std::string_view bytes) {
  const std::shared_ptr<bool> alive = alive_;
  while (!bytes.empty()) {
    const absl::StatusOr<ReplyPiece> piece = scanner_.Next(&bytes);
    const absl::Status taken = piece.ok() ? Dispatch(*piece) : piece.status();
    if (!*alive || !usable()) return;
    if (!taken.ok()) return Break(taken);
  }
}

absl::Status Backend::Dispatch(const ReplyPiece& piece) {
  if (piece.begins) in_push_ = piece.push() || (raw_ && due_.empty());
  if (in_push_) {
    if (push_receiver_ == nullptr) return Unusable("a push that nobody asked for");
    push_receiver_->OnReply(0, BatchId(), piece);
    return absl::OkStatus();
  }
  if (due_.empty()) return Unusable("a reply that nobody asked for");
  if (due_.front().pushed) {
    OnPushed(piece);
    return absl::OkStatus();
  }
  const Due due = due_.front();
  if (piece.ends) due_.pop_front();
  if (due.receiver == nullptr) {
    OnRole(due.batch, piece);
  } else {
    due.receiver->OnReply(due.tag, due.batch, piece);
  }
  return absl::OkStatus();
}

// An error comes before the greeting, which then is nobody's.
void Backend::OnPushed(const ReplyPiece& piece) {
  const Due due = due_.front();
  if (piece.error()) {
    if (piece.ends) due_.front().receiver = nullptr;
    return due.receiver->OnReply(due.tag, due.batch, piece);
  }
  if (!piece.ends) return;
  due_.pop_front();
  if (due.receiver == nullptr) return;
  due.receiver->OnReply(due.tag, due.batch, {.begins = true, .ends = true});
}

void Backend::OnRole(BatchId batch, const ReplyPiece& piece) {
  std::optional<uint64_t> offset;
  if (piece.begins && piece.ends) {
    offset = PrimaryOffset(piece.bytes);
  } else {
    role_reply_ += piece.bytes;
    if (!piece.ends) return;
    offset = PrimaryOffset(role_reply_);
    role_reply_.clear();
  }
  if (offset) {
    owner_->OnOffset(batch, StreamOffset(*offset));
  } else {
    owner_->OnOffsetUnknown(batch);
  }
}

void Backend::Break(absl::Status why) {
  broken_ = std::move(why);
  asio::error_code ignored;
  socket_.close(ignored);
  std::deque<Due> due = std::move(due_);
  due_.clear();
  if (batch_) due.push_back({nullptr, 0, std::exchange(batch_, BatchId())});
  const std::shared_ptr<bool> alive = alive_;
  for (const Due& one : due) {
    if (one.receiver != nullptr) {
      one.receiver->OnBroken(one.tag);
    } else if (!one.pushed) {
      owner_->OnOffsetUnknown(one.batch);
    }
  }
  if (push_receiver_ != nullptr) push_receiver_->OnBroken(0);
  if (*alive) owner_->OnBackendBroken(this, broken_);
}

}  // namespace cairn::adapter::redis
