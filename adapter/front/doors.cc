#include "adapter/front/doors.h"

#include <asio/post.hpp>
#include <future>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"

namespace cairn::adapter {

Doors::Doors(std::vector<asio::io_context*> threads, Take take)
    : threads_(std::move(threads)), take_(std::move(take)) {}

Doors::~Doors() = default;

absl::Status Doors::Open(const DoorOptions& options) {
  if (!options.tls.empty()) {
    ASSIGN_OR_RETURN(credentials_, TlsCredentials::Read(options.tls));
  }
  handshake_timeout_us_ = options.handshake_timeout_us;
  const bool only_tls = credentials_ != nullptr && options.tls_listen.empty();
  RETURN_IF_ERROR(Listen(options.listen, only_tls));
  if (!options.tls_listen.empty()) {
    RETURN_IF_ERROR(Listen(options.tls_listen, /*tls=*/true));
  }
  for (const auto& door : doors_) {
    asio::post(*threads_.front(), [this, door = door.get()] { Accept(door); });
  }
  return absl::OkStatus();
}

absl::Status Doors::Listen(const std::string& where, bool tls) {
  auto door = std::make_unique<Door>(threads_.front());
  door->tls = tls;
  RETURN_IF_ERROR(door->acceptor.Listen(where));
  doors_.push_back(std::move(door));
  return absl::OkStatus();
}

void Doors::Accept(Door* door) {
  const size_t thread = next_thread_++ % threads_.size();
  door->acceptor.Next(threads_[thread], [this, door, thread](asio::ip::tcp::socket socket) {
    ClientTls tls{.context = nullptr, .handshake_timeout_us = handshake_timeout_us_};
    if (door->tls) tls.context = credentials_->Current(SystemClock().Mono());
    asio::post(*threads_[thread], [this, thread, tls, taken = std::move(socket)]() mutable {
      take_(thread, std::move(taken), tls);
    });
    Accept(door);
  });
}

void Doors::Close() {
  std::promise<void> closed;
  asio::post(*threads_.front(), [&] {
    for (const auto& door : doors_) door->acceptor.Close();
    closed.set_value();
  });
  closed.get_future().wait();
}

}  // namespace cairn::adapter
