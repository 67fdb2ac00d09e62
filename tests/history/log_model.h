// LogModel: one log as its clients may see it, one operation at a time (docs/semantics.md).
//
// Compiles a history once: texts become small numbers, records become the bytes that the chain
// covers. Then Apply says what an operation does to a state, or why it cannot take effect there
// with the answer that it gave. Pure; the search (linear_search.h) decides about order and time.
//
// With a committed log every record that an operation adds must be the one that stands there. The
// chain is open (`chain_known` false) behind a lease record of which nothing shows the chain;
// the first answer that shows one binds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "tests/history/history_types.h"
#include "tests/history/linearizability.h"

namespace cairn::history {

// A text of the history; 0 is "not known".
using TextId = uint32_t;

struct LogModelState {
  Seq last_seq;
  uint64_t chain = 0;
  bool chain_known = false;
  Epoch epoch;  // Of the lease; 0: free.
  TextId holder = 0;
};

// Why an operation cannot take effect in a state.
enum class Misfit : uint8_t {
  kNone,
  kFenced,          // Names no epoch on a fenced log.
  kNotFenced,       // Was refused for that, wrongly.
  kNotCurrent,      // Its epoch is not the current one.
  kStillCurrent,    // Was refused for that, wrongly.
  kFree,            // Was refused as held, but nobody holds it.
  kConditionFails,  // The log is not at its if_last_seq.
  kConditionHolds,  // Was refused for that, wrongly.
  kPosition,        // Its answer shows another last seq.
  kChain,           // Its answer shows another chain.
  kLease,           // Its answer shows another lease.
  kRecord,          // Other records stand in the committed log.
  kPastEnd,         // The committed log ends before.
};

// An operation as the search sees it.
struct Step {
  const Operation* operation = nullptr;
  size_t position = 0;          // In History::operations.
  bool required = false;        // It was answered, so it must be ordered.
  bool changes = false;         // It may add records. (A renewal only looks.)
  std::optional<Seq> claims;    // Changes the log here and nowhere else.
  std::optional<Seq> looks_at;  // Changes nothing, and fits at this last seq only.
  std::vector<TextId> contents;
  TextId holder = 0;
  TextId shown_holder = 0;
};

class LogModel {
 public:
  // `history` must outlive the model.
  LogModel(const History& history, const CheckOptions& options);
  LogModel(const LogModel&) = delete;
  LogModel& operator=(const LogModel&) = delete;

  // What is wrong with the committed log by itself: a hole, or a chain that is not that of its
  // records. nullopt: nothing.
  [[nodiscard]] std::optional<std::string> CommittedLogError() const;

  // What the search has to order. The last one reads the committed log, if there is one.
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
  [[nodiscard]] LogModelState Initial() const;

  // Records that `step` would add in `state`.
  [[nodiscard]] uint64_t RecordsOf(const Step& step, const LogModelState& state) const;
  // The state behind `step`. `after` has no meaning unless kNone is returned.
  [[nodiscard]] Misfit Apply(const Step& step, const LogModelState& before,
                             LogModelState* after) const;
  // The leader's own next record: an expiry, or one that is nobody's (kOther).
  [[nodiscard]] bool ApplyUnasked(const LogModelState& before, LogModelState* after) const;

  [[nodiscard]] std::string Explain(const Step& step, Misfit misfit,
                                    const LogModelState& state) const;
  [[nodiscard]] std::string Describe(const LogModelState& state) const;
  // The committed record there; null when it is not known.
  [[nodiscard]] const CommittedRecord* RecordAt(Seq seq) const;

 private:
  using Kind = CommittedRecord::Kind;

  TextId Intern(std::string_view text);
  [[nodiscard]] Step Compile(const Operation& operation, size_t position);
  void CompileCommitted();
  [[nodiscard]] bool NeverTookEffect(const Step& step) const;

  [[nodiscard]] Misfit Effect(const Step& step, LogModelState* state) const;
  [[nodiscard]] Misfit Append(const Step& step, LogModelState* state) const;
  [[nodiscard]] Misfit Acquire(const Step& step, LogModelState* state) const;
  [[nodiscard]] Misfit End(Kind kind, const Step& step, LogModelState* state) const;
  [[nodiscard]] Misfit Refusal(const Step& step, const LogModelState& state) const;
  [[nodiscard]] Misfit ConditionFailed(const Step& step, const LogModelState& state) const;
  [[nodiscard]] Misfit Answer(const Step& step, LogModelState* state) const;
  [[nodiscard]] bool ShowsThePast(const Operation& operation) const;

  // One record behind `state`.
  [[nodiscard]] Misfit AddData(TextId content, LogModelState* state) const;
  [[nodiscard]] Misfit AddLeaseRecord(Kind kind, TextId new_holder, LogModelState* state) const;
  [[nodiscard]] bool PastEnd(Seq seq) const;

  const History& history_;
  const CheckOptions options_;
  Operation final_read_;
  std::vector<Step> steps_;
  absl::flat_hash_map<std::string, TextId> ids_;
  std::vector<std::string> texts_;
  std::vector<std::string> records_;  // By TextId: what the chain covers of such a payload.
  // Of the committed records: payload of data, else holder.
  std::vector<TextId> committed_texts_;
  absl::flat_hash_map<TextId, uint32_t> committed_payloads_;  // How often.
};

}  // namespace cairn::history
