// ViewFold: what the effects of one step come to, before it is written: each key's last state.
//
//   RecordReader ──effects──► ViewFold ──WriteBatch──► RocksDB
//
// A key that changes often within a step is written once. Values are not copied: the bytes of what
// was added outlive the step, but for what Own() copies.
//
// Threads: the applying thread. Bounds: an entry per key of the step.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/record_reader.h"

namespace cairn::adapter::memcache {

class ViewFold {
 public:
  // `db` holds the items before the step, and outlives this.
  explicit ViewFold(rocksdb::DB* db) : db_(db) {}

  // Errors: reading the item that is touched: the disk's.
  absl::Status Add(const EffectView& effect, EffectId id);
  // For bytes that do not outlive the step.
  EffectView Own(const EffectView& effect);

  // Keys and values that wait to be written.
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] bool empty() const { return states_.empty() && !flushed_; }
  // What the step says of a pending flush, if it says anything.
  [[nodiscard]] std::optional<UnixSeconds> flush_due_at() const { return flush_due_at_; }

  // Adds the items to the batch, and is empty again. The bytes may go then.
  absl::Status MoveTo(rocksdb::WriteBatch* batch);

 private:
  struct State {
    bool present = false;  // False: it was deleted.
    EffectView item;
    EffectId stored_by;
  };

  using States = absl::flat_hash_map<std::string_view, State>;

  void Set(std::string_view key, const State& state);
  absl::Status Touch(const EffectView& touch);
  absl::StatusOr<std::optional<State>> Find(const EffectView& touch);
  std::string_view Keep(std::string_view bytes);
  void Flush();
  [[nodiscard]] std::vector<const States::value_type*> InOrder() const;

  rocksdb::DB* const db_;
  States states_;
  bool flushed_ = false;  // Before what is in states_.
  std::optional<UnixSeconds> flush_due_at_;
  std::deque<std::string> kept_;
  size_t bytes_ = 0;
};

}  // namespace cairn::adapter::memcache
