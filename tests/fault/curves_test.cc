// What counts as flat.
#include "tests/fault/curves.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace cairn::fault {
namespace {

constexpr int kSeconds = 300;

// One column, sampled once a second.
Curves Drawn(const std::string& column, const std::function<double(int)>& value) {
  Curves curves;
  curves.columns = {column};
  for (int t = 0; t < kSeconds; ++t) {
    curves.samples.push_back({static_cast<double>(t), true, {value(t)}});
  }
  return curves;
}

CurveVerdict Judged(const Curves& curves) {
  const std::vector<CurveVerdict> verdicts = JudgeCurves(curves, FlatRules());
  EXPECT_EQ(verdicts.size(), 1u);
  return verdicts.empty() ? CurveVerdict() : verdicts.front();
}

struct Shape {
  const char* name;
  const char* column;
  std::function<double(int)> value;
  bool flat;
};

TEST(CurvesTest, Shapes) {
  const Shape shapes[] = {
      {"level", "n1_rss_mib", [](int) { return 200; }, true},
      {"warms up, then level", "n1_rss_mib", [](int t) { return std::min(t, 90) * 2.0; }, true},
      {"noise", "n1_rss_mib", [](int t) { return 200 + t * 7919 % 13; }, true},
      {"a saw", "n1_disk_mib", [](int t) { return 500 + t % 40 * 4; }, true},
      {"single outliers", "n1_rss_mib", [](int t) { return t % 10 == 0 ? 900 : 200; }, true},
      {"falls", "n1_rss_mib", [](int t) { return 400 - t; }, true},
      {"a leak of 0.5 MiB a second", "n1_rss_mib", [](int t) { return 200 + 0.5 * t; }, false},
      {"0.1 MiB a second never freed", "n1_heap_mib", [](int t) { return 40 + 0.1 * t; }, false},
      {"a descriptor every ten seconds", "n1_fds", [](int t) { return 60 + t / 10; }, false},
      {"a thread every ten seconds", "n1_threads", [](int t) { return 30 + t / 10; }, false},
      {"the rate sinks", "records_per_s", [](int t) { return 900 - t; }, false},
      {"the rate rises", "records_per_s", [](int t) { return 900 + t; }, true},
      {"twice as late in the end", "single_p50_ms", [](int t) { return t < 200 ? 4 : 8; }, false},
  };
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(shape.name);
    EXPECT_EQ(Judged(Drawn(shape.column, shape.value)).flat, shape.flat);
  }
}

TEST(CurvesTest, WhatHappensUnderAFaultDoesNotCount) {
  Curves curves = Drawn("single_p99_ms", [](int t) { return t >= 210 && t < 290 ? 5000 : 10; });
  EXPECT_FALSE(Judged(curves).flat);
  for (Sample& sample : curves.samples) sample.calm = sample.t_s < 210 || sample.t_s >= 290;
  EXPECT_TRUE(Judged(curves).flat);
}

TEST(CurvesTest, TooFewSamplesAreNotJudged) {
  const Curves curves = Drawn("n1_rss_mib", [](int t) { return t < 295 ? std::nan("") : 200.0; });
  EXPECT_TRUE(JudgeCurves(curves, FlatRules()).empty());
}

TEST(CurvesTest, ColumnsWithoutARuleAreNotJudged) {
  EXPECT_TRUE(JudgeCurves(Drawn("single_max_ms", [](int t) { return t; }), FlatRules()).empty());
}

TEST(CurvesTest, Csv) {
  const Curves curves = {{"a", "b"}, {{0.5, true, {1, 2.25}}, {1.5, false, {std::nan(""), 3}}}};
  EXPECT_EQ(curves.Csv(), "t_s,calm,a,b\n0.50,1,1.000,2.250\n1.50,0,,3.000\n");
}

}  // namespace
}  // namespace cairn::fault
