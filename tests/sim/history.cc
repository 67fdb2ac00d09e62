#include "tests/sim/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace cairn::sim {
namespace {

using Outcome = Operation::Outcome;
using Kind = Operation::Kind;

// The checks of one history against one final log.
class Checker {
 public:
  Checker(const std::vector<Operation>& operations, const std::vector<FinalRecord>& log)
      : operations_(operations), log_(log) {
    for (const FinalRecord& record : log) {
      if (record.record.kind() != cairn::v1::RECORD_KIND_UNSPECIFIED) continue;
      const auto [it, fresh] = where_.emplace(record.record.payload(), &record);
      if (!fresh) {
        Violation("payload '{}' stands at seq {} and again at {}", record.record.payload(),
                  it->second->seq, record.seq);
      }
    }
    if (!log.empty()) first_kept_ = log.front().seq;
  }

  void CheckEffects() {
    for (const Operation& op : operations_) {
      if (op.kind != Kind::kAppend) continue;
      const auto it = where_.find(op.payload);
      if (op.outcome == Outcome::kRefused && it != where_.end()) {
        Violation("append '{}' was refused but stands at seq {}", op.payload, it->second->seq);
      }
      if (op.outcome == Outcome::kDone) CheckAcknowledged(op, it);
      if (it != where_.end()) CheckConditions(op, *it->second);
    }
  }

  // Everything that ended before an operation began must be visible to it (real-time order).
  void CheckOrder() {
    std::vector<const Operation*> by_begin;
    std::vector<const Operation*> by_end;
    for (const Operation& op : operations_) {
      if (op.outcome == Outcome::kUnknown) continue;
      by_begin.push_back(&op);
      if (op.outcome == Outcome::kDone) by_end.push_back(&op);
    }
    const auto begins_first = [](const auto* a, const auto* b) { return a->began < b->began; };
    const auto ends_first = [](const auto* a, const auto* b) { return a->ended < b->ended; };
    std::stable_sort(by_begin.begin(), by_begin.end(), begins_first);
    std::stable_sort(by_end.begin(), by_end.end(), ends_first);
    Seq acknowledged;
    size_t next = 0;
    for (const Operation* op : by_begin) {
      while (next < by_end.size() && by_end[next]->ended < op->began) {
        acknowledged = std::max(acknowledged, by_end[next++]->last_seq);
      }
      CheckSees(*op, acknowledged);
    }
  }

  void CheckEntitlements(std::vector<Entitlement> entitlements) {
    std::sort(entitlements.begin(), entitlements.end(),
              [](const auto& a, const auto& b) { return a.from < b.from; });
    for (size_t i = 0; i + 1 < entitlements.size(); ++i) {
      for (size_t j = i + 1; j < entitlements.size(); ++j) {
        const Entitlement& a = entitlements[i];
        const Entitlement& b = entitlements[j];
        if (b.from >= a.until) break;
        if (a.epoch == b.epoch) continue;
        Violation("clients {} (epoch {}) and {} (epoch {}) both held the lease at {} us", a.client,
                  a.epoch, b.client, b.epoch, b.from);
      }
    }
  }

  std::vector<std::string> Take() { return std::move(violations_); }

 private:
  using Where = std::map<std::string, const FinalRecord*>;

  template <class... Args>
  void Violation(fmt::format_string<Args...> format, Args&&... args) {
    if (violations_.size() < 10) {
      violations_.push_back(fmt::format(format, std::forward<Args>(args)...));
    }
  }

  void CheckAcknowledged(const Operation& op, Where::const_iterator it) {
    if (it == where_.end()) {
      if (op.last_seq >= first_kept_) {
        Violation("append '{}' was acknowledged at seq {} but is not in the log", op.payload,
                  op.last_seq);
      }
      return;
    }
    if (it->second->seq != op.last_seq || it->second->chain != op.chain) {
      Violation("append '{}' was acknowledged at seq {} chain {:016x} but stands at {} {:016x}",
                op.payload, op.last_seq, op.chain, it->second->seq, it->second->chain);
    }
  }

  void CheckConditions(const Operation& op, const FinalRecord& record) {
    if (op.if_last_seq && record.seq != *op.if_last_seq + 1) {
      Violation("append '{}' asked for last_seq {} and stands at seq {}", op.payload,
                *op.if_last_seq, record.seq);
    }
    if (!op.if_lease_epoch) return;
    // The newest lease record before it must be the grant of its epoch.
    for (auto it = log_.rbegin(); it != log_.rend(); ++it) {
      if (it->seq >= record.seq) continue;
      const auto kind = it->record.kind();
      if (kind == cairn::v1::RECORD_KIND_UNSPECIFIED) continue;
      const bool grant = kind == cairn::v1::RECORD_KIND_LEASE_ACQUIRED ||
                         kind == cairn::v1::RECORD_KIND_LEASE_TRANSFERRED;
      if (!grant || it->seq.value() != op.if_lease_epoch->value()) {
        Violation("append '{}' under epoch {} stands at seq {}, after another lease record at {}",
                  op.payload, *op.if_lease_epoch, record.seq, it->seq);
      }
      return;
    }
  }

  void CheckSees(const Operation& op, Seq acknowledged) {
    if (op.outcome == Outcome::kDone && op.kind == Kind::kAppend && op.first_seq <= acknowledged) {
      Violation("append '{}' got seq {} though {} was acknowledged before it began", op.payload,
                op.first_seq, acknowledged);
    }
    if (op.outcome == Outcome::kDone && op.kind == Kind::kRead && op.last_seq < acknowledged) {
      Violation("a read saw last_seq {} though {} was acknowledged before it began", op.last_seq,
                acknowledged);
    }
    if (op.shown_last_seq && *op.shown_last_seq < acknowledged) {
      Violation("a refusal showed last_seq {} though {} was acknowledged before it began",
                *op.shown_last_seq, acknowledged);
    }
    if (op.shown_last_seq && op.if_last_seq && *op.shown_last_seq == *op.if_last_seq) {
      Violation("append '{}' was refused though last_seq was the {} that it asked for", op.payload,
                *op.if_last_seq);
    }
  }

  const std::vector<Operation>& operations_;
  const std::vector<FinalRecord>& log_;
  Where where_;
  Seq first_kept_{1};
  std::vector<std::string> violations_;
};

}  // namespace

size_t History::Begin(Operation operation) {
  operations_.push_back(std::move(operation));
  return operations_.size() - 1;
}

void History::EndEntitlement(int client, SimTime now) {
  for (auto it = entitlements_.rbegin(); it != entitlements_.rend(); ++it) {
    if (it->client != client) continue;
    if (it->until <= now) return;
    it->until = now;
  }
}

size_t History::done() const {
  return static_cast<size_t>(
      std::count_if(operations_.begin(), operations_.end(),
                    [](const Operation& op) { return op.outcome == Operation::Outcome::kDone; }));
}

std::vector<std::string> History::Check(const std::vector<FinalRecord>& log) const {
  Checker checker(operations_, log);
  checker.CheckEffects();
  checker.CheckOrder();
  checker.CheckEntitlements(entitlements_);
  return checker.Take();
}

}  // namespace cairn::sim
