#include "adapter/redis/resharding/batch_writer.h"

#include <utility>

namespace cairn::adapter::redis {
namespace {

// Only a bound: a wake-up comes before.
constexpr Millis kLook{1'000};

}  // namespace

BatchWriter::BatchWriter(asio::any_io_executor executor, KeyLink* to, CommitAll commit_all)
    : executor_(std::move(executor)),
      to_(to),
      commit_all_(std::move(commit_all)),
      done_(executor_) {}

asio::awaitable<absl::Status> BatchWriter::Push(KeyBatch batch) {
  const absl::Status before = co_await Finish();
  if (!before.ok() || batch.keys.empty()) co_return before;
  writing_ = true;
  Spawn(executor_, WriteOne(std::move(batch)));
  co_return before;
}

asio::awaitable<absl::Status> BatchWriter::Finish() {
  while (writing_) co_await done_.Wait(kLook);
  co_return status_;
}

asio::awaitable<void> BatchWriter::WriteOne(KeyBatch batch) {
  uncommitted_bytes_ += batch.bytes;
  status_ = co_await to_->Write(std::move(batch.keys), std::move(batch.as));
  if (status_.ok() && uncommitted_bytes_ >= kUncommittedBytes) {
    uncommitted_bytes_ = 0;
    const absl::StatusOr<Seq> committed = co_await commit_all_();
    status_ = committed.status();
  }
  writing_ = false;
  done_.Wake();
}

}  // namespace cairn::adapter::redis
