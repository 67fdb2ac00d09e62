#include "adapter/front/tls_channel.h"

#include <openssl/err.h>

#include <algorithm>

#include "base/check.h"

namespace cairn::adapter {

TlsChannel::TlsChannel(const TlsContext& context) : ssl_(SSL_new(context.get())) {
  MakePipes();
  SSL_set_accept_state(ssl_.get());
}

TlsChannel::TlsChannel(const TlsContext& context, const std::string& host)
    : ssl_(SSL_new(context.get())) {
  MakePipes();
  SSL_set_connect_state(ssl_.get());
  ExpectHost(ssl_.get(), host);
}

void TlsChannel::MakePipes() {
  in_ = BIO_new(BIO_s_mem());
  out_ = BIO_new(BIO_s_mem());
  CHECK(ssl_ != nullptr && in_ != nullptr && out_ != nullptr);
  SSL_set_bio(ssl_.get(), in_, out_);
}

void TlsChannel::Feed(std::string_view received) {
  if (received.empty()) return;
  const int taken = BIO_write(in_, received.data(), static_cast<int>(received.size()));
  CHECK_EQ(static_cast<size_t>(taken), received.size());
}

absl::StatusOr<size_t> TlsChannel::Read(std::span<char> room) {
  ERR_clear_error();
  const int size = static_cast<int>(std::min<size_t>(room.size(), kMaxFeed));
  const int got = SSL_read(ssl_.get(), room.data(), size);
  if (got > 0) return static_cast<size_t>(got);
  const int why = SSL_get_error(ssl_.get(), got);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return size_t{0};
  if (why == SSL_ERROR_ZERO_RETURN) return absl::UnavailableError("the other end said goodbye");
  return absl::UnavailableError(OpenSslWords());
}

absl::Status TlsChannel::Write(std::string_view bytes) {
  CHECK(established() && !bytes.empty());
  ERR_clear_error();
  const int taken = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  if (taken == static_cast<int>(bytes.size())) return absl::OkStatus();
  return absl::UnavailableError(OpenSslWords());
}

void TlsChannel::SayGoodbye() {
  ERR_clear_error();
  if (established()) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsChannel::TakeOut(std::string* out) {
  const size_t pending = BIO_ctrl_pending(out_);
  if (pending == 0) return;
  const size_t before = out->size();
  out->resize(before + pending);
  CHECK_EQ(BIO_read(out_, out->data() + before, static_cast<int>(pending)),
           static_cast<int>(pending));
}

bool TlsChannel::established() const { return SSL_is_init_finished(ssl_.get()) != 0; }

}  // namespace cairn::adapter
