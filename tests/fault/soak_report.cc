#include "tests/fault/soak_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/strings.h"

namespace cairn::fault {
namespace {

constexpr double kSecondsPerMinute = 60;

// One picture of curves.svg.
struct Panel {
  const char* title;
  const char* suffix;  // Of the columns that it shows.
  const char* log_axis = "";
};
constexpr Panel kPanels[] = {
    {"resident memory (MiB)", "_rss_mib"},
    {"memory allocated (MiB)", "_heap_mib"},
    {"file descriptors", "_fds"},
    {"threads", "_threads"},
    {"disk use (MiB)", "_disk_mib"},
    {"acknowledged records a second", "records_per_s"},
    {"records of producers: latency (ms)", "produced_", "set logscale y"},
    {"single appends: latency (ms)", "single_", "set logscale y"},
};

bool Shows(const Panel& panel, const std::string& column) {
  const std::string suffix = panel.suffix;
  return suffix.ends_with('_') ? column.starts_with(suffix) : column.ends_with(suffix);
}

// What a curve is called in its picture: "n1", or "p99" where the panel says whose.
std::string CurveName(const Panel& panel, const std::string& column) {
  const std::string suffix = panel.suffix;
  if (column == suffix) return "all";
  if (suffix.ends_with('_')) return column.substr(suffix.size(), column.rfind('_') - suffix.size());
  return column.substr(0, column.size() - suffix.size());
}

std::string PanelScript(const Panel& panel, const std::vector<std::string>& columns) {
  std::string script =
      fmt::format("set title '{}'\nunset logscale y\n{}\nplot ", panel.title, panel.log_axis);
  bool first = true;
  for (const std::string& column : columns) {
    if (!Shows(panel, column)) continue;
    script += fmt::format("{}'samples.csv' using ($1/60):'{}' with lines title '{}'",
                          first ? "" : ", \\\n  ", column, CurveName(panel, column));
    first = false;
  }
  return script + "\n";
}

}  // namespace

std::vector<CurveVerdict> SoakReport::Judged() const {
  return IsJudged() ? JudgeCurves(curves, FlatRules()) : std::vector<CurveVerdict>();
}

std::vector<std::string> SoakReport::Findings() const {
  std::vector<std::string> findings;
  const auto add = [&](const std::vector<std::string>& more) {
    findings.insert(findings.end(), more.begin(), more.end());
  };
  if (!safety.Passed()) findings.emplace_back("the compared traffic failed (below)");
  add(retained.findings);
  add(churn.findings);
  for (const SoakEvent& event : events) {
    if (event.failed) findings.push_back(fmt::format("{}: {}", event.name, event.evidence));
  }
  for (const CurveVerdict& curve : Judged()) {
    if (curve.flat) continue;
    findings.push_back(fmt::format("{} is not flat: {:.1f}, then {:.1f} {}", curve.column,
                                   curve.middle, curve.last, curve.unit));
  }
  return findings;
}

std::string SoakReport::Text() const {
  std::string text = fmt::format("soak of {} nodes, {:.1f} minutes, seed {}\n\n", nodes,
                                 seconds / kSecondsPerMinute, seed);
  text += "curve              middle third   last third        bound   median of calm samples\n";
  for (const CurveVerdict& curve : Judged()) {
    text += fmt::format("{:18} {:12.1f} {:12.1f} {:12.1f}   {}{}{}\n", curve.column, curve.middle,
                        curve.last, curve.bound, curve.flat ? "flat" : "NOT FLAT",
                        curve.unit.empty() ? "" : ", ", curve.unit);
  }
  if (!IsJudged()) {
    text += fmt::format("not judged: that takes {:.0f} minutes\n",
                        kMinJudgedSeconds / kSecondsPerMinute);
  }
  text += fmt::format(
      "\nretained log: {} acknowledged, {} single appends failed, {} records tailed,\n"
      "  {} cold reads with {} records\n"
      "logs made, read back and deleted one by one: {}\n"
      "compared record by record, on every node alone, in {} eras:\n  {} acknowledged, lost {}, "
      "duplicated {}, diverged {}, wrong owner {}\n  {} histories with {} calls, not linearizable: "
      "{}; {} records tailed, errors: {}\n\n",
      retained.acknowledged, retained.unanswered, retained.tailed, retained.cold_reads,
      retained.cold_records, churn.logs, eras, safety.acknowledged, safety.lost, safety.duplicated,
      safety.diverged, safety.wrong_owner, safety.histories, safety.history_operations,
      safety.not_linearizable, safety.tailed, safety.tail_errors);
  for (const SoakEvent& event : events) {
    text += fmt::format("{:6.1f} min  {:20} {:4.0f} s  {}\n", event.begin_s / kSecondsPerMinute,
                        event.name, event.end_s - event.begin_s, event.evidence);
  }
  const std::vector<std::string> findings = Findings();
  for (const std::string& finding : findings) text += "FOUND: " + finding + "\n";
  for (const std::string& finding : safety.findings) text += "FOUND: " + finding + "\n";
  return text + (findings.empty() ? "passed\n" : "FAILED\n");
}

std::string SoakReport::GnuplotScript() const {
  std::string script =
      "set datafile separator ','\nset key outside right top\nset grid\nset xlabel 'minutes'\n"
      "set lmargin 9\nset rmargin 12\n";
  script += fmt::format("set xrange [0:{:.3f}]\n", seconds / kSecondsPerMinute);
  for (const SoakEvent& event : events) {
    script += fmt::format(
        "set object rectangle from {:.3f}, graph 0 to {:.3f}, graph 1 behind fillcolor rgb "
        "'#e0e0e0' fillstyle solid noborder\n",
        event.begin_s / kSecondsPerMinute, event.end_s / kSecondsPerMinute);
  }
  const auto panels = std::size(kPanels);
  for (const auto& [terminal, file] :
       {std::pair{"svg size 1000,{} font 'sans,11' background rgb 'white'", "curves.svg"},
        std::pair{"pngcairo size 1000,{} font 'sans,9'", "curves.png"}}) {
    script += fmt::format("set terminal {}\nset output '{}'\n",
                          fmt::format(fmt::runtime(terminal), 260 * panels), file);
    script +=
        fmt::format("set multiplot layout {},1 title 'grey: a fault and the recovery'\n", panels);
    for (const Panel& panel : kPanels) {
      const bool is_log = panel.log_axis[0] != '\0';
      script += is_log ? "set yrange [*:*]\n" : "set yrange [0:*]\n";
      script += PanelScript(panel, curves.columns);
    }
    script += "unset multiplot\nunset output\n";
  }
  return script;
}

absl::Status SoakReport::Write(const std::string& dir) const {
  const std::pair<const char*, std::string> files[] = {
      {"samples.csv", curves.Csv()}, {"curves.gnuplot", GnuplotScript()}, {"verdict.txt", Text()}};
  for (const auto& [name, bytes] : files) {
    std::ofstream file(fmt::format("{}/{}", dir, name), std::ios::binary);
    file << bytes;
    if (!file.flush())
      return absl::UnavailableError(ToAbsl(fmt::format("{}/{}: cannot be written", dir, name)));
  }
  return absl::OkStatus();
}

}  // namespace cairn::fault
