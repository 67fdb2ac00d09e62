// SoakReport: what a soak found, as one page for people, a table for machines and a script for
// gnuplot that draws the curves.
//
// Pure but for Write.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/fault/curves.h"
#include "tests/fault/log_churn.h"
#include "tests/fault/retained_load.h"
#include "tests/fault/verdict.h"

namespace cairn::fault {

// Something that disturbed the curves.
struct SoakEvent {
  std::string name;
  double begin_s = 0;
  double end_s = 0;      // The cluster had recovered.
  std::string evidence;  // Or what went wrong.
  bool failed = false;
};

struct SoakReport {
  // A soak shorter than this is drawn, but its curves are not judged: retention and caches need
  // a while to set in, and the thirds have to be longer than a fault.
  static constexpr double kMinJudgedSeconds = 360;

  uint64_t seed = 0;
  size_t nodes = 0;
  double seconds = 0;
  Verdict safety;  // Of all eras of the traffic that is compared record by record.
  uint64_t eras = 0;
  RetainedLoadResult retained;
  ChurnResult churn;
  std::vector<SoakEvent> events;
  Curves curves;

  [[nodiscard]] bool IsJudged() const { return seconds >= kMinJudgedSeconds; }
  // Of the curves that are judged.
  [[nodiscard]] std::vector<CurveVerdict> Judged() const;
  // Everything that is wrong; empty: the soak passed.
  [[nodiscard]] std::vector<std::string> Findings() const;
  [[nodiscard]] std::string Text() const;
  // Draws samples.csv as curves.svg and curves.png, in the directory of both.
  [[nodiscard]] std::string GnuplotScript() const;

  // samples.csv, curves.gnuplot and verdict.txt in `dir`.
  [[nodiscard]] absl::Status Write(const std::string& dir) const;
};

}  // namespace cairn::fault
