#include "adapter/redis/resharding/read_ahead.h"

#include <utility>

#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

// Only a bound: a wake-up comes before.
constexpr Millis kLook{1'000};

}  // namespace

ReadAhead::ReadAhead(asio::any_io_executor executor, KeyLink* from, uint64_t max_bytes)
    : executor_(std::move(executor)), from_(from), max_bytes_(max_bytes), done_(executor_) {}

void ReadAhead::Begin(std::vector<std::string> keys) {
  CHECK(!reading_ && !read_);
  reading_ = true;
  Spawn(executor_, ReadOnce(std::move(keys)));
}

asio::awaitable<void> ReadAhead::ReadOnce(std::vector<std::string> keys) {
  read_ = co_await from_->Read(std::move(keys), max_bytes_);
  reading_ = false;
  done_.Wake();
}

asio::awaitable<absl::StatusOr<std::vector<WholeKey>>> ReadAhead::Take() {
  CHECK(reading_ || read_);
  while (reading_) co_await done_.Wait(kLook);
  absl::StatusOr<std::vector<WholeKey>> read = *std::move(read_);
  read_.reset();
  co_return read;
}

asio::awaitable<void> ReadAhead::Finish() {
  while (reading_) co_await done_.Wait(kLook);
  read_.reset();
}

}  // namespace cairn::adapter::redis
