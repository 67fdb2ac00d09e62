#include "adapter/engine_socket.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <exception>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace cairn::adapter {
namespace {

// Linux's sun_path has 108 bytes with the final zero; Asio would throw beyond.
constexpr size_t kMaxUnixPathBytes = 107;

std::optional<uint16_t> ReadPort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

using Endpoints = std::vector<EngineSocket::endpoint_type>;

// Nullopt: the host is a name.
std::optional<EngineSocket::endpoint_type> ToEndpoint(const EngineAddress& address) {
  if (!address.unix_path.empty()) {
    return EngineSocket::endpoint_type(asio::local::stream_protocol::endpoint(address.unix_path));
  }
  std::error_code error;
  const asio::ip::address ip = asio::ip::make_address(address.host, error);
  if (error) return std::nullopt;
  return EngineSocket::endpoint_type(asio::ip::tcp::endpoint(ip, address.port));
}

bool MayBeName(std::string_view host) {
  constexpr size_t kMaxNameBytes = 253;
  return !host.empty() && host.size() <= kMaxNameBytes &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
         });
}

// What is left of a look-up whose caller does not wait any more ends by itself.
struct LookUp {
  explicit LookUp(const asio::any_io_executor& executor) : resolver(executor), done(executor) {}
  asio::ip::tcp::resolver resolver;
  WakeUp done;
  std::optional<absl::StatusOr<Endpoints>> found;
};

void TakeFound(LookUp* look_up, const std::error_code& error,
               const asio::ip::tcp::resolver::results_type& results) {
  if (error) {
    look_up->found = absl::UnavailableError(error.message());
  } else {
    Endpoints endpoints;
    for (const auto& result : results) endpoints.emplace_back(result.endpoint());
    look_up->found = std::move(endpoints);
  }
  look_up->done.Wake();
}

asio::awaitable<absl::StatusOr<Endpoints>> Find(asio::any_io_executor executor,
                                                EngineAddress address, Millis timeout) {
  if (const auto endpoint = ToEndpoint(address)) co_return Endpoints(1, *endpoint);
  const auto look_up = std::make_shared<LookUp>(executor);
  look_up->resolver.async_resolve(
      address.host, std::to_string(address.port), asio::ip::resolver_base::numeric_service,
      [look_up](const std::error_code& error, asio::ip::tcp::resolver::results_type results) {
        TakeFound(look_up.get(), error, results);
      });
  co_await look_up->done.Wait(timeout);
  if (!look_up->found) {
    co_return absl::DeadlineExceededError(
        fmt::format("looking up {}: no answer in time", address.host));
  }
  if (look_up->found->ok()) co_return *std::move(look_up->found);
  co_return absl::UnavailableError(fmt::format("looking up {}: {}", address.host,
                                               std::string(look_up->found->status().message())));
}

}  // namespace

std::string EngineAddress::ToString() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

absl::StatusOr<EngineAddress> ParseEngineAddress(std::string_view text) {
  EngineAddress address;
  if (text.starts_with("unix:")) {
    address.unix_path = text.substr(5);
    if (address.unix_path.empty() || address.unix_path.size() > kMaxUnixPathBytes) {
      return absl::InvalidArgumentError(fmt::format(
          "engine address {}: a socket's path has 1 to {} bytes", text, kMaxUnixPathBytes));
    }
    return address;
  }
  const size_t colon = text.rfind(':');
  const std::optional<uint16_t> port =
      colon == std::string_view::npos ? std::nullopt : ReadPort(text.substr(colon + 1));
  if (!port) {
    return absl::InvalidArgumentError(
        fmt::format("engine address {}: expected unix:PATH or HOST:PORT", text));
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  address.host = host;
  address.port = *port;
  if (ToEndpoint(address) || MayBeName(host)) return address;
  return absl::InvalidArgumentError(
      fmt::format("engine address {}: expected an IP address or a name before the port", text));
}

absl::Status PrepareEngineDirectory(const std::string& directory, const EngineAddress& address) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  struct stat info {};
  if (error || stat(directory.c_str(), &info) != 0) {
    return absl::UnavailableError(fmt::format("engine directory {}: {}", directory,
                                              error ? error.message() : std::strerror(errno)));
  }
  if (info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        fmt::format("engine directory {} belongs to another user", directory));
  }
  if (chmod(directory.c_str(), S_IRWXU) != 0) {
    return absl::UnavailableError(
        fmt::format("engine directory {}: {}", directory, std::strerror(errno)));
  }
  return ParseEngineAddress(address.ToString()).status();
}

absl::Status SocketStatus(const std::error_code& error, std::string_view what) {
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("{}: {}", what, error.message()));
}

SocketDeadline::SocketDeadline(EngineSocket* socket, Millis after, std::function<bool()> wait_on)
    : after_(after),
      wait_on_(std::move(wait_on)),
      state_(std::make_shared<State>(State{socket})),
      timer_(socket->get_executor()) {
  Arm();
}

void SocketDeadline::Arm() {
  timer_.expires_after(after_);
  timer_.async_wait([this, state = state_](const std::error_code& error) {
    // Without a socket there is no `this` either.
    if (error || state->socket == nullptr) return;
    if (wait_on_ != nullptr && wait_on_()) return Arm();
    state->expired = true;
    std::error_code ignored;
    state->socket->close(ignored);
  });
}

SocketDeadline::~SocketDeadline() {
  // The timer may have fired already, with its handler still queued.
  state_->socket = nullptr;
}

absl::Status SocketDeadline::Judge(const std::error_code& error, std::string_view what) const {
  if (error && state_->expired) {
    return absl::DeadlineExceededError(fmt::format("{}: no answer in time", what));
  }
  return SocketStatus(error, what);
}

asio::awaitable<absl::Status> ConnectEngine(EngineSocket* socket, EngineAddress address,
                                            Millis timeout) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point give_up = Clock::now() + timeout;
  const absl::StatusOr<Endpoints> found = co_await Find(socket->get_executor(), address, timeout);
  if (!found.ok()) co_return found.status();
  const auto left = std::chrono::duration_cast<Millis>(give_up - Clock::now());
  SocketDeadline deadline(socket, std::max(left, Millis(1)));
  std::error_code error;
  for (const EngineSocket::endpoint_type& endpoint : *found) {
    std::error_code ignored;
    if (socket->is_open()) socket->close(ignored);
    co_await socket->async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
    if (!error || deadline.expired()) break;
  }
  if (!error && deadline.expired()) error = asio::error::timed_out;
  absl::Status status = deadline.Judge(error, "connecting to the engine at " + address.ToString());
  if (status.ok() && address.unix_path.empty()) {
    std::error_code ignored;  // Only slower without it.
    socket->set_option(asio::ip::tcp::no_delay(true), ignored);
  }
  co_return status;
}

void Spawn(const asio::any_io_executor& executor, asio::awaitable<void> coroutine) {
  // Not at once: within another coroutine, that one would be suspended in the middle of a call.
  asio::post(executor, [executor, to_run = std::move(coroutine)]() mutable {
    asio::co_spawn(executor, std::move(to_run), [](const std::exception_ptr& exception) {
      if (exception) std::rethrow_exception(exception);
    });
  });
}

void WakeUp::Wake() {
  woken_ = true;
  timer_.cancel();
}

asio::awaitable<void> WakeUp::Wait(Millis at_most) {
  if (!woken_) {
    timer_.expires_after(at_most);
    std::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  woken_ = false;
}

}  // namespace cairn::adapter
