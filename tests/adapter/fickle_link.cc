#include "tests/adapter/fickle_link.h"

#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <limits>
#include <utility>

#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

using asio::ip::tcp;

constexpr Millis kConnectPatience{5'000};
constexpr Millis kLongestStall{200};
constexpr double kLivesOn = 0.15;
// Bytes until it breaks are drawn by their magnitude, so that a break in the first ten is as likely
// as one in the first hundred thousand.
constexpr int kMagnitudes = 18;

enum class End : uint8_t { kReset, kEnd, kStall };

struct Pair {
  explicit Pair(tcp::socket accepted)
      : front(std::move(accepted)), engine(front.get_executor()), pause(front.get_executor()) {}

  tcp::socket front;
  EngineSocket engine;
  asio::steady_timer pause;
  End end = End::kReset;
  bool counts_replies = false;  // Its bytes are counted towards the front, or towards the engine.
  uint64_t left = std::numeric_limits<uint64_t>::max();
  bool over = false;
};

asio::awaitable<bool> WriteAll(auto& socket, const char* bytes, size_t size) {
  asio::error_code error;
  co_await asio::async_write(socket, asio::buffer(bytes, size),
                             asio::redirect_error(asio::use_awaitable, error));
  co_return !error;
}

}  // namespace

struct FickleLink::State {
  State(const asio::any_io_executor& executor, EngineAddress to, uint64_t seed)
      : acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        engine(std::move(to)),
        random(seed) {}

  void DrawFate(Pair& pair) {
    pair.counts_replies = random.Chance(0.7);
    const uint64_t kind = random.Below(10);
    pair.end = kind < 6 ? End::kReset : kind < 9 ? End::kEnd : End::kStall;
    if (random.Chance(kLivesOn)) return;
    pair.left = random.Below(uint64_t{2} << random.Below(kMagnitudes));
  }

  // Both sides; the front's by a reset if that is its fate.
  void Break(Pair& pair) {
    if (std::exchange(pair.over, true)) return;
    asio::error_code ignored;
    if (pair.end == End::kEnd) {
      ++counts.ended;
    } else {
      ++counts.reset;
      pair.front.set_option(asio::socket_base::linger(true, 0), ignored);
    }
    Shut(pair);
  }

  static void Shut(Pair& pair) {
    asio::error_code ignored;
    pair.over = true;
    pair.front.close(ignored);
    pair.engine.close(ignored);
    pair.pause.cancel();
  }

  // What has come in one direction is passed on, as far as the pair's fate lets it.
  asio::awaitable<bool> PassOn(std::shared_ptr<Pair> pair, bool to_front, const char* bytes,
                               size_t size) {
    const bool counted = !calm && pair->counts_replies == to_front;
    const bool breaks = counted && size >= pair->left;
    const size_t passes = breaks ? static_cast<size_t>(pair->left) : size;
    if (counted) pair->left -= passes;
    counts.bytes += passes;
    bool passed = false;
    if (to_front) {
      passed = co_await WriteAll(pair->front, bytes, passes);
    } else {
      passed = co_await WriteAll(pair->engine, bytes, passes);
    }
    if (!breaks) co_return passed && !pair->over;
    if (pair->end == End::kStall && !pair->over) {
      ++counts.stalled;
      pair->pause.expires_after(Millis(random.Between(1, kLongestStall.count())));
      asio::error_code ignored;
      co_await pair->pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    Break(*pair);
    co_return false;
  }

  static asio::awaitable<void> Pump(std::shared_ptr<State> state, std::shared_ptr<Pair> pair,
                                    bool to_front) {
    char bytes[16 << 10];
    while (!pair->over) {
      asio::error_code error;
      size_t got = 0;
      if (to_front) {
        got = co_await pair->engine.async_receive(asio::buffer(bytes),
                                                  asio::redirect_error(asio::use_awaitable, error));
      } else {
        got = co_await pair->front.async_receive(asio::buffer(bytes),
                                                 asio::redirect_error(asio::use_awaitable, error));
      }
      if (error) break;
      const bool goes_on = co_await state->PassOn(pair, to_front, bytes, got);
      if (!goes_on) break;
    }
    if (!pair->over) Shut(*pair);  // One side has ended it.
  }

  tcp::acceptor acceptor;
  const EngineAddress engine;
  Random random;
  bool calm = false;
  Counts counts;
};

FickleLink::FickleLink(const asio::any_io_executor& executor, EngineAddress engine, uint64_t seed)
    : state_(std::make_shared<State>(executor, std::move(engine), seed)) {
  Spawn(executor, Accept(state_));
}

FickleLink::~FickleLink() { Close(); }

EngineAddress FickleLink::address() const {
  EngineAddress address;
  address.host = "127.0.0.1";
  address.port = state_->acceptor.local_endpoint().port();
  address.user = state_->engine.user;
  address.password = state_->engine.password;
  return address;
}

void FickleLink::SetCalm(bool calm) { state_->calm = calm; }

void FickleLink::Close() {
  asio::error_code ignored;
  state_->acceptor.close(ignored);
}

const FickleLink::Counts& FickleLink::counts() const { return state_->counts; }

asio::awaitable<void> FickleLink::Accept(std::shared_ptr<State> state) {
  while (true) {
    asio::error_code error;
    tcp::socket socket =
        co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    auto pair = std::make_shared<Pair>(std::move(socket));
    const absl::Status connected =
        co_await ConnectEngine(&pair->engine, state->engine, kConnectPatience);
    if (!connected.ok()) continue;
    ++state->counts.made;
    state->DrawFate(*pair);
    const asio::any_io_executor executor = pair->front.get_executor();
    Spawn(executor, State::Pump(state, pair, true));
    Spawn(executor, State::Pump(state, pair, false));
  }
}

}  // namespace cairn::adapter::redis
