// The verdict and its words; the search itself is linear_search.cc.
#include "tests/history/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "tests/history/history_text.h"
#include "tests/history/linear_search.h"
#include "tests/history/log_model.h"

namespace cairn::history {
namespace {

constexpr size_t kLineChars = 140;
// Together at most 15 lines.
constexpr size_t kShownBefore = 3;
constexpr size_t kShownNext = 3;

std::string Short(std::string text) {
  if (text.size() <= kLineChars) return text;
  text.resize(kLineChars);
  return text + "…";
}

// What no order can repair.
std::optional<std::string> Malformed(const History& history) {
  for (const Operation& op : history.operations) {
    if (op.outcome != Outcome::kUnknown && op.end_us < op.begin_us) {
      return Short("ends before it begins: " + FormatOperation(op));
    }
    if (op.call == Call::kAppend && op.payloads.empty()) {
      return Short("appends nothing: " + FormatOperation(op));
    }
  }
  return std::nullopt;
}

// Tells why an order cannot be continued.
class Explainer {
 public:
  Explainer(const History& history, const LogModel& model, const std::vector<uint32_t>& order)
      : history_(history),
        model_(model),
        left_(model.steps().size(), true),
        state_(model.Initial()) {
    for (const uint32_t step : order) Replay(step);
    for (size_t i = 0; i < left_.size(); ++i) {
      if (left_[i] && model.steps()[i].required) {
        first_end_us_ = std::min(first_end_us_, model.steps()[i].operation->end_us);
      }
    }
  }

  std::vector<std::string> Lines(std::string_view headline) {
    std::vector<std::string> lines{std::string(headline)};
    if (!before_.empty()) lines.emplace_back("The longest order found ends with");
    const size_t skip = before_.size() - std::min(before_.size(), kShownBefore);
    for (size_t i = skip; i < before_.size(); ++i) lines.push_back("  " + before_[i]);
    lines.push_back("Then the log is at " + model_.Describe(state_) + '.');
    lines.emplace_back("None of the operations that may come next can:");
    AddNext(lines);
    AddNextRecord(lines);
    return lines;
  }

 private:
  void Replay(uint32_t index) {
    LogModelState after;
    if (index == LinearSearch::kUnasked) {
      CHECK(model_.ApplyUnasked(state_, &after));
      before_.push_back(fmt::format("(record {}, written by the leader unasked)", after.last_seq));
    } else {
      CHECK(model_.Apply(model_.steps()[index], state_, &after) == Misfit::kNone);
      left_[index] = false;
      before_.push_back(Name(model_.steps()[index]));
    }
    state_ = after;
  }

  [[nodiscard]] std::string Name(const Step& step) const {
    if (step.position < history_.operations.size()) return Short(FormatOperation(*step.operation));
    return fmt::format("the committed log, which ends at {}", *step.operation->last_seq);
  }

  // Answered ones first: those have to be placed.
  void AddNext(std::vector<std::string>& lines) const {
    std::vector<const Step*> next;
    for (const bool required : {true, false}) {
      for (size_t i = 0; i < left_.size(); ++i) {
        const Step& step = model_.steps()[i];
        if (left_[i] && step.required == required && step.operation->begin_us <= first_end_us_) {
          next.push_back(&step);
        }
      }
    }
    for (size_t i = 0; i < std::min(next.size(), kShownNext); ++i) {
      lines.push_back("  " + Name(*next[i]));
      lines.push_back("    " + WhyNot(*next[i]));
    }
    if (next.size() > kShownNext) {
      lines.push_back(fmt::format("  … and {} more", next.size() - kShownNext));
    }
  }

  [[nodiscard]] std::string WhyNot(const Step& step) const {
    LogModelState after;
    const Misfit misfit = model_.Apply(step, state_, &after);
    if (misfit != Misfit::kNone) return model_.Explain(step, misfit, state_);
    for (size_t i = 0; i < left_.size(); ++i) {
      const Step& other = model_.steps()[i];
      if (!left_[i] || !other.required || &other == &step) continue;
      if (other.looks_at && *other.looks_at >= state_.last_seq &&
          *other.looks_at < after.last_seq) {
        return "would pass by what has still to see last_seq " + ToString(*other.looks_at) + ": " +
               Name(other);
      }
      if (other.claims && *other.claims > state_.last_seq && *other.claims <= after.last_seq) {
        return "would take the seq of " + Name(other);
      }
    }
    return "leads no further";
  }

  // With a committed log: who wrote what stands there next.
  void AddNextRecord(std::vector<std::string>& lines) const {
    const CommittedRecord* const next = model_.RecordAt(state_.last_seq + 1);
    if (next == nullptr) return;
    lines.push_back("Next in the log: " + Short(FormatRecord(*next)));
    if (next->kind != CommittedRecord::Kind::kData) return;
    for (const Operation& op : history_.operations) {
      if (std::count(op.payloads.begin(), op.payloads.end(), next->payload) == 0) continue;
      lines.push_back("  sent by " + Short(FormatOperation(op)));
      return;
    }
    lines.emplace_back("  sent by nobody");
  }

  const History& history_;
  const LogModel& model_;
  std::vector<bool> left_;
  LogModelState state_;
  std::vector<std::string> before_;
  int64_t first_end_us_ = std::numeric_limits<int64_t>::max();
};

std::vector<size_t> Positions(const History& history, const LogModel& model,
                              const std::vector<uint32_t>& order) {
  std::vector<size_t> positions;
  for (const uint32_t step : order) {
    if (step == LinearSearch::kUnasked) continue;
    const size_t position = model.steps()[step].position;
    if (position < history.operations.size()) positions.push_back(position);
  }
  return positions;
}

std::string Headline(const Verdict& verdict, const LogModel& model) {
  const auto required = std::count_if(model.steps().begin(), model.steps().end(),
                                      [](const Step& step) { return step.required; });
  if (verdict.kind == Verdict::Kind::kUndecided) {
    return fmt::format("Undecided: gave up after {} configurations ({} answered operations).",
                       verdict.configurations, required);
  }
  return fmt::format("Not linearizable: no order of the {} answered operations explains them.",
                     required);
}

}  // namespace

std::string Verdict::Text() const {
  std::string text;
  for (const std::string& line : explanation) text += line + '\n';
  return text;
}

Verdict CheckLinearizable(const History& history, const CheckOptions& options) {
  Verdict verdict;
  std::optional<std::string> error = Malformed(history);
  const LogModel model(history, options);
  if (!error) error = model.CommittedLogError();
  if (error) {
    verdict.kind = Verdict::Kind::kViolation;
    verdict.explanation = {*error};
    return verdict;
  }
  LinearSearch search(model, options.max_configurations);
  verdict.kind = search.Run();
  verdict.configurations = search.configurations();
  verdict.order = Positions(history, model, search.order());
  if (!verdict.ok()) {
    verdict.explanation = Explainer(history, model, search.order()).Lines(Headline(verdict, model));
  }
  return verdict;
}

}  // namespace cairn::history
