#include "adapter/own_engine.h"

#include <signal.h>

namespace cairn::adapter {

bool OwnEngine::running() { return process_ != nullptr && !process_->ended(); }

std::string OwnEngine::ending() const { return process_ == nullptr ? "" : process_->ending(); }

void OwnEngine::Kill() {
  if (process_ != nullptr) process_->Signal(SIGKILL);
}

asio::awaitable<bool> OwnEngine::WaitForEnd(Millis at_most) {
  if (process_ == nullptr) co_return true;
  co_return co_await process_->WaitForEnd(at_most);
}

asio::awaitable<void> OwnEngine::Terminate(Millis patience) {
  if (!running()) co_return;
  process_->Signal(SIGTERM);
  const bool ended = co_await WaitForEnd(patience);
  if (ended) co_return;
  Kill();
  // Nothing survives it but what hangs in the kernel.
  co_await WaitForEnd(patience);
}

}  // namespace cairn::adapter
