// Curves: what was sampled in a soak, as a table of columns over time, and the rule that says
// whether a column stayed flat.
//
// The rule: the time is cut into thirds. The first one is the warm-up, in which caches fill and
// retention sets in. A column is flat when the median of its last third is at most that of its
// middle third, times 1 + `relative`, plus `absolute`; for a column that must not fall, the other
// way round. Medians do not mind single outliers; samples taken while a fault was at work, or
// while the cluster recovered, do not count.
//
// Pure: no clock, no threads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::fault {

// One moment. A value is NaN where there was nothing to sample.
struct Sample {
  double t_s = 0;  // Since the start.
  bool calm = true;
  std::vector<double> values;  // By column.
};

struct Curves {
  std::vector<std::string> columns;
  std::vector<Sample> samples;  // By time.

  // "t_s,calm,COLUMN…" and a line for each sample; NaN is empty.
  [[nodiscard]] std::string Csv() const;
};

// What flat means for the columns whose names end with `suffix`.
struct FlatRule {
  std::string_view suffix;
  std::string_view unit;
  double relative = 0;
  double absolute = 0;
  bool must_not_fall = false;  // Else it must not grow.
};

// The rules of a soak.
std::span<const FlatRule> FlatRules();

struct CurveVerdict {
  std::string column;
  std::string unit;
  double middle = 0;  // Median of the middle third.
  double last = 0;    // Median of the last third.
  double bound = 0;   // What `last` must not pass.
  bool flat = false;
};

// Of each column that has a rule. A column with fewer than kMinSamples calm samples in one of the
// two thirds is not judged and left out.
inline constexpr size_t kMinSamples = 10;
std::vector<CurveVerdict> JudgeCurves(const Curves& curves, std::span<const FlatRule> rules);

}  // namespace cairn::fault
