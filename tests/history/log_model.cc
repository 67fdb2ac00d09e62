#include "tests/history/log_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "cairn/v1/log.pb.h"
#include "storage/entry_codec.h"
#include "tests/history/history_text.h"

namespace cairn::history {
namespace {

bool IsCurrent(const std::optional<Epoch>& epoch, const LogModelState& state) {
  return epoch.has_value() && *epoch != Epoch() && *epoch == state.epoch;
}

bool Holds(const std::optional<Seq>& if_last_seq, const LogModelState& state) {
  return !if_last_seq.has_value() || *if_last_seq == state.last_seq;
}

bool Differ(TextId a, TextId b) { return a != 0 && b != 0 && a != b; }

// Whether the answer tells where the operation's effect stands: its first seq.
std::optional<Seq> ClaimOf(const Operation& op) {
  if (op.outcome != Outcome::kDone) return std::nullopt;
  if (op.call == Call::kAppend) {
    if (op.first_seq) return op.first_seq;
    if (op.last_seq && op.last_seq->value() >= op.payloads.size()) {
      return *op.last_seq - (op.payloads.size() - 1);
    }
    return std::nullopt;
  }
  if (op.granted) return Seq(op.granted->value());
  return op.last_seq;
}

bool ChangesTheLog(const Operation& op) {
  if (op.outcome != Outcome::kDone && op.outcome != Outcome::kUnknown) return false;
  return op.call != Call::kRead && op.call != Call::kRenew;
}

}  // namespace

// ---- Compiling ----------------------------------------------------------------------

LogModel::LogModel(const History& history, const CheckOptions& options)
    : history_(history), options_(options), texts_(1), records_(1) {
  CompileCommitted();
  if (!history.initial_lease.holder.empty()) Intern(history.initial_lease.holder);
  int64_t end_us = std::numeric_limits<int64_t>::min();
  for (size_t i = 0; i < history.operations.size(); ++i) {
    const Operation& op = history.operations[i];
    end_us = std::max({end_us, op.begin_us, op.end_us});
    Step step = Compile(op, i);
    const bool useless = !step.required && !step.changes;
    if (useless || op.outcome == Outcome::kRefused || NeverTookEffect(step)) continue;
    steps_.push_back(std::move(step));
  }
  if (!history.committed) return;
  final_read_.call = Call::kRead;
  final_read_.outcome = Outcome::kDone;
  final_read_.begin_us = final_read_.end_us = end_us;
  final_read_.last_seq =
      history.committed->first_seq.Previous() + history.committed->records.size();
  steps_.push_back(Compile(final_read_, history.operations.size()));
}

TextId LogModel::Intern(std::string_view text) {
  const auto [it, fresh] = ids_.emplace(text, static_cast<TextId>(texts_.size()));
  if (fresh) {
    texts_.emplace_back(text);
    cairn::v1::Record record;
    record.set_payload(std::string(text));
    records_.push_back(record.SerializeAsString());
  }
  return it->second;
}

void LogModel::CompileCommitted() {
  if (!history_.committed) return;
  for (const CommittedRecord& record : history_.committed->records) {
    const bool data = record.kind == Kind::kData;
    const bool known = data || !record.holder.empty();
    const TextId id = known ? Intern(data ? record.payload : record.holder) : TextId{0};
    committed_texts_.push_back(id);
    if (data) ++committed_payloads_[id];
  }
}

Step LogModel::Compile(const Operation& operation, size_t position) {
  Step step;
  step.operation = &operation;
  step.position = position;
  step.required = operation.outcome != Outcome::kUnknown;
  step.changes = ChangesTheLog(operation);
  if (step.changes) step.claims = ClaimOf(operation);
  if (!step.changes && !ShowsThePast(operation)) step.looks_at = operation.last_seq;
  for (const std::string& payload : operation.payloads) step.contents.push_back(Intern(payload));
  if (!operation.holder.empty()) step.holder = Intern(operation.holder);
  if (operation.lease && !operation.lease->holder.empty()) {
    step.shown_holder = Intern(operation.lease->holder);
  }
  return step;
}

// An unanswered append none of which stands in a log that is known as a whole. Only to save the
// search from looking at it: it would fit nowhere.
bool LogModel::NeverTookEffect(const Step& step) const {
  if (step.required || step.operation->call != Call::kAppend || !history_.committed) return false;
  if (history_.committed->first_seq > history_.initial_last_seq + 1) return false;
  return !step.contents.empty() && !committed_payloads_.contains(step.contents.front());
}

std::optional<std::string> LogModel::CommittedLogError() const {
  if (!history_.committed) return std::nullopt;
  const CommittedLog& log = *history_.committed;
  for (size_t i = 0; i < log.records.size(); ++i) {
    const CommittedRecord& record = log.records[i];
    if (record.seq != log.first_seq + i) {
      return fmt::format("the committed log has record {} where {} was expected", record.seq,
                         log.first_seq + i);
    }
    if (i == 0 || record.kind != Kind::kData) continue;
    const uint64_t chain =
        storage::ChainNext(log.records[i - 1].chain, records_[committed_texts_[i]]);
    if (chain != record.chain) {
      return fmt::format(
          "committed record {} does not follow from the one before: chain {:016x}, "
          "expected {:016x}",
          record.seq, record.chain, chain);
    }
  }
  return std::nullopt;
}

LogModelState LogModel::Initial() const {
  LogModelState state;
  state.last_seq = history_.initial_last_seq;
  state.chain_known = history_.initial_chain.has_value() || state.last_seq == Seq();
  if (state.chain_known) {
    state.chain = history_.initial_chain.value_or(storage::ChainSeed(history_.log_id));
  }
  state.epoch = history_.initial_lease.epoch;
  const auto holder = ids_.find(history_.initial_lease.holder);
  if (state.epoch != Epoch() && holder != ids_.end()) state.holder = holder->second;
  return state;
}

// ---- Operations -----------------------------------------------------------------------

uint64_t LogModel::RecordsOf(const Step& step, const LogModelState& state) const {
  if (!step.changes) return 0;
  if (step.operation->call == Call::kAppend) return step.contents.size();
  return step.operation->call == Call::kAcquire && state.epoch != Epoch() ? 2 : 1;
}

Misfit LogModel::Apply(const Step& step, const LogModelState& before, LogModelState* after) const {
  *after = before;
  const Outcome outcome = step.operation->outcome;
  const bool effect = outcome == Outcome::kDone || outcome == Outcome::kUnknown;
  const Misfit misfit = effect ? Effect(step, after) : Refusal(step, before);
  if (misfit != Misfit::kNone || outcome == Outcome::kUnknown) return misfit;
  return Answer(step, after);
}

bool LogModel::ApplyUnasked(const LogModelState& before, LogModelState* after) const {
  *after = before;
  const CommittedRecord* const next = RecordAt(before.last_seq + 1);
  if (next != nullptr && next->kind == Kind::kOther) {
    after->last_seq = next->seq;
    after->chain = next->chain;
    after->chain_known = true;
    return true;
  }
  if (before.epoch == Epoch()) return false;
  return AddLeaseRecord(Kind::kExpired, 0, after) == Misfit::kNone;
}

Misfit LogModel::Effect(const Step& step, LogModelState* state) const {
  switch (step.operation->call) {
    case Call::kAppend:
      return Append(step, state);
    case Call::kRead:
      return Misfit::kNone;
    case Call::kAcquire:
      return Acquire(step, state);
    case Call::kRenew:
      return IsCurrent(step.operation->epoch, *state) ? Misfit::kNone : Misfit::kNotCurrent;
    case Call::kRelease:
      return End(Kind::kReleased, step, state);
    case Call::kTransfer:
      return End(Kind::kTransferred, step, state);
  }
  return Misfit::kNone;
}

// The order of judgement is that of docs/semantics.md section 4: fence, epoch, if_last_seq.
Misfit LogModel::Append(const Step& step, LogModelState* state) const {
  const Operation& op = *step.operation;
  if (history_.fenced && !op.epoch) return Misfit::kFenced;
  if (op.epoch && !IsCurrent(op.epoch, *state)) return Misfit::kNotCurrent;
  if (!Holds(op.if_last_seq, *state)) return Misfit::kConditionFails;
  if (step.claims && *step.claims != state->last_seq + 1) return Misfit::kPosition;
  for (const TextId content : step.contents) {
    const Misfit misfit = AddData(content, state);
    if (misfit != Misfit::kNone) return misfit;
  }
  return Misfit::kNone;
}

// Whether the lease that somebody holds is over is a matter of the leader's clock, which the
// model has not: it may be.
Misfit LogModel::Acquire(const Step& step, LogModelState* state) const {
  if (!Holds(step.operation->if_last_seq, *state)) return Misfit::kConditionFails;
  if (state->epoch != Epoch()) {
    const Misfit misfit = AddLeaseRecord(Kind::kExpired, 0, state);
    if (misfit != Misfit::kNone) return misfit;
  }
  return AddLeaseRecord(Kind::kAcquired, step.holder, state);
}

Misfit LogModel::End(Kind kind, const Step& step, LogModelState* state) const {
  if (!IsCurrent(step.operation->epoch, *state)) return Misfit::kNotCurrent;
  if (!Holds(step.operation->if_last_seq, *state)) return Misfit::kConditionFails;
  return AddLeaseRecord(kind, step.holder, state);
}

Misfit LogModel::Refusal(const Step& step, const LogModelState& state) const {
  const Operation& op = *step.operation;
  switch (op.outcome) {
    case Outcome::kConditionFailed:
      return ConditionFailed(step, state);
    case Outcome::kLeaseHeld:
      return state.epoch != Epoch() ? Misfit::kNone : Misfit::kFree;
    case Outcome::kLeaseLost:
      return op.epoch && !IsCurrent(op.epoch, state) ? Misfit::kNone : Misfit::kStillCurrent;
    case Outcome::kFenceRequired:
      return history_.fenced && !op.epoch ? Misfit::kNone : Misfit::kNotFenced;
    case Outcome::kDone:
    case Outcome::kUnknown:
    case Outcome::kRefused:
      return Misfit::kNone;
  }
  return Misfit::kNone;
}

Misfit LogModel::ConditionFailed(const Step& step, const LogModelState& state) const {
  const Operation& op = *step.operation;
  if (!op.if_last_seq || *op.if_last_seq == state.last_seq) return Misfit::kConditionHolds;
  if (ShowsThePast(op)) {
    return state.last_seq >= *op.last_seq ? Misfit::kNone : Misfit::kPosition;
  }
  // What is judged before it was passed.
  if (op.call == Call::kAppend && history_.fenced && !op.epoch) return Misfit::kFenced;
  if (op.epoch && !IsCurrent(op.epoch, state)) return Misfit::kNotCurrent;
  return Misfit::kNone;
}

// A refusal that no later state can take back, when those may show an earlier state.
bool LogModel::ShowsThePast(const Operation& op) const {
  if (!options_.refusals_may_show_the_past) return false;
  if (op.outcome == Outcome::kLeaseLost) return true;
  return op.outcome == Outcome::kConditionFailed && op.if_last_seq && op.last_seq &&
         *op.if_last_seq < *op.last_seq;
}

Misfit LogModel::Answer(const Step& step, LogModelState* state) const {
  const Operation& op = *step.operation;
  if (ShowsThePast(op)) return Misfit::kNone;
  if (op.last_seq && *op.last_seq != state->last_seq) return Misfit::kPosition;
  if (op.granted && op.granted->value() != state->last_seq.value()) return Misfit::kPosition;
  if (op.last_seq && op.chain) {
    if (state->chain_known && state->chain != *op.chain) return Misfit::kChain;
    state->chain_known = true;
    state->chain = *op.chain;
  }
  if (!op.lease) return Misfit::kNone;
  const bool same = op.lease->epoch == state->epoch &&
                    (state->epoch == Epoch() ? step.shown_holder == 0
                                             : !Differ(step.shown_holder, state->holder));
  return same ? Misfit::kNone : Misfit::kLease;
}

// ---- Records --------------------------------------------------------------------------

const CommittedRecord* LogModel::RecordAt(Seq seq) const {
  if (!history_.committed || seq < history_.committed->first_seq || PastEnd(seq)) return nullptr;
  return &history_.committed->records[seq - history_.committed->first_seq];
}

bool LogModel::PastEnd(Seq seq) const {
  const auto& log = history_.committed;
  return log && seq >= log->first_seq + log->records.size();
}

Misfit LogModel::AddData(TextId content, LogModelState* state) const {
  const bool before_known = RecordAt(state->last_seq) != nullptr;
  ++state->last_seq;
  if (PastEnd(state->last_seq)) return Misfit::kPastEnd;
  const CommittedRecord* const record = RecordAt(state->last_seq);
  if (record != nullptr && before_known) {
    // CommittedLogError has compared the chains.
    if (committed_texts_[record->seq - history_.committed->first_seq] != content ||
        record->kind != Kind::kData) {
      return Misfit::kRecord;
    }
    state->chain = record->chain;
    return Misfit::kNone;
  }
  if (state->chain_known) state->chain = storage::ChainNext(state->chain, records_[content]);
  if (record == nullptr) return Misfit::kNone;
  if (committed_texts_.front() != content || record->kind != Kind::kData) return Misfit::kRecord;
  if (state->chain_known && state->chain != record->chain) return Misfit::kChain;
  state->chain = record->chain;
  state->chain_known = true;
  return Misfit::kNone;
}

Misfit LogModel::AddLeaseRecord(Kind kind, TextId new_holder, LogModelState* state) const {
  ++state->last_seq;
  if (PastEnd(state->last_seq)) return Misfit::kPastEnd;
  const bool grants = kind == Kind::kAcquired || kind == Kind::kTransferred;
  const CommittedRecord* const record = RecordAt(state->last_seq);
  if (record != nullptr) {
    const TextId shown = committed_texts_[record->seq - history_.committed->first_seq];
    const bool ends_it = kind == Kind::kAcquired || record->ended_epoch == Epoch() ||
                         record->ended_epoch == state->epoch;
    if (record->kind != kind || !ends_it || Differ(shown, grants ? new_holder : state->holder)) {
      return Misfit::kRecord;
    }
    state->chain = record->chain;
  }
  state->chain_known = record != nullptr;
  if (record == nullptr) state->chain = 0;
  state->epoch = grants ? Epoch(state->last_seq.value()) : Epoch();
  state->holder = grants ? new_holder : 0;
  return Misfit::kNone;
}

// ---- For people -------------------------------------------------------------------------

std::string LogModel::Describe(const LogModelState& state) const {
  std::string text = fmt::format("last_seq {}", state.last_seq);
  if (state.chain_known) text += fmt::format(", chain {:016x}", state.chain);
  if (state.epoch == Epoch()) return text + ", lease free";
  return text + fmt::format(", lease {}@{}", texts_[state.holder], state.epoch);
}

std::string LogModel::Explain(const Step& step, Misfit misfit, const LogModelState& state) const {
  switch (misfit) {
    case Misfit::kNone:
      return "fits";
    case Misfit::kFenced:
      return "names no epoch, and the log is fenced";
    case Misfit::kNotFenced:
      return "was refused by a fence, and there is none";
    case Misfit::kNotCurrent:
      return "its epoch is not the current one";
    case Misfit::kStillCurrent:
      return "was refused as lost, but its epoch is the current one";
    case Misfit::kFree:
      return "was refused as held, but the lease is free";
    case Misfit::kConditionFails:
      return fmt::format("its if_last_seq is not {}", state.last_seq);
    case Misfit::kConditionHolds:
      return "was refused by if_last_seq, which holds";
    case Misfit::kPosition:
      if (step.claims) {
        return fmt::format("says that it stands at {}, but the next seq is {}", *step.claims,
                           state.last_seq + 1);
      }
      return fmt::format("shows last_seq {}, but the log is at {}",
                         step.operation->last_seq.value_or(Seq()), state.last_seq);
    case Misfit::kChain:
      return "its answer shows the chain of other records";
    case Misfit::kLease:
      return "its answer shows another lease";
    case Misfit::kRecord:
      return fmt::format("other records stand behind {}", state.last_seq);
    case Misfit::kPastEnd:
      return fmt::format("the log ends at {}", steps_.back().operation->last_seq.value_or(Seq()));
  }
  return "";
}

}  // namespace cairn::history
