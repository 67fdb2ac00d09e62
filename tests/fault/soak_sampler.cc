#include "tests/fault/soak_sampler.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/time/clock.h"

namespace cairn::fault {
namespace {

constexpr absl::Duration kPeriod = absl::Seconds(1);
constexpr double kKiBPerMiB = 1024;
constexpr double kBytesPerMiB = 1 << 20;
constexpr uint64_t kStatBlock = 512;

// What a process takes; NaN where it is gone.
struct Taken {
  double rss_mib = std::nan("");
  double fds = std::nan("");
  double threads = std::nan("");
};

Taken Of(pid_t pid) {
  Taken taken;
  if (pid <= 0) return taken;
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) taken.rss_mib = std::atof(line.c_str() + 6) / kKiBPerMiB;
    if (line.starts_with("Threads:")) taken.threads = std::atof(line.c_str() + 8);
  }
  std::error_code error;
  std::filesystem::directory_iterator fds(fmt::format("/proc/{}/fd", pid), error);
  if (error) return taken;
  double count = 0;
  for (const auto end = std::filesystem::directory_iterator(); fds != end && !error;
       fds.increment(error)) {
    ++count;
  }
  if (!error) taken.fds = count;
  return taken;
}

// What the files below `dir` take of the disk. Files come and go meanwhile.
double DiskMiB(const std::string& dir) {
  uint64_t bytes = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(dir, error);
  for (const auto end = std::filesystem::recursive_directory_iterator(); !error && entry != end;
       entry.increment(error)) {
    struct stat file {};
    if (lstat(entry->path().c_str(), &file) != 0) continue;
    bytes += static_cast<uint64_t>(file.st_blocks) * kStatBlock;
  }
  return static_cast<double>(bytes) / kBytesPerMiB;
}

void AddTaken(const Taken& taken, double heap_bytes, std::vector<double>& values) {
  values.push_back(taken.rss_mib);
  values.push_back(std::isnan(taken.rss_mib) ? taken.rss_mib : heap_bytes / kBytesPerMiB);
  values.push_back(taken.fds);
  values.push_back(taken.threads);
}

void AddLatencies(const cli::Histogram& latencies, std::vector<double>& values) {
  const auto ms = [&](uint64_t nanos) {
    return latencies.count() == 0 ? std::nan("") : static_cast<double>(nanos) / 1e6;
  };
  values.push_back(ms(latencies.QuantileNanos(0.5)));
  values.push_back(ms(latencies.QuantileNanos(0.99)));
  values.push_back(ms(latencies.max_nanos()));
}

std::vector<std::string> Columns(size_t nodes) {
  std::vector<std::string> columns;
  for (size_t node = 1; node <= nodes; ++node) {
    for (const char* what : {"rss_mib", "heap_mib", "fds", "threads", "disk_mib"}) {
      columns.push_back(fmt::format("n{}_{}", node, what));
    }
  }
  for (const char* column :
       {"client_rss_mib", "client_heap_mib", "client_fds", "client_threads", "records_per_s",
        "produced_p50_ms", "produced_p99_ms", "produced_max_ms", "single_p50_ms", "single_p99_ms",
        "single_max_ms"}) {
    columns.emplace_back(column);
  }
  return columns;
}

}  // namespace

SoakSampler::SoakSampler(Lab* lab, RetainedLoad* load) : lab_(lab), load_(load) {
  curves_.columns = Columns(lab->size());
  thread_ = std::thread([this] { Run(); });
}

SoakSampler::~SoakSampler() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void SoakSampler::Run() {
  absl::Time last = absl::Now();
  for (absl::Time due = last + kPeriod; !stop_; due += kPeriod) {
    const bool was_calm = calm_;
    absl::SleepFor(due - absl::Now());
    const absl::Time now = absl::Now();
    Sample sample = Take(now - last);
    sample.calm = sample.calm && was_calm;
    curves_.samples.push_back(std::move(sample));
    last = now;
  }
}

double SoakSampler::HeapOf(size_t node, bool ask) {
  // One that is harmed may not answer, and its sample does not count.
  if (!ask) return std::nan("");
  const double cached = lab_->Metric(node, "cairn_store_cache_bytes").value_or(std::nan(""));
  return static_cast<double>(lab_->shim(node)->heap_bytes) - cached;
}

Sample SoakSampler::Take(absl::Duration interval) {
  Sample sample;
  sample.calm = calm_;
  sample.t_s = Seconds();
  std::vector<double>& values = sample.values;
  for (size_t node = 0; node < lab_->size(); ++node) {
    AddTaken(Of(lab_->cluster().pid(node)), HeapOf(node, sample.calm), values);
    values.push_back(DiskMiB(lab_->cluster().DataDir(node)));
  }
  AddTaken(Of(getpid()), static_cast<double>(HeapBytes()), values);
  const cli::Histogram produced = load_->TakeProduced();
  const cli::Histogram single = load_->TakeSingle();
  values.push_back(static_cast<double>(produced.count() + single.count()) /
                   absl::ToDoubleSeconds(interval));
  AddLatencies(produced, values);
  AddLatencies(single, values);
  return sample;
}

Curves SoakSampler::Finish() {
  stop_ = true;
  thread_.join();
  return std::move(curves_);
}

}  // namespace cairn::fault
