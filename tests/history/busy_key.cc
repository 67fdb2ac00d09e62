#include "tests/history/busy_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/check.h"

namespace cairn::history {
namespace {

using Kind = RegisterCall::Kind;
constexpr int64_t kNever = RegisterCall::kUnanswered;
constexpr int64_t kLongAgo = std::numeric_limits<int64_t>::min();

RegisterVerdict Linearizable() { return {RegisterVerdict::Kind::kLinearizable, ""}; }

RegisterVerdict Violation(std::string explanation) {
  return {RegisterVerdict::Kind::kViolation, std::move(explanation)};
}

// ---- Sets ---------------------------------------------------------------------------------------

// A set, and the reads that show it.
struct Group {
  int64_t value = 0;
  bool written = false;
  int64_t set_begin = 0;
  int64_t first_end = kNever;
  int64_t last_begin = kLongAgo;

  void Add(const RegisterCall& call) {
    first_end = std::min(first_end, call.end_us);
    last_begin = std::max(last_begin, call.begin_us);
  }
  [[nodiscard]] bool MustPrecede(const Group& other) const { return first_end < other.last_begin; }
};

std::map<int64_t, Group> GroupsOf(const std::vector<RegisterCall>& calls) {
  std::map<int64_t, Group> groups;
  Group& absent = groups[0];
  absent.written = true;
  absent.set_begin = kLongAgo;
  absent.first_end = kLongAgo;
  for (const RegisterCall& call : calls) {
    CHECK(call.kind != Kind::kIncrement);
    if (call.kind == Kind::kGet && !call.answered()) continue;
    Group& group = groups[call.value];
    group.value = call.value;
    group.Add(call);
    if (call.kind != Kind::kSet) continue;
    CHECK(!group.written);
    group.written = true;
    group.set_begin = call.begin_us;
  }
  // What nobody was told and nobody saw need not have happened.
  std::erase_if(groups, [](const auto& group) { return group.second.first_end == kNever; });
  return groups;
}

// Requires: ordered by first_end.
RegisterVerdict FindTwoThatPrecedeEachOther(const std::vector<Group>& groups) {
  std::vector<int64_t> latest;  // Of last_begin, through each group.
  for (const Group& group : groups) {
    // Of the earlier ones that it must precede the first is the most likely to precede it.
    const auto at = std::upper_bound(latest.begin(), latest.end(), group.first_end);
    const auto index = static_cast<size_t>(at - latest.begin());
    if (at != latest.end() && groups[index].MustPrecede(group)) {
      return Violation(fmt::format("{} must come before {}, and {} before {}", groups[index].value,
                                   group.value, group.value, groups[index].value));
    }
    latest.push_back(std::max(latest.empty() ? kLongAgo : latest.back(), group.last_begin));
  }
  return Linearizable();
}

// ---- Increments ---------------------------------------------------------------------------------

// What was answered of one value: the increment to it, and reads of it.
struct Step {
  bool told = false;
  int64_t increment_begin = 0;
  int64_t increment_end = kNever;
  int64_t last_read_begin = kLongAgo;
  int64_t first_read_end = kNever;
};

std::map<int64_t, Step> StepsOf(const std::vector<RegisterCall>& calls, std::string* twice) {
  std::map<int64_t, Step> steps;
  for (const RegisterCall& call : calls) {
    CHECK(call.kind != Kind::kSet);
    if (!call.answered()) continue;
    Step& step = steps[call.value];
    if (call.kind == Kind::kGet) {
      step.last_read_begin = std::max(step.last_read_begin, call.begin_us);
      step.first_read_end = std::min(step.first_read_end, call.end_us);
      continue;
    }
    if (step.told) *twice = fmt::format("two increments to {}", call.value);
    step.told = true;
    step.increment_begin = call.begin_us;
    step.increment_end = call.end_us;
  }
  return steps;
}

// Whether each call ended behind the begins of all that it must come behind.
RegisterVerdict CheckOrder(const std::map<int64_t, Step>& steps) {
  int64_t latest = kLongAgo;  // Begin of what is of lower values.
  for (const auto& [value, step] : steps) {
    if (step.told && step.increment_end < latest) {
      return Violation(fmt::format("the increment to {} ended before a lower one began", value));
    }
    if (step.told) latest = std::max(latest, step.increment_begin);
    if (step.first_read_end < latest) {
      return Violation(fmt::format("{} was read before it, or a lower value, came about", value));
    }
    latest = std::max(latest, step.last_read_begin);
  }
  return Linearizable();
}

// The values that nobody was told, each with the moment by which it had come about; falling.
struct Gaps {
  uint64_t count = 0;
  std::vector<int64_t> deadlines;  // Not of more than `most`.
};

Gaps GapsOf(const std::map<int64_t, Step>& steps, size_t most) {
  Gaps gaps;
  int64_t deadline = kNever;  // First end of what is of higher values.
  int64_t above = 0;
  const auto add = [&](int64_t values) {
    gaps.count += static_cast<uint64_t>(values);
    const size_t room = most - gaps.deadlines.size();
    gaps.deadlines.insert(gaps.deadlines.end(), std::min(room, static_cast<size_t>(values)),
                          deadline);
  };
  for (auto at = steps.rbegin(); at != steps.rend() && at->first > 0; ++at) {
    const auto& [value, step] = *at;
    if (at != steps.rbegin()) add(above - value - 1);
    above = value;
    deadline = std::min(deadline, step.first_read_end);
    if (!step.told) add(1);
    deadline = std::min(deadline, step.told ? step.increment_end : kNever);
  }
  if (above > 0) add(above - 1);
  return gaps;
}

RegisterVerdict FillGaps(const std::vector<RegisterCall>& calls,
                         const std::map<int64_t, Step>& steps) {
  std::vector<int64_t> begins;  // Of the unanswered; falling.
  for (const RegisterCall& call : calls) {
    if (call.kind == Kind::kIncrement && !call.answered()) begins.push_back(call.begin_us);
  }
  const Gaps gaps = GapsOf(steps, begins.size());
  if (gaps.count > begins.size()) {
    return Violation(
        fmt::format("{} values came from nowhere: {} are missing, {} increments have "
                    "no answer",
                    gaps.count - begins.size(), gaps.count, begins.size()));
  }
  std::sort(begins.begin(), begins.end());
  // The earliest ones for as many gaps as there are, the lowest gap first.
  for (size_t i = 0; i < gaps.count; ++i) {
    if (begins[i] <= gaps.deadlines[gaps.count - 1 - i]) continue;
    return Violation("a value was there before any increment that could have made it");
  }
  return Linearizable();
}

}  // namespace

RegisterVerdict CheckSets(const std::vector<RegisterCall>& calls) {
  std::vector<Group> ordered;
  for (const auto& [value, group] : GroupsOf(calls)) {
    if (!group.written) return Violation(fmt::format("nobody set {}", value));
    if (group.first_end < group.set_begin) {
      return Violation(fmt::format("{} was read before it was set", value));
    }
    ordered.push_back(group);
  }
  std::sort(ordered.begin(), ordered.end(),
            [](const Group& a, const Group& b) { return a.first_end < b.first_end; });
  return FindTwoThatPrecedeEachOther(ordered);
}

RegisterVerdict CheckIncrements(const std::vector<RegisterCall>& calls) {
  std::string wrong;
  const std::map<int64_t, Step> steps = StepsOf(calls, &wrong);
  if (!wrong.empty()) return Violation(std::move(wrong));
  if (!steps.empty() && steps.begin()->first < 0) return Violation("a value below 0");
  if (steps.contains(0) && steps.at(0).told) return Violation("an increment to 0");
  const RegisterVerdict order = CheckOrder(steps);
  return order.ok() ? FillGaps(calls, steps) : order;
}

}  // namespace cairn::history
