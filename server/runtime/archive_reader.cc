#include "server/runtime/archive_reader.h"

#include <utility>

namespace cairn::server {

ArchiveReader::~ArchiveReader() { Stop(); }

void ArchiveReader::Start() {
  for (int i = 0; i < kThreads; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

void ArchiveReader::Stop() {
  std::vector<std::shared_ptr<ArchiveTail>> open;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [tail, owner] : tails_) open.push_back(owner);
  }
  for (const auto& tail : open) tail->Shutdown();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::shared_ptr<ArchiveTail> ArchiveReader::Open(GroupId group, const TailOpen& open) {
  auto tail = std::make_shared<ArchiveTail>(this, group, open);
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || tails_.size() >= kMaxTails) return nullptr;
    tails_[tail.get()] = tail;
  }
  tail->Begin();
  return tail;
}

void ArchiveReader::Queue(std::shared_ptr<ArchiveTail> tail) {
  absl::MutexLock lock(&mutex_);
  if (tails_.contains(tail.get())) queue_.push_back(std::move(tail));
}

void ArchiveReader::Forget(const ArchiveTail* tail) {
  absl::MutexLock lock(&mutex_);
  tails_.erase(tail);
}

void ArchiveReader::ReadAhead(const archive::RunPath& path, Seq next, Seq last) {
  for (uint64_t i = 0; i < kRunsAhead && next <= last; ++i) {
    const archive::StoredRun* const run = path.Find(next);
    if (run == nullptr) return;
    next = run->name.last_seq + 1;
    if (access_->Holds(*run)) continue;
    absl::MutexLock lock(&mutex_);
    // What does not fit would be dropped before it is read.
    const bool fits = tails_.size() * (kRunsAhead + 1) * run->bytes <= access_->cache_bytes();
    if (stopping_ || !fits || ahead_.size() == kThreads) return;
    ahead_.push_back(*run);
  }
}

void ArchiveReader::Work() {
  while (true) {
    std::shared_ptr<ArchiveTail> tail;
    archive::StoredRun run;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &ArchiveReader::HasWork));
      if (Done()) return;
      if (!queue_.empty()) {
        tail = std::move(queue_.front());
        queue_.pop_front();
      } else {
        run = std::move(ahead_.front());
        ahead_.pop_front();
        ++fetching_;
      }
    }
    if (tail == nullptr) {
      Fetch(run);
    } else {
      tail->Pump();
    }
  }
}

// Of an error the tail hears when it gets there and tries itself.
void ArchiveReader::Fetch(const archive::StoredRun& run) {
  access_->Fetch(run).IgnoreError();
  absl::MutexLock lock(&mutex_);
  --fetching_;
}

}  // namespace cairn::server
