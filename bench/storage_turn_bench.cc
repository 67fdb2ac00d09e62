// storage_turn_bench: what a turn of the store costs over the disk itself.
//
// One turn is one RocksLogStore::Write of one entry, which is one write and one sync of the
// write-ahead log. Beside it, on the same file system, the same bytes are written over a file
// of zeros and synced with fdatasync. The two take turns, so that both see the same disk; the
// figures are medians, and the ratio is that of the medians.
//
//   storage_turn_bench [DIR [BYTES]]    DIR: where to measure, /tmp if not given; BYTES: only
//                                       turns of this size (one of the table's)
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "storage/rocks_log_store.h"

namespace cairn::bench {
namespace {

using storage::RocksLogStore;

constexpr GroupId kGroup{7};
constexpr double kBar = 1.3;
constexpr int kWarmUpTurns = 20;
// So much that memtables were filled, flushed and freed: their memory is there from then on.
constexpr size_t kWarmUpBytes = 256 << 20;

struct Load {
  size_t bytes;
  int turns;
};
constexpr std::array<Load, 4> kLoads = {
    {{128, 1500}, {4 << 10, 1500}, {64 << 10, 500}, {1 << 20, 120}}};

double Micros(clockid_t clock) {
  timespec now{};
  CHECK(clock_gettime(clock, &now) == 0);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

// A file of zeros that is overwritten from front to back, again and again.
class RawFile {
 public:
  explicit RawFile(const std::string& path)
      : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
    CHECK(fd_ >= 0);
    const std::string zeros(1 << 20, '\0');
    for (size_t at = 0; at < kFileBytes; at += zeros.size()) WriteAt(at, zeros);
    CHECK(fsync(fd_) == 0);
  }
  ~RawFile() { close(fd_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  void Turn(const std::string& bytes) {
    if (at_ + bytes.size() > kFileBytes) at_ = 0;
    WriteAt(at_, bytes);
    CHECK(fdatasync(fd_) == 0);
    at_ += bytes.size();
  }

 private:
  static constexpr size_t kFileBytes = 80 << 20;
  void WriteAt(size_t at, const std::string& bytes) const {
    CHECK(pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
          static_cast<ssize_t>(bytes.size()));
  }

  const int fd_;
  size_t at_ = 0;
};

// The store with one group, written to turn by turn.
class StoreWriter {
 public:
  explicit StoreWriter(const std::string& dir) {
    storage::RocksOptions options;
    options.dir = dir;
    auto opened = RocksLogStore::Open(std::move(options));
    if (!opened.ok()) fmt::print(stderr, "{}\n", ToStd(opened.status().message()));
    CHECK(opened.ok());
    store_ = std::move(*opened);
    storage::GroupWrite create;
    create.group = kGroup;
    create.install = storage::SegmentRow{};
    create.install->first_seq = Seq(1);
    Write(std::move(create));
  }

  void Turn(const Bytes& payload) {
    storage::GroupWrite write;
    write.group = kGroup;
    storage::StoredEntry& entry = write.entries.emplace_back();
    entry.index = ++last_;
    entry.term = Term(1);
    entry.payload = payload;
    entry.first_seq = Seq(last_.value());
    entry.record_count = 1;
    Write(std::move(write));
  }

 private:
  void Write(storage::GroupWrite write) {
    storage::StoreBatch batch;
    batch.groups.push_back(std::move(write));
    CHECK(store_->Write(batch).ok());
  }

  std::unique_ptr<RocksLogStore> store_;
  Index last_;
};

double Quantile(std::vector<double> values, double share) {
  const auto at = static_cast<size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

// Returns whether the bar was met.
bool Measure(const Load& load, StoreWriter& store, RawFile& raw) {
  const std::string bytes(load.bytes, 'x');
  const Bytes payload(bytes);
  std::vector<double> store_us;
  std::vector<double> raw_us;
  double cpu_us = 0;
  for (int turn = -kWarmUpTurns; turn < load.turns; ++turn) {
    const double cpu_before = Micros(CLOCK_THREAD_CPUTIME_ID);
    const double begin = Micros(CLOCK_MONOTONIC);
    store.Turn(payload);
    const double middle = Micros(CLOCK_MONOTONIC);
    const double cpu_after = Micros(CLOCK_THREAD_CPUTIME_ID);
    const double raw_begin = Micros(CLOCK_MONOTONIC);
    raw.Turn(bytes);
    const double end = Micros(CLOCK_MONOTONIC);
    if (turn < 0) continue;
    store_us.push_back(middle - begin);
    raw_us.push_back(end - raw_begin);
    cpu_us += cpu_after - cpu_before;
  }
  const double ratio = Quantile(store_us, 0.5) / Quantile(raw_us, 0.5);
  fmt::print("{:>9} {:>10.1f} {:>10.1f} {:>8.2f} {:>11.1f} {:>11.1f} {:>12.1f}\n", load.bytes,
             Quantile(store_us, 0.5), Quantile(raw_us, 0.5), ratio, Quantile(store_us, 0.99),
             Quantile(raw_us, 0.99), cpu_us / load.turns);
  std::fflush(stdout);
  return ratio <= kBar;
}

int Run(const std::string& parent, size_t only_bytes) {
  std::string dir = parent + "/cairn-turn-XXXXXX";
  CHECK(mkdtemp(dir.data()) != nullptr);
  bool met = true;
  {
    StoreWriter store(dir + "/store");
    RawFile raw(dir + "/raw");
    fmt::print("{:>9} {:>10} {:>10} {:>8} {:>11} {:>11} {:>12}\n", "bytes", "store p50", "raw p50",
               "ratio", "store p99", "raw p99", "store CPU");
    const Bytes warm_up(std::string(256 << 10, 'x'));
    for (size_t at = 0; at < kWarmUpBytes; at += warm_up.size()) store.Turn(warm_up);
    for (const Load& load : kLoads) {
      if (only_bytes == 0 || only_bytes == load.bytes) met = Measure(load, store, raw) && met;
    }
  }
  std::filesystem::remove_all(dir);
  fmt::print("microseconds per turn; bar: ratio <= {}: {}\n", kBar, met ? "met" : "NOT MET");
  return met ? 0 : 1;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  if (argc > 3) {
    fmt::print(stderr, "usage: storage_turn_bench [DIR [BYTES]]\n");
    return 2;
  }
  return cairn::bench::Run(argc > 1 ? argv[1] : "/tmp",
                           argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0);
}
