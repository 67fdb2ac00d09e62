#include "tests/fault/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace cairn::fault {
namespace {

// Memory may follow the memtable's and the allocator's moods; a leak goes on and passes any of
// these in time. Latencies are those of a machine that may be shared.
constexpr FlatRule kRules[] = {
    {"_rss_mib", "MiB", 0.10, 8},   {"_heap_mib", "MiB", 0.05, 3},
    {"_fds", "", 0.05, 4},          {"_threads", "", 0.05, 2},
    {"_disk_mib", "MiB", 0.10, 16}, {"records_per_s", "/s", 0.10, 0, true},
    {"_p50_ms", "ms", 0.50, 1},     {"_p99_ms", "ms", 1.00, 10},
};

double Median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The column's calm values from `begin_s` to before `end_s`.
std::vector<double> Calm(const Curves& curves, size_t column, double begin_s, double end_s) {
  std::vector<double> values;
  for (const Sample& sample : curves.samples) {
    if (!sample.calm || sample.t_s < begin_s || sample.t_s >= end_s) continue;
    if (!std::isnan(sample.values[column])) values.push_back(sample.values[column]);
  }
  return values;
}

const FlatRule* RuleOf(std::string_view column, std::span<const FlatRule> rules) {
  for (const FlatRule& rule : rules) {
    if (column.ends_with(rule.suffix)) return &rule;
  }
  return nullptr;
}

}  // namespace

std::string Curves::Csv() const {
  std::string csv = "t_s,calm";
  for (const std::string& column : columns) csv += "," + column;
  csv += '\n';
  for (const Sample& sample : samples) {
    csv += fmt::format("{:.2f},{:d}", sample.t_s, sample.calm);
    for (const double value : sample.values) {
      csv += std::isnan(value) ? "," : fmt::format(",{:.3f}", value);
    }
    csv += '\n';
  }
  return csv;
}

std::span<const FlatRule> FlatRules() { return kRules; }

std::vector<CurveVerdict> JudgeCurves(const Curves& curves, std::span<const FlatRule> rules) {
  std::vector<CurveVerdict> verdicts;
  if (curves.samples.empty()) return verdicts;
  const double end_s = curves.samples.back().t_s;
  for (size_t column = 0; column < curves.columns.size(); ++column) {
    const FlatRule* const rule = RuleOf(curves.columns[column], rules);
    if (rule == nullptr) continue;
    std::vector<double> middle = Calm(curves, column, end_s / 3, end_s * 2 / 3);
    std::vector<double> last = Calm(curves, column, end_s * 2 / 3, end_s + 1);
    if (middle.size() < kMinSamples || last.size() < kMinSamples) continue;
    CurveVerdict verdict;
    verdict.column = curves.columns[column];
    verdict.unit = rule->unit;
    verdict.middle = Median(middle);
    verdict.last = Median(last);
    const double sign = rule->must_not_fall ? -1 : 1;
    verdict.bound = verdict.middle * (1 + sign * rule->relative) + sign * rule->absolute;
    verdict.flat = sign * verdict.last <= sign * verdict.bound;
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

}  // namespace cairn::fault
