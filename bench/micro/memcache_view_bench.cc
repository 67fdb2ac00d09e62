// What folding a log and reading its view back cost (adapter/memcache): Apply, as a tail hands out
// messages, and a scan, as a cold engine is warmed up with. Items and bytes of keys and values per
// second of one thread, for values of 128 B and 4 KiB with keys of 20 B.
//
//   memcache_view_bench [--benchmark_filter=REGEX]
//
// The database is in TMPDIR, a new one each time; it holds kItems of the small or of the large
// values, so that most of it has left the memtable. Values cannot be compressed.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "adapter/memcache/record_builder.h"
#include "adapter/memcache/view.h"
#include "adapter/memcache/view_scan.h"
#include "base/check.h"
#include "base/random.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter::memcache {
namespace {

constexpr size_t kKeyBytes = 20;
constexpr uint64_t kTotalBytes = uint64_t{512} << 20;
constexpr uint64_t kMessageBytes = uint64_t{1} << 20;
constexpr size_t kSliceBytes = size_t{1} << 20;

uint64_t Items(size_t value_bytes) { return kTotalBytes / (kKeyBytes + value_bytes); }

std::string RandomBytes(size_t bytes, Random& random) {
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random.Next());
  return text;
}

// A log of sets whose keys come in a scattered order.
class SetLog {
 public:
  explicit SetLog(size_t value_bytes)
      : items_(Items(value_bytes)), pool_(RandomBytes(value_bytes + 4'096, random_)) {}

  // A message of a tail; each effect counts in `sets`.
  RecordBatch Next(uint64_t* sets) {
    std::vector<EffectRecord> records;
    if (!next_seq_) {
      next_seq_ = Seq(1);
      records.push_back(builder_.Opening());
    }
    const size_t value_bytes = pool_.size() - 4'096;
    for (uint64_t bytes = 0; bytes < kMessageBytes; bytes += kKeyBytes + value_bytes) {
      const std::string key = fmt::format("{:020}", drawn_++ * 7'919 % items_);
      builder_.Add(EffectView{.kind = EffectKind::kStore,
                              .key = key,
                              .value = {pool_.data() + random_.Below(4'096), value_bytes}},
                   &records);
      ++*sets;
    }
    builder_.Flush(&records);
    return BatchOf(std::move(records));
  }

 private:
  RecordBatch BatchOf(std::vector<EffectRecord> records) {
    RecordBatch batch{.first_seq = next_seq_, .chain = next_seq_.value()};
    for (EffectRecord& record : records) {
      NewRecord made = std::move(record).ToNewRecord();
      batch.records.push_back({.seq = next_seq_,
                               .payload = std::move(made.payload),
                               .metadata = std::move(made.metadata)});
      next_seq_ += 1;
    }
    return batch;
  }

  const uint64_t items_;
  Random random_{1};
  const std::string pool_;
  Seq next_seq_;
  uint64_t drawn_ = 0;
  RecordBuilder builder_{StreamPlace{"bench", StreamOffset(0)}};
};

std::unique_ptr<View> OpenView(const std::string& directory) {
  auto view = View::Open({.directory = directory, .log_id = GroupId(1)});
  CHECK(view.ok());
  return *std::move(view);
}

void Report(benchmark::State& state, uint64_t items) {
  const auto value_bytes = static_cast<uint64_t>(state.range(0));
  state.SetItemsProcessed(static_cast<int64_t>(items));
  state.SetBytesProcessed(static_cast<int64_t>(items * (kKeyBytes + value_bytes)));
}

void Apply(benchmark::State& state) {
  testing::TempDir dir;
  const auto view = OpenView(dir.File("view"));
  SetLog log(static_cast<size_t>(state.range(0)));
  uint64_t sets = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const RecordBatch batch = log.Next(&sets);
    state.ResumeTiming();
    CHECK(view->Apply({&batch, 1}).ok());
  }
  Report(state, sets);
}

void Scan(benchmark::State& state) {
  const auto value_bytes = static_cast<size_t>(state.range(0));
  testing::TempDir dir;
  const auto view = OpenView(dir.File("view"));
  SetLog log(value_bytes);
  for (uint64_t sets = 0; sets < Items(value_bytes);) {
    const RecordBatch batch = log.Next(&sets);
    CHECK(view->Apply({&batch, 1}).ok());
  }
  uint64_t items = 0;
  for (auto _ : state) {
    const auto scan = ViewScan::Begin(*view);
    CHECK(scan.ok());
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more) {
      more = (*scan)->Next(kSliceBytes, 1, [](const EffectView& item, EffectId) {
        benchmark::DoNotOptimize(item.value.data());
      });
    }
    CHECK(more.ok());
    items += (*scan)->items();
  }
  Report(state, items);
}

// As many messages as the database is to hold, once.
BENCHMARK(Apply)->Arg(128)->Arg(4'096)->Iterations(kTotalBytes / kMessageBytes)->UseRealTime();
BENCHMARK(Scan)->Arg(128)->Arg(4'096)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace cairn::adapter::memcache

BENCHMARK_MAIN();
