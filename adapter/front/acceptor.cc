#include "adapter/front/acceptor.h"

#include <fmt/format.h>

#include <asio/ip/address.hpp>
#include <charconv>
#include <chrono>
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

absl::Status Acceptor::Listen(const std::string& where) {
  ASSIGN_OR_RETURN(const asio::ip::tcp::endpoint endpoint, ParseListen(where));
  asio::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(
        ToAbsl(fmt::format("cannot listen at {}: {}", where, error.message())));
  }
  const auto bound = acceptor_.local_endpoint(error);
  address_ = fmt::format("{}:{}", bound.address().to_string(), bound.port());
  failures_.emplace(address_);
  return absl::OkStatus();
}

void Acceptor::Next(asio::io_context* io, Take take) {
  acceptor_.async_accept(*io, [this, io, take = std::move(take)](const asio::error_code& error,
                                                                 asio::ip::tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (error) return NextLater(io, take, error);
    take(std::move(socket));
  });
}

void Acceptor::NextLater(asio::io_context* io, Take take, const asio::error_code& why) {
  const int64_t pause_us = failures_->OnFailure(why, SystemClock().Mono());
  timer_.expires_after(std::chrono::microseconds(pause_us));
  timer_.async_wait([this, io, take = std::move(take)](const asio::error_code& error) {
    if (!error && acceptor_.is_open()) Next(io, take);
  });
}

void Acceptor::Close() {
  asio::error_code ignored;
  acceptor_.close(ignored);
  timer_.cancel();
}

}  // namespace cairn::adapter
