// NumberedStream: writers whose records say "WRITER:NUMBER:…", and readers that know from this
// alone, without a copy of the log, that nothing is missing, doubled or out of order.
//
// Both sides take bounded memory, however long they run and however much of the log has been
// trimmed. A writer remembers where its newest kRemembered acknowledged records stand; a reader
// remembers the last number of each writer.
//
// Threads: AckBook from any; StreamCheck belongs to one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/ids.h"
#include "cairn/types.h"

namespace cairn::fault {

// The record that writer `writer` sends as its number `number`, padded to `bytes`.
std::string NumberedRecord(size_t writer, uint64_t number, size_t bytes);

// What one writer was told: where its newest records stand.
class AckBook {
 public:
  static constexpr uint64_t kRemembered = 1 << 15;

  // `gapless`: each number is appended, once, or the writer has failed. Otherwise a number may be
  // missing that was never acknowledged.
  explicit AckBook(bool gapless) : gapless_(gapless), slots_(kRemembered) {}

  // The record with this number was acknowledged at `seq`. Numbers ascend from 0.
  void Acknowledge(uint64_t number, Seq seq);

  [[nodiscard]] bool gapless() const { return gapless_; }
  // nullopt: not acknowledged, or long ago.
  [[nodiscard]] std::optional<Seq> SeqOf(uint64_t number) const;
  // The newest that was acknowledged.
  [[nodiscard]] std::optional<uint64_t> newest() const;

 private:
  struct Slot {
    uint64_t number = 0;
    Seq seq;  // 0: empty.
  };
  const bool gapless_;
  mutable absl::Mutex mutex_;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);  // Number n at [n % kRemembered].
  std::optional<uint64_t> newest_ ABSL_GUARDED_BY(mutex_);
};

// One reader's way through the log, from wherever it begins.
class StreamCheck {
 public:
  // `books` by writer; they outlive this.
  explicit StreamCheck(std::vector<const AckBook*> books)
      : books_(std::move(books)), last_(books_.size()) {}

  void Take(const RecordBatch& batch);

  [[nodiscard]] uint64_t records() const { return records_; }
  // The last number of `writer` that was read; nullopt: none.
  [[nodiscard]] std::optional<uint64_t> last(size_t writer) const { return last_.at(writer); }
  [[nodiscard]] uint64_t errors() const { return errors_; }
  [[nodiscard]] const std::string& first_error() const { return first_error_; }

 private:
  void Take(const Record& record);
  void Follow(const Record& record, size_t writer, uint64_t number);
  void Wrong(const Record& record, std::string_view what);

  const std::vector<const AckBook*> books_;
  std::vector<std::optional<uint64_t>> last_;
  Seq next_;  // 0: anything.
  uint64_t records_ = 0;
  uint64_t errors_ = 0;
  std::string first_error_;
};

}  // namespace cairn::fault
