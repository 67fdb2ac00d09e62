// Background: threads for calls that block, so that the engine thread never does.
//
//   coroutine on the engine thread ──Run(call)──► a thread of the pool ──► back, with the result
//
// Threads: Run from any coroutine; it goes on where it was. Lifetime: outlives all calls; a call
// must not outlive what it uses, so it owns it. Bounds: as many calls at once as there are threads.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace cairn::adapter {

class Background {
 public:
  explicit Background(size_t threads) : pool_(threads) {}
  ~Background() { pool_.join(); }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Requires: the result is not void, and has a default.
  template <class Call>
  asio::awaitable<std::invoke_result_t<Call>> Run(Call call) {
    co_return co_await asio::co_spawn(pool_, Invoke(std::move(call)), asio::use_awaitable);
  }

 private:
  template <class Call>
  static asio::awaitable<std::invoke_result_t<Call>> Invoke(Call call) {
    co_return call();
  }

  asio::thread_pool pool_;
};

}  // namespace cairn::adapter
