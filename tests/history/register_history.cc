#include "tests/history/register_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace cairn::history {
namespace {

using Kind = RegisterCall::Kind;

std::string ToText(const RegisterCall& call) {
  const std::string when = call.answered() ? fmt::format("[{}, {}]", call.begin_us, call.end_us)
                                           : fmt::format("[{}, unanswered]", call.begin_us);
  switch (call.kind) {
    case Kind::kSet:
      return fmt::format("set {} {}", call.value, when);
    case Kind::kIncrement:
      return call.answered() ? fmt::format("increment to {} {}", call.value, when)
                             : fmt::format("increment {}", when);
    case Kind::kGet:
      return fmt::format("get {} {}", call.value, when);
  }
  return "";
}

// What nobody can have seen need not be ordered: unanswered reads; and unanswered sets whose value
// no answer shows, unless increments could have been built on it.
std::vector<RegisterCall> WithoutTheUnseen(std::vector<RegisterCall> calls) {
  const bool increments = std::any_of(calls.begin(), calls.end(), [](const RegisterCall& call) {
    return call.kind == Kind::kIncrement;
  });
  absl::flat_hash_set<int64_t> seen;
  for (const RegisterCall& call : calls) {
    if (call.kind == Kind::kGet && call.answered()) seen.insert(call.value);
  }
  std::erase_if(calls, [&](const RegisterCall& call) {
    if (call.answered()) return false;
    return call.kind == Kind::kGet ||
           (call.kind == Kind::kSet && !increments && !seen.contains(call.value));
  });
  std::sort(calls.begin(), calls.end(),
            [](const RegisterCall& a, const RegisterCall& b) { return a.begin_us < b.begin_us; });
  return calls;
}

class RegisterSearch {
 public:
  RegisterSearch(std::vector<RegisterCall> calls, uint64_t max_configurations)
      : calls_(std::move(calls)), max_configurations_(max_configurations), ordered_(calls_.size()) {
    for (uint32_t i = 0; i < calls_.size(); ++i) {
      (calls_[i].answered() ? answered_ : unanswered_).push_back(i);
    }
  }

  RegisterVerdict Run() {
    RegisterVerdict verdict;
    if (Explore(0)) {
      verdict.kind = RegisterVerdict::Kind::kLinearizable;
    } else if (configurations_ >= max_configurations_) {
      verdict.explanation = fmt::format("{} configurations were looked at", configurations_);
    } else {
      verdict.kind = RegisterVerdict::Kind::kViolation;
      verdict.explanation = stuck_;
    }
    return verdict;
  }

 private:
  // Whether what is left can be ordered behind `value`. As deep as there are calls.
  bool Explore(int64_t value) {
    const size_t mark = order_.size();
    while (const std::optional<uint32_t> get = FittingGet(value)) Place(*get);
    if (answered_placed_ == answered_.size()) return true;
    if (++configurations_ >= max_configurations_) return false;
    if (memory_.insert(Configuration(value)).second) {
      for (const uint32_t call : Candidates()) {
        const std::optional<int64_t> next = After(calls_[call], value);
        if (!next) continue;
        Place(call);
        if (Explore(*next)) return true;
        UndoTo(order_.size() - 1);
      }
      NoteDeadEnd(value);
    }
    UndoTo(mark);
    return false;
  }

  // Writes only: reads are ordered as soon as they fit.
  static std::optional<int64_t> After(const RegisterCall& call, int64_t value) {
    if (call.kind == Kind::kSet) return call.value;
    if (call.kind != Kind::kIncrement) return std::nullopt;
    if (call.answered() && call.value != value + 1) return std::nullopt;
    return value + 1;
  }

  // Ordering a read that fits is never wrong: the value stays, and the rest is only freed.
  [[nodiscard]] std::optional<uint32_t> FittingGet(int64_t value) const {
    const int64_t first_end = FirstEnd();
    for (const uint32_t call : Window(first_end)) {
      if (calls_[call].kind == Kind::kGet && calls_[call].value == value) return call;
    }
    return std::nullopt;
  }

