#include "tests/sim/log_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "cairn/v1/log.pb.h"
#include "storage/entry_codec.h"
#include "tests/history/committed_record.h"
#include "tests/history/linearizability.h"

namespace cairn::sim {

LogWatch::LogWatch(GroupId log, bool fenced, Report violation, Report note, OnMoment on_moment)
    : violation_(std::move(violation)),
      note_(std::move(note)),
      on_moment_(std::move(on_moment)),
      collected_chain_(storage::ChainSeed(log)) {
  history_.log_id = log;
  history_.fenced = fenced;
  history_.committed.emplace();
}

size_t LogWatch::Begin(history::Operation operation) {
  history_.operations.push_back(std::move(operation));
  return history_.operations.size() - 1;
}

void LogWatch::Entitle(const Entitlement& entitlement) {
  if (entitlement.until > entitlement.from) entitlements_.push_back(entitlement);
}

void LogWatch::EndEntitlement(int client, SimTime now) {
  for (auto it = entitlements_.rbegin(); it != entitlements_.rend(); ++it) {
    if (it->client != client) continue;
    if (it->until <= now) return;
    it->until = now;
  }
}

void LogWatch::CheckTailed(int client, Seq seq, uint64_t chain) {
  if (chain == 0) return;
  const auto [known, fresh] = chains_.emplace(seq, chain);
  if (!fresh && known->second != chain) {
    violation_(fmt::format("log {}: client {} was handed seq {} with chain {:016x}, it is {:016x}",
                           log(), client, seq, chain, known->second));
  }
}

void LogWatch::CheckTrimmed(int client, Seq first_seq) {
  if (first_seq <= first_seq_) return;
  violation_(fmt::format("log {}: client {} was told that it begins at seq {}, it begins at {}",
                         log(), client, first_seq, first_seq_));
}

void LogWatch::AfterTurn(SimNode& node, const server::Group& group) {
  const server::GroupView view = group.View();
  uint64_t& refills = refills_[node.id()];
  if (view.refills > refills) ++counts_.refills;
  refills = view.refills;
  if (view.suspect && suspects_.insert({node.id(), view.term}).second) ++counts_.suspects;

  if (view.halted) violation_(fmt::format("node {} halted log {}", node.id(), log()));
  const auto [chain, fresh] = chains_.emplace(view.last_seq, view.chain);
  if (!fresh && chain->second != view.chain) {
    violation_(fmt::format("log {}: node {} has chain {:016x} at seq {}, another had {:016x}",
                           log(), node.id(), view.chain, view.last_seq, chain->second));
  }
  first_seq_ = std::max(first_seq_, view.first_seq);
  CheckPosition(node, group.core());
  if (const std::string wrong = leases_.AfterTurn(node, group); !wrong.empty()) {
    violation_(fmt::format("log {}: {}", log(), wrong));
  }
  if (view.role != consensus::Role::kLeader) return;
  const auto [leader, first] = leaders_.emplace(view.term, node.id());
  if (first) {
    if (leaders_.size() > 1) ++counts_.leader_changes;
    note_(fmt::format("node {} leads log {} in term {}", node.id(), log(), view.term));
    CheckNewLeader(node, group.core());
  }
  if (leader->second != node.id()) {
    violation_(fmt::format("log {}: nodes {} and {} both led term {}", log(), leader->second,
                           node.id(), view.term));
  }
  if (leaders_.rbegin()->first == view.term) FollowLeader(node, first, group.core());
}

void LogWatch::FollowLeader(const SimNode& node, bool first, const consensus::RaftCore& core) {
  if (first) {
    committed_before_ = core.commit();
    committed_ = false;
    voters_ = core.membership().joint() ? core.membership().outgoing : core.membership().voters;
    on_moment_(Moment::kLeads, node.id());
  }
  if (!committed_ && core.commit() > committed_before_) {
    committed_ = true;
    on_moment_(Moment::kCommits, node.id());
  }
  // Not asked is whether they are joint: a change that took one step would be the worst.
  if (core.membership().voters != voters_) {
    voters_ = core.membership().voters;
    on_moment_(Moment::kNewVoters, node.id());
  }
}

void LogWatch::CheckPosition(const SimNode& node, const consensus::RaftCore& core) {
  const std::optional<Term> term = core.terms().At(core.applied());
  if (!term) return;
  const auto [known, fresh] = terms_.emplace(core.applied(), *term);
  if (fresh || known->second == *term) return;
  violation_(fmt::format("log {}: node {} has applied entry {} of term {}, another that of {}",
                         log(), node.id(), core.applied(), *term, known->second));
}

// Only the newest: a deposed one's term may be seen late, and it need not hold what came after.
void LogWatch::CheckNewLeader(const SimNode& node, const consensus::RaftCore& core) {
  if (leaders_.rbegin()->first != core.term() || terms_.empty()) return;
  const auto& [index, term] = *terms_.rbegin();
  if (index <= core.terms().Before().index || core.terms().At(index) == term) return;
  violation_(
      fmt::format("log {}: node {} leads term {} without entry {} of term {}, which was "
                  "committed before",
                  log(), node.id(), core.term(), index, term));
}

void LogWatch::Collect(const SimNode& node) {
  const server::Group* group = node.group(log());
  CHECK(group != nullptr);
  const Index applied = group->state().applied_index();
  constexpr uint64_t kManyBytes = 1 << 20;
  while (collected_ < applied) {
    const auto range = node.store().ReadEntries(log(), collected_ + 1, applied, kManyBytes);
    if (range.ok() && !range->entries.empty()) {
      for (const storage::StoredEntry& entry : range->entries) CollectEntry(entry);
    } else if (!SkipTrimmed(node)) {
      return;  // Applied, and not yet written here.
    }
  }
}

// Entries without records go as soon as nothing is kept before them.
bool LogWatch::SkipTrimmed(const SimNode& node) {
  const auto groups = node.store().LoadGroups();
  CHECK(groups.ok());
  for (const storage::StoredGroup& group : *groups) {
    if (group.group != log() || group.before_index <= collected_) continue;
    if (group.segments.front().chain_before != collected_chain_) return false;
    collected_ = group.before_index;
    return true;
  }
  return false;
}

void LogWatch::CollectEntry(const storage::StoredEntry& entry) {
  collected_ = entry.index;
  if (static_cast<consensus::EntryKind>(entry.kind) != consensus::EntryKind::kData) return;
  const auto view = storage::EntryView::Parse(entry.payload.view());
  CHECK(view.ok());
  const size_t first_record = history_.committed->records.size();
  view->ForEachRecord([&](uint32_t offset, std::string_view serialized) {
    collected_chain_ = storage::ChainNext(collected_chain_, serialized);
    cairn::v1::Record record;
    CHECK(record.ParseFromArray(serialized.data(), static_cast<int>(serialized.size())));
    history_.committed->records.push_back(
        history::ToCommitted(view->header().first_seq + offset, collected_chain_, record));
  });
  CheckExpiries(first_record);
  if (collected_chain_ != view->header().chain) {
    violation_(fmt::format("log {}: entry {} says chain {:016x}, its records give {:016x}", log(),
                           entry.index, view->header().chain, collected_chain_));
  }
}

void LogWatch::CheckExpiries(size_t first_record) {
  using Kind = history::CommittedRecord::Kind;
  const auto& records = history_.committed->records;
  bool begins = true;
  for (size_t i = first_record; i < records.size(); ++i) {
    begins = begins && records[i].kind == Kind::kExpired;
    if (begins || records[i].kind != Kind::kExpired) continue;
    if (i + 1 < records.size() && records[i + 1].kind == Kind::kAcquired) continue;
    violation_(
        fmt::format("log {}: record {} ends a lease by time in the middle of an entry, and "
                    "no grant follows",
                    log(), records[i].seq));
  }
}

void LogWatch::CheckEnd(const SimNode& leader) {
  Collect(leader);
  const Seq last = leader.group(log())->View().last_seq;
  if (collected_seq() != last) {
    violation_(fmt::format("log {}: records were seen through seq {}, the log ends at {}", log(),
                           collected_seq(), last));
    return;
  }
  AddLateTries();
  const history::Verdict verdict =
      history::CheckLinearizable(history_, {.refusals_may_show_the_past = true});
  if (!verdict.ok()) violation_(fmt::format("log {}: {}", log(), verdict.Text()));
  CheckEntitlements();
}

// Each grant has a call of its own. Only one of them was told.
void LogWatch::AddLateTries() {
  std::map<std::string, size_t> grants;
  for (const history::CommittedRecord& record : history_.committed->records) {
    if (record.kind == history::CommittedRecord::Kind::kAcquired) ++grants[record.holder];
  }
  for (const size_t handle : repeated_) {
    history::Operation late = history_.operations[handle];
    late.outcome = history::Outcome::kUnknown;
    late.last_seq.reset();
    late.granted.reset();
    for (size_t i = 1; i < grants[late.holder]; ++i) history_.operations.push_back(late);
  }
}

void LogWatch::CheckReplica(const SimNode& replica) {
  const auto& records = history_.committed->records;
  const server::LogFacts& facts = replica.group(log())->state().applied();
  Seq seq = facts.first_seq;
  while (seq <= facts.last_seq) {
    const auto index = replica.store().SeekSeq(log(), seq);
    const auto range = index.ok() ? replica.store().ReadEntries(log(), *index, *index, 1)
                                  : absl::StatusOr<storage::EntryRange>(index.status());
    if (!range.ok()) {
      violation_(fmt::format("log {}: node {} does not hold seq {}: {}", log(), replica.id(), seq,
                             ToStd(range.status().message())));
      return;
    }
    const auto header = storage::ParseEntryHeader(range->entries.front().payload.view());
    CHECK(header.ok());
    // Records were read from seq 1 on.
    const history::CommittedRecord& record = records[header->last_seq().value() - 1];
    if (record.seq != header->last_seq() || record.chain != header->chain) {
      violation_(fmt::format("log {}: node {} holds chain {:016x} at seq {}, it is {:016x}", log(),
                             replica.id(), header->chain, header->last_seq(), record.chain));
      return;
    }
    seq = header->last_seq() + 1;
  }
}

void LogWatch::CheckEntitlements() {
  std::sort(entitlements_.begin(), entitlements_.end(),
            [](const auto& a, const auto& b) { return a.from < b.from; });
  // Only the one that lasts longest can overlap with what begins later.
  const Entitlement* longest = nullptr;
  for (const Entitlement& next : entitlements_) {
    if (longest != nullptr && next.from < longest->until && next.epoch != longest->epoch) {
      violation_(fmt::format(
          "log {}: clients {} (epoch {}) and {} (epoch {}) both held the lease at {} us", log(),
          longest->client, longest->epoch, next.client, next.epoch, next.from));
      return;
    }
    if (longest == nullptr || next.until > longest->until) longest = &next;
  }
}

uint64_t LogWatch::done() const {
  return static_cast<uint64_t>(
      std::count_if(history_.operations.begin(), history_.operations.end(),
                    [](const auto& op) { return op.outcome == history::Outcome::kDone; }));
}

}  // namespace cairn::sim
