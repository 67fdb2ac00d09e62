#include "adapter/front/client_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <utility>

namespace cairn::adapter {
namespace {

std::string ToText(const asio::ip::tcp::endpoint& end, const asio::error_code& error) {
  if (error) return "?:0";
  return fmt::format("{}:{}", end.address().to_string(), end.port());
}

}  // namespace

ClientStream::ClientStream(Socket socket, const ClientTls& tls)
    : socket_(std::move(socket)),
      alive_(std::make_shared<bool>(true)),
      handshake_timeout_us_(tls.handshake_timeout_us) {
  if (tls.context == nullptr) return;
  tls_ = std::make_unique<TlsChannel>(tls.context);
  received_.resize(TlsChannel::kMaxFeed);
}

ClientStream::~ClientStream() { *alive_ = false; }

void ClientStream::TurnAway(Socket socket, const ClientTls& tls, std::string_view line) {
  asio::error_code ignored;
  socket.non_blocking(true, ignored);
  if (tls.context == nullptr) socket.send(asio::buffer(line.data(), line.size()), 0, ignored);
  socket.close(ignored);
}

asio::error_code ClientStream::Start() {
  asio::error_code error;
  socket_.non_blocking(true, error);
  if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (!error && tls_ != nullptr) AwaitHandshake();
  return error;
}

void ClientStream::AwaitHandshake() {
  handshake_ = std::make_unique<asio::steady_timer>(socket_.get_executor());
  handshake_->expires_after(std::chrono::microseconds(handshake_timeout_us_));
  handshake_->async_wait([this, alive = alive_](const asio::error_code& error) {
    if (error || !*alive) return;
    asio::error_code ignored;
    if (!established()) socket_.close(ignored);
  });
}

// ---- Reading --------------------------------------------------------------------------------

void ClientStream::ReadThroughTls(std::span<char> room, OnRead done) {
  // A record may hold more than there was room for.
  const absl::StatusOr<size_t> ready = tls_->Read(room);
  if (ready.ok() && *ready == 0) return ReadCipher(room, std::move(done));
  asio::error_code error;
  if (!ready.ok()) error = asio::error::eof;
  asio::post(socket_.get_executor(), [alive = alive_, done = std::move(done), error, ready] {
    if (*alive) done(error, ready.ok() ? *ready : 0);
  });
}

void ClientStream::ReadCipher(std::span<char> room, OnRead done) {
  socket_.async_receive(asio::buffer(received_),
                        [this, alive = alive_, room, done = std::move(done)](
                            const asio::error_code& error, size_t bytes) mutable {
                          if (!*alive) return;
                          if (error) return done(error, 0);
                          OnCipher(room, std::move(done), bytes);
                        });
}

void ClientStream::OnCipher(std::span<char> room, OnRead done, size_t received) {
  tls_->Feed(std::string_view(received_.data(), received));
  const absl::StatusOr<size_t> got = tls_->Read(room);
  AnswerHandshake();
  if (established()) handshake_.reset();
  if (!got.ok()) return done(asio::error::eof, 0);
  if (*got > 0) return done({}, *got);
  ReadCipher(room, std::move(done));
}

// What TLS has to say by itself. Behind something of Write's it waits for the next Flush.
void ClientStream::AnswerHandshake() {
  tls_->TakeOut(&cipher_);
  if (said_ || flushed()) return;
  asio::error_code error;
  Flush(error);
  if (error != asio::error::would_block && error != asio::error::try_again) return;
  socket_.async_wait(Socket::wait_write, [this, alive = alive_](const asio::error_code& failed) {
    if (*alive && !failed) AnswerHandshake();
  });
}

// ---- Writing --------------------------------------------------------------------------------

size_t ClientStream::Write(std::string_view bytes, asio::error_code& error) {
  if (tls_ == nullptr) return socket_.send(asio::buffer(bytes.data(), bytes.size()), 0, error);
  Flush(error);
  if (error) return 0;
  bytes = bytes.substr(0, kPiece);
  if (const absl::Status written = tls_->Write(bytes); !written.ok()) {
    error = asio::error::connection_aborted;
    return 0;
  }
  tls_->TakeOut(&cipher_);
  said_ = true;
  return bytes.size();
}

void ClientStream::Flush(asio::error_code& error) {
  while (!error && !flushed()) {
    cipher_sent_ += socket_.send(
        asio::buffer(cipher_.data() + cipher_sent_, cipher_.size() - cipher_sent_), 0, error);
  }
  if (!flushed()) return;
  cipher_.clear();
  cipher_sent_ = 0;
  said_ = false;
}

void ClientStream::AsyncWaitWritable(std::function<void(const asio::error_code&)> done) {
  socket_.async_wait(Socket::wait_write, std::move(done));
}

void ClientStream::Close() {
  asio::error_code ignored;
  if (tls_ != nullptr && flushed()) {
    tls_->SayGoodbye();
    tls_->TakeOut(&cipher_);
    Flush(ignored);
  }
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
}

std::string ClientStream::PeerAddress() const {
  asio::error_code error;
  const asio::ip::tcp::endpoint end = socket_.remote_endpoint(error);
  return ToText(end, error);
}

std::string ClientStream::LocalAddress() const {
  asio::error_code error;
  const asio::ip::tcp::endpoint end = socket_.local_endpoint(error);
  return ToText(end, error);
}

}  // namespace cairn::adapter
