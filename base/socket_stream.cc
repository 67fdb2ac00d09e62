#include "base/socket_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace cairn {
namespace {

constexpr uint64_t kBytesPerKey = 64ull << 30;
// Of a record of TLS, at most.
constexpr size_t kRecordBytes = 16 << 10;

int ToInt(size_t size) {
  return static_cast<int>(std::min<size_t>(size, std::numeric_limits<int>::max()));
}

Progress FromErrno(Progress wanted) {
  return errno == EAGAIN || errno == EINTR ? wanted : Progress::kBroken;
}

// There is nothing to flush, and nothing to ask for.
long Control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

bool Await(int socket, Progress what, MonoMicros deadline) {
  const int64_t left_us = deadline - SystemClock().Mono();
  if (left_us <= 0) return false;
  const auto timeout_ms = static_cast<int>(left_us / kMicrosPerMilli + 1);
  return AwaitSocket(socket, /*writable=*/what == Progress::kWritable, timeout_ms);
}

}  // namespace

bool AwaitSocket(int socket, bool writable, int timeout_ms) {
  const auto events = static_cast<int16_t>(writable ? POLLOUT : POLLIN);
  pollfd waiting{.fd = socket, .events = events, .revents = 0};
  int ready = 0;
  do ready = poll(&waiting, 1, timeout_ms);
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

// OpenSSL's own BIO of a socket blocks if the socket does, and a send to who has gone would raise
// SIGPIPE.
int SocketStream::SendQuietly(BIO* bio, const char* bytes, int size) {
  const auto* const wire = static_cast<const Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (wire->more_follows ? MSG_MORE : 0);
  const ssize_t sent = send(wire->socket, bytes, static_cast<size_t>(size), flags);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int SocketStream::ReceiveQuietly(BIO* bio, char* bytes, int size) {
  const auto* const wire = static_cast<const Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t got = recv(wire->socket, bytes, static_cast<size_t>(size), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

// For the whole process.
const BIO_METHOD* SocketStream::WireMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket, quietly");
    CHECK(made != nullptr);
    BIO_meth_set_write(made, &SocketStream::SendQuietly);
    BIO_meth_set_read(made, &SocketStream::ReceiveQuietly);
    BIO_meth_set_ctrl(made, &Control);
    return made;
  }();
  return method;
}

void SocketStream::UseTls(const TlsContext& context) {
  tls_.reset(SSL_new(context.get()));
  BIO* const bio = BIO_new(WireMethod());
  CHECK(tls_ != nullptr && bio != nullptr);
  wire_ = std::make_unique<Wire>(Wire{socket_.get(), false});
  BIO_set_data(bio, wire_.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(tls_.get(), bio, bio);  // Which owns it now, once.
}

void SocketStream::ConnectTls(const TlsContext& context, const std::string& host) {
  UseTls(context);
  SSL_set_connect_state(tls_.get());
  ExpectHost(tls_.get(), host);
}

void SocketStream::AcceptTls(const TlsContext& context) {
  UseTls(context);
  SSL_set_accept_state(tls_.get());
}

Progress SocketStream::WhatNow(int result) {
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Progress::kReadable;
    case SSL_ERROR_WANT_WRITE:
      return Progress::kWritable;
    case SSL_ERROR_SSL: {
      const long verdict = SSL_get_verify_result(tls_.get());
      error_ = OpenSslWords();
      if (verdict != X509_V_OK) {
        error_ += std::string(" (") + X509_verify_cert_error_string(verdict) + ")";
      }
      return Progress::kBroken;
    }
    default:
      return Progress::kBroken;  // The end of the stream.
  }
}

Progress SocketStream::Shake() {
  if (tls_ == nullptr) return Progress::kDone;
  ERR_clear_error();
  const int result = SSL_do_handshake(tls_.get());
  return result == 1 ? Progress::kDone : WhatNow(result);
}

Progress SocketStream::SendClear(std::string_view bytes, size_t* sent) {
  const ssize_t taken =
      send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (taken < 0) return FromErrno(Progress::kWritable);
  *sent = static_cast<size_t>(taken);
  return Progress::kDone;
}

Progress SocketStream::Send(std::string_view bytes, size_t* sent) {
  *sent = 0;
  if (tls_ == nullptr) return SendClear(bytes, sent);
  ERR_clear_error();
  wire_->more_follows = bytes.size() > kRecordBytes;
  const int taken = SSL_write(tls_.get(), bytes.data(), ToInt(bytes.size()));
  if (taken <= 0) return WhatNow(taken);
  *sent = static_cast<size_t>(taken);
  key_bytes_ += *sent;
  if (key_bytes_ >= kBytesPerKey) {
    key_bytes_ = 0;
    CHECK_EQ(SSL_key_update(tls_.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
  }
  return Progress::kDone;
}

Progress SocketStream::ReceiveClear(std::span<char> room, size_t* got) {
  const ssize_t read = recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (read < 0) return FromErrno(Progress::kReadable);
  *got = static_cast<size_t>(read);
  return read == 0 ? Progress::kBroken : Progress::kDone;
}

Progress SocketStream::Receive(std::span<char> room, size_t* got) {
  *got = 0;
  if (tls_ == nullptr) return ReceiveClear(room, got);
  // OpenSSL gives out a record at a time; all that it has is one read of the owner's.
  do {
    ERR_clear_error();
    const int read = SSL_read(tls_.get(), room.data() + *got, ToInt(room.size() - *got));
    if (read <= 0) return *got > 0 ? Progress::kDone : WhatNow(read);
    *got += static_cast<size_t>(read);
  } while (*got < room.size() && SSL_has_pending(tls_.get()) == 1);
  return Progress::kDone;
}

bool SocketStream::ShakeHands(MonoMicros deadline) {
  while (true) {
    const Progress progress = Shake();
    if (progress == Progress::kDone) return true;
    if (progress == Progress::kBroken) return false;
    if (!Await(socket_.get(), progress, deadline)) {
      error_ = "the other end does not go on with the handshake";
      return false;
    }
  }
}

bool SocketStream::SendAll(std::string_view bytes, MonoMicros deadline) {
  while (!bytes.empty()) {
    size_t sent = 0;
    const Progress progress = Send(bytes, &sent);
    bytes.remove_prefix(sent);
    if (progress == Progress::kDone) continue;
    if (progress == Progress::kBroken || !Await(socket_.get(), progress, deadline)) return false;
  }
  return true;
}

bool SocketStream::ReceiveSome(std::span<char> room, size_t* got, MonoMicros deadline) {
  while (true) {
    const Progress progress = Receive(room, got);
    if (progress == Progress::kDone) return true;
    if (progress == Progress::kBroken || !Await(socket_.get(), progress, deadline)) return false;
  }
}

bool SocketStream::ReceiveAll(std::span<char> bytes, MonoMicros deadline) {
  while (!bytes.empty()) {
    size_t got = 0;
    if (!ReceiveSome(bytes, &got, deadline)) return false;
    bytes = bytes.subspan(got);
  }
  return true;
}

void SocketStream::SayGoodbye() {
  if (tls_ == nullptr || SSL_is_init_finished(tls_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(tls_.get());
  ERR_clear_error();
}

void SocketStream::Shut() { shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace cairn
