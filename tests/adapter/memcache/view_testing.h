// What tests of views share: small ones, and what they hold.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapter/memcache/view.h"
#include "base/check.h"
#include "tests/adapter/memcache/effect_log.h"

namespace cairn::adapter::memcache {

inline constexpr GroupId kViewLog{7};

inline ViewOptions SmallView(const std::string& directory) {
  return {.directory = directory,
          .log_id = kViewLog,
          .cache_bytes = size_t{1} << 20,
          .memtable_bytes = size_t{1} << 20};
}

// Requires: it opens.
inline std::unique_ptr<View> OpenView(ViewOptions options) {
  absl::StatusOr<std::unique_ptr<View>> view = View::Open(std::move(options));
  if (!view.ok()) ADD_FAILURE() << view.status();
  CHECK(view.ok());
  return *std::move(view);
}
inline std::unique_ptr<View> OpenView(const std::string& directory) {
  return OpenView(SmallView(directory));
}

inline absl::Status ApplyBatch(View& view, const RecordBatch& batch) {
  return view.Apply({&batch, 1});
}

// A batch of one reign's effects: the grant, the opening, and one record each.
inline RecordBatch BatchOf(Seq first_seq, const std::vector<Effect>& effects,
                           UnixSeconds now = EffectLog::kFirstSecond) {
  RecordBatch batch{.first_seq = first_seq, .timestamp_us = now * kMicrosPerSecond};
  batch.chain = first_seq.value() + 1'000;
  RecordBuilder builder(StreamPlace{"life-" + std::to_string(first_seq.value()), StreamOffset(0)});
  std::vector<EffectRecord> made = {builder.Opening()};
  for (const Effect& effect : effects) {
    builder.Add(effect, &made);
    builder.Flush(&made);
  }
  batch.records.push_back(GrantRecord(first_seq));
  for (EffectRecord& record : made) {
    batch.records.push_back(DataRecord(batch.last_seq() + 1, std::move(record)));
  }
  return batch;
}

inline Effect StoreOf(std::string key, std::string value, UnixSeconds at = 0) {
  return StoreEffect{std::move(key), false, {std::move(value), 0, at}};
}

// Of a view that has it; "-" when it is absent, and the error's text when it fails.
inline std::string ValueOf(const View& view, std::string_view key,
                           UnixSeconds now = EffectLog::kFirstSecond) {
  const auto item = view.Get(key, now);
  if (!item.ok()) return item.status().ToString();
  return item->has_value() ? (*item)->item.value : "-";
}

}  // namespace cairn::adapter::memcache
