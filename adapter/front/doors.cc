#include "adapter/front/doors.h"

#include <fmt/format.h>

#include <asio/ip/address.hpp>
#include <asio/post.hpp>
#include <charconv>
#include <future>
#include <utility>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

absl::StatusOr<asio::ip::tcp::endpoint> ParseListen(const std::string& text) {
  const size_t colon = text.rfind(':');
  uint16_t port = 0;
  if (colon != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + colon + 1, end, port);
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    asio::error_code wrong;
    const auto address = asio::ip::make_address(host, wrong);
    if (error == std::errc() && at == end && !wrong) return asio::ip::tcp::endpoint(address, port);
  }
  return absl::InvalidArgumentError(
      ToAbsl(fmt::format("\"{}\" is no address to listen at: expected IP:PORT", text)));
}

}  // namespace

Doors::Doors(std::vector<asio::io_context*> threads, Take take)
    : threads_(std::move(threads)), take_(std::move(take)) {}

Doors::~Doors() = default;

absl::Status Doors::Open(const DoorOptions& options) {
  if (!options.tls.empty()) {
    ASSIGN_OR_RETURN(credentials_, TlsCredentials::Read(options.tls));
  }
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
  ASSIGN_OR_RETURN(const asio::ip::tcp::endpoint endpoint, ParseListen(where));
  auto door = std::make_unique<Door>(*threads_.front());
  door->tls = tls;
  asio::error_code error;
  asio::ip::tcp::acceptor& acceptor = door->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(
        ToAbsl(fmt::format("cannot listen at {}: {}", where, error.message())));
  }
  const auto bound = acceptor.local_endpoint(error);
  door->address = fmt::format("{}:{}", bound.address().to_string(), bound.port());
  doors_.push_back(std::move(door));
  return absl::OkStatus();
}

void Doors::Accept(Door* door) {
  const size_t thread = next_thread_++ % threads_.size();
  asio::io_context& io = *threads_[thread];
  door->acceptor.async_accept(
      io, [this, door, thread, &io](const asio::error_code& error, asio::ip::tcp::socket socket) {
        if (error == asio::error::operation_aborted) return;
        if (!error) {
          TlsContext context;
          if (door->tls) context = credentials_->Current(SystemClock().Mono());
          asio::post(io, [this, thread, context, taken = std::move(socket)]() mutable {
            take_(thread, std::move(taken), context);
          });
        }
        Accept(door);
      });
}

void Doors::Close() {
  std::promise<void> closed;
  asio::post(*threads_.front(), [&] {
    asio::error_code ignored;
    for (const auto& door : doors_) door->acceptor.close(ignored);
    closed.set_value();
  });
  closed.get_future().wait();
}

}  // namespace cairn::adapter
