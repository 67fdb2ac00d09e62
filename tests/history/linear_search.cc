#include "tests/history/linear_search.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace cairn::history {
namespace {

constexpr size_t kWordBits = 64;

// Ranks of the steps by begin, counted apart for required ones and others.
std::vector<uint32_t> RankByBegin(const std::vector<Step>& steps) {
  std::vector<uint32_t> by_begin(steps.size());
  for (uint32_t i = 0; i < steps.size(); ++i) by_begin[i] = i;
  std::stable_sort(by_begin.begin(), by_begin.end(), [&](uint32_t a, uint32_t b) {
    return steps[a].operation->begin_us < steps[b].operation->begin_us;
  });
  std::vector<uint32_t> rank(steps.size());
  uint32_t required = 0;
  uint32_t unanswered = 0;
  for (const uint32_t step : by_begin) {
    rank[step] = steps[step].required ? required++ : unanswered++;
  }
  return rank;
}

void AppendBytes(std::string& key, const void* data, size_t bytes) {
  key.append(static_cast<const char*>(data), bytes);
}

}  // namespace

// ---- CallList -------------------------------------------------------------------------

CallList::CallList(const std::vector<Step>& steps)
    : next_(2 * steps.size() + 1), previous_(2 * steps.size() + 1), returns_(steps.size()) {
  std::vector<std::tuple<int64_t, bool, Entry>> entries;
  for (uint32_t i = 0; i < steps.size(); ++i) {
    entries.emplace_back(steps[i].operation->begin_us, false, 2 * i);
    returns_[i] = steps[i].required;
    if (steps[i].required) entries.emplace_back(steps[i].operation->end_us, true, 2 * i + 1);
  }
  std::sort(entries.begin(), entries.end());
  Entry last = end();
  for (const auto& [time_us, is_return, entry] : entries) {
    next_[last] = entry;
    previous_[entry] = last;
    last = entry;
  }
  next_[last] = end();
  previous_[end()] = last;
}

void CallList::Unlink(Entry entry) {
  next_[previous_[entry]] = next_[entry];
  previous_[next_[entry]] = previous_[entry];
}

void CallList::Relink(Entry entry) {
  next_[previous_[entry]] = entry;
  previous_[next_[entry]] = entry;
}

void CallList::Remove(uint32_t step) {
  Unlink(2 * step);
  if (returns_[step]) Unlink(2 * step + 1);
}

void CallList::PutBack(uint32_t step) {
  if (returns_[step]) Relink(2 * step + 1);
  Relink(2 * step);
}

// ---- LinearSearch -----------------------------------------------------------------------

LinearSearch::LinearSearch(const LogModel& model, uint64_t max_configurations)
    : model_(model),
      steps_(model.steps()),
      max_configurations_(max_configurations + steps_.size()),
      left_(steps_),
      rank_(RankByBegin(steps_)) {
  for (const Step& step : steps_) {
    if (step.required) ++required_left_;
    Count(step, +1);
  }
  required_words_.resize(required_left_ / kWordBits + 1);
  unanswered_words_.resize((steps_.size() - required_left_) / kWordBits + 1);
}

Verdict::Kind LinearSearch::Run() {
  if (Enter(model_.Initial())) return Verdict::Kind::kLinearizable;
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    UndoTo(frame.ordered);
    if (frame.next_choice == choices_.size()) {
      choices_.resize(frame.first_choice);
      frames_.pop_back();
      continue;
    }
    if (++configurations_ > max_configurations_) return Verdict::Kind::kUndecided;
    const Choice choice = choices_[frame.next_choice++];
    Place(choice.step);
    if (Enter(choice.after)) return Verdict::Kind::kLinearizable;
  }
  return Verdict::Kind::kViolation;
}

bool LinearSearch::Enter(LogModelState state) {
  OrderWhatLooks(state);
  if (required_left_ == 0) {
    best_ = order_;
    return true;
  }
  const size_t first_choice = choices_.size();
  CollectChoices(state);
  if (choices_.size() > first_choice + 1 && !Remember(state)) choices_.resize(first_choice);
  if (choices_.size() == first_choice) {
    NoteDeadEnd();
  } else {
    frames_.push_back({state, order_.size(), first_choice, first_choice});
  }
  return false;
}