  // Of the answered calls that are left.
  [[nodiscard]] int64_t FirstEnd() const {
    int64_t end = RegisterCall::kUnanswered;
    for (size_t i = first_left_; i < answered_.size() && calls_[answered_[i]].begin_us <= end;
         ++i) {
      if (!ordered_[answered_[i]]) end = std::min(end, calls_[answered_[i]].end_us);
    }
    return end;
  }

  // Answered calls that are left and began before that.
  [[nodiscard]] std::vector<uint32_t> Window(int64_t first_end) const {
    std::vector<uint32_t> window;
    for (size_t i = first_left_; i < answered_.size(); ++i) {
      const uint32_t call = answered_[i];
      if (calls_[call].begin_us > first_end) break;
      if (!ordered_[call]) window.push_back(call);
    }
    return window;
  }

  // Of unanswered increments all are alike: the one that began first is as good as any.
  [[nodiscard]] std::vector<uint32_t> Candidates() const {
    const int64_t first_end = FirstEnd();
    std::vector<uint32_t> candidates = Window(first_end);
    bool increment = false;
    for (const uint32_t call : unanswered_) {
      if (calls_[call].begin_us > first_end) break;
      if (ordered_[call]) continue;
      if (calls_[call].kind == Kind::kIncrement && std::exchange(increment, true)) continue;
      candidates.push_back(call);
    }
    return candidates;
  }

  void Place(uint32_t call) {
    ordered_[call] = true;
    order_.push_back(call);
    if (calls_[call].answered()) ++answered_placed_;
    while (first_left_ < answered_.size() && ordered_[answered_[first_left_]]) ++first_left_;
  }

  void UndoTo(size_t length) {
    for (; order_.size() > length; order_.pop_back()) {
      const uint32_t call = order_.back();
      ordered_[call] = false;
      if (!calls_[call].answered()) continue;
      --answered_placed_;
      const auto at = std::lower_bound(answered_.begin(), answered_.end(), call);
      first_left_ = std::min(first_left_, static_cast<size_t>(at - answered_.begin()));
    }
  }

  [[nodiscard]] std::string Configuration(int64_t value) const {
    std::string key = fmt::format("{} {} ", value, first_left_);
    for (size_t i = first_left_; i < answered_.size(); ++i) {
      if (ordered_[answered_[i]]) key += fmt::format("{},", answered_[i]);
    }
    for (const uint32_t call : unanswered_) {
      if (ordered_[call]) key += fmt::format("{},", call);
    }
    return key;
  }

  // The longest order is the best explanation.
  void NoteDeadEnd(int64_t value) {
    if (answered_placed_ < most_placed_ || (answered_placed_ == most_placed_ && !stuck_.empty())) {
      return;
    }
    most_placed_ = answered_placed_;
    stuck_ = fmt::format("after {} of {} answered calls the value is {}, and none of these fits:",
                         answered_placed_, answered_.size(), value);
    for (const uint32_t call : Window(FirstEnd())) stuck_ += "\n  " + ToText(calls_[call]);
    stuck_ += "\nbefore them:";
    const size_t from = order_.size() > kShown ? order_.size() - kShown : 0;
    for (size_t i = from; i < order_.size(); ++i) stuck_ += "\n  " + ToText(calls_[order_[i]]);
    for (const uint32_t call : unanswered_) {
      if (!ordered_[call]) stuck_ += "\nleft out: " + ToText(calls_[call]);
    }
  }

  static constexpr size_t kShown = 8;

  const std::vector<RegisterCall> calls_;  // By begin.
  const uint64_t max_configurations_;
  uint64_t configurations_ = 0;
  std::vector<uint32_t> answered_;  // By begin.
  std::vector<uint32_t> unanswered_;
  std::vector<bool> ordered_;  // By call.
  std::vector<uint32_t> order_;
  size_t answered_placed_ = 0;
  size_t first_left_ = 0;  // In answered_: all before it are ordered.
  absl::flat_hash_set<std::string> memory_;
  size_t most_placed_ = 0;
  std::string stuck_;
};

}  // namespace

RegisterVerdict CheckRegister(std::vector<RegisterCall> calls, uint64_t max_configurations) {
  return RegisterSearch(WithoutTheUnseen(std::move(calls)), max_configurations).Run();
}

}  // namespace cairn::history