void LinearSearch::OrderWhatLooks(LogModelState& state) {
  CallList::Entry entry = left_.first();
  while (entry != left_.end() && !left_.IsReturn(entry)) {
    const uint32_t step = entry / 2;
    LogModelState after;
    if (!steps_[step].changes && model_.Apply(steps_[step], state, &after) == Misfit::kNone) {
      state = after;  // A chain that it showed is known from now on.
      const CallList::Entry before = left_.before(entry);
      Place(step);
      entry = left_.next(before);
    } else {
      entry = left_.next(entry);
    }
  }
}

void LinearSearch::CollectChoices(const LogModelState& state) {
  LogModelState after;
  // Where an answered one claims the next seq it is the only choice, so that unanswered ones are
  // tried only where nobody else says that it stands.
  left_.ForEachCandidate([&](uint32_t index) {
    const Step& step = steps_[index];
    if (!step.changes) return;
    const Seq to = state.last_seq + model_.RecordsOf(step, state);
    if (!Clear(step.claims, state.last_seq, to)) return;
    if (model_.Apply(step, state, &after) != Misfit::kNone) return;
    choices_.push_back({index, after});
  });
  if (model_.ApplyUnasked(state, &after) && Clear(std::nullopt, state.last_seq, after.last_seq)) {
    choices_.push_back({kUnasked, after});
  }
}

bool LinearSearch::Clear(std::optional<Seq> own_claim, Seq from, Seq to) const {
  for (Seq seq = from; seq < to; ++seq) {
    if (looks_at_.contains(seq.value())) return false;
    const auto claims = claims_.find(seq.value() + 1);
    const int own = own_claim == seq + 1 ? 1 : 0;
    if (claims != claims_.end() && claims->second > own) return false;
  }
  return true;
}

bool LinearSearch::Remember(const LogModelState& state) {
  size_t first = 0;
  while (first < required_words_.size() && required_words_[first] == UINT64_MAX) ++first;
  size_t end = required_words_.size();
  while (end > first && required_words_[end - 1] == 0) --end;
  std::string key;
  AppendBytes(key, &first, sizeof first);
  AppendBytes(key, &end, sizeof end);
  AppendBytes(key, required_words_.data() + first, (end - first) * sizeof(uint64_t));
  AppendBytes(key, unanswered_words_.data(), unanswered_words_.size() * sizeof(uint64_t));
  const uint64_t words[] = {state.last_seq.value(), state.chain_known ? state.chain : 0,
                            state.epoch.value(), state.holder, state.chain_known ? 1u : 0u};
  AppendBytes(key, words, sizeof words);
  return memory_.insert(std::move(key)).second;
}

void LinearSearch::NoteDeadEnd() {
  if (required_left_ >= best_required_left_) return;
  best_required_left_ = required_left_;
  best_ = order_;
}

// ---- Doing and undoing ------------------------------------------------------------------

void LinearSearch::Place(uint32_t step) {
  order_.push_back(step);
  if (step == kUnasked) return;
  left_.Remove(step);
  Count(steps_[step], -1);
  auto& words = steps_[step].required ? required_words_ : unanswered_words_;
  words[rank_[step] / kWordBits] |= uint64_t{1} << (rank_[step] % kWordBits);
  if (steps_[step].required) --required_left_;
}

void LinearSearch::UndoTo(size_t ordered) {
  while (order_.size() > ordered) {
    const uint32_t step = order_.back();
    order_.pop_back();
    if (step == kUnasked) continue;
    left_.PutBack(step);
    Count(steps_[step], +1);
    auto& words = steps_[step].required ? required_words_ : unanswered_words_;
    words[rank_[step] / kWordBits] &= ~(uint64_t{1} << (rank_[step] % kWordBits));
    if (steps_[step].required) ++required_left_;
  }
}

void LinearSearch::Count(const Step& step, int change) {
  if (!step.required) return;
  const std::optional<Seq>& seq = step.changes ? step.claims : step.looks_at;
  if (!seq.has_value()) return;
  auto& counts = step.changes ? claims_ : looks_at_;
  const auto it = counts.emplace(seq->value(), 0).first;
  it->second += change;
  if (it->second == 0) counts.erase(it);
}

}  // namespace cairn::history
