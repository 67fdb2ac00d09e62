#include "tests/fault/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "base/status_macros.h"

namespace cairn::fault {
namespace {

constexpr int kProducers = 3;
constexpr int kRecordsPerSecond = 300;  // Of each.
constexpr size_t kRecordBytes = 150;
// A fault and the recovery from it may take that long.
constexpr absl::Duration kDeliveryTimeout = absl::Minutes(5);

constexpr int kSettleSeconds = 60;

void Append(std::vector<std::string>& findings, Verdict& verdict) {
  std::move(findings.begin(), findings.end(), std::back_inserter(verdict.findings));
}

// Where every replica of every log stands: "node: log at seq with chain".
using Ends = std::map<std::string, std::map<std::string, std::pair<Seq, uint64_t>>>;

absl::StatusOr<Ends> EndsOf(Lab& lab) {
  Ends ends;
  for (size_t node = 0; node < lab.size(); ++node) {
    ASSIGN_OR_RETURN(const NodeStatus status, lab.StatusOf(node));
    for (const GroupStatus& group : status.groups) {
      ends[group.log][Lab::Name(node)] = {group.last_seq, group.chain};
    }
  }
  return ends;
}

// With nobody writing any more, all replicas come to the same last seq, and so to the same chain.
void JudgeReplicas(Lab& lab, Verdict& verdict) {
  std::string differs = "nobody answers";
  const auto all_agree = [&] {
    const auto ends = EndsOf(lab);
    if (!ends.ok()) return false;
    differs.clear();
    for (const auto& [log, replicas] : *ends) {
      for (const auto& [node, end] : replicas) {
        if (end == replicas.begin()->second && replicas.size() == lab.size()) continue;
        differs +=
            fmt::format(" log {} ends at {} ({:016x}) on {};", log, end.first, end.second, node);
      }
    }
    return differs.empty();
  };
  if (integration::Eventually(all_agree, kSettleSeconds)) return;
  ++verdict.diverged;
  verdict.findings.push_back("replicas differ:" + differs);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Traffic>> Traffic::Start(Lab& lab) {
  std::unique_ptr<Traffic> traffic(new Traffic());
  ASSIGN_OR_RETURN(traffic->load_,
                   integration::ExactlyOnceLoad::Start({.endpoints = lab.cluster().Endpoints(),
                                                        .log = kLoadLog,
                                                        .producers = kProducers,
                                                        .records_per_s = kRecordsPerSecond,
                                                        .record_bytes = kRecordBytes,
                                                        .delivery_timeout = kDeliveryTimeout}));
  const std::vector<std::string> endpoints = lab.cluster().Endpoints();
  ASSIGN_OR_RETURN(traffic->tails_, TailWatch::Start(endpoints, kLoadLog));
  ASSIGN_OR_RETURN(traffic->histories_,
                   HistoryClients::Start({.endpoints = endpoints, .seed = lab.options().seed}));
  ASSIGN_OR_RETURN(traffic->holders_,
                   LeaseHolders::Start(endpoints, lab.options().bin_dir + "/cairn-drill",
                                       lab.options().dir + "/holder.notes"));
  lab.holder = traffic->holders_->process();
  return traffic;
}

void Traffic::Judge(Lab& lab, Verdict& verdict) {
  histories_->Stop();
  holders_->Stop();
  lab.holder = -1;
  JudgeLoad(lab, verdict);
  JudgeReplicas(lab, verdict);
  JudgeTails(verdict);
  JudgeHistories(lab, verdict);
  JudgeHolders(verdict);
}

void Traffic::JudgeLoad(Lab& lab, Verdict& verdict) {
  const absl::Status finished = load_->Finish();
  verdict.acknowledged = load_->acknowledged();
  if (!finished.ok()) {
    verdict.findings.push_back("the load: " + std::string(finished.message()));
    return;
  }
  for (size_t node = 0; node < lab.size(); ++node) {
    const auto found = load_->Compare(lab.cluster().Endpoint(node));
    if (!found.ok()) {
      verdict.findings.push_back(
          fmt::format("{}: {}", Lab::Name(node), std::string(found.status().message())));
      ++verdict.diverged;
      continue;
    }
    load_end_ = std::max(load_end_, Seq(found->records));
    // Of all replicas the one that lacks most: a record has to be on each.
    verdict.lost = std::max(verdict.lost, found->missing);
    verdict.duplicated = std::max(verdict.duplicated, found->repeated);
    if (found->chain_differs || found->changed > 0) ++verdict.diverged;
    if (!found->first.empty()) {
      verdict.findings.push_back(fmt::format("{}: {}", Lab::Name(node), found->first));
    }
  }
}

void Traffic::JudgeTails(Verdict& verdict) {
  TailJudgement judgement = tails_->Judge(load_end_);
  verdict.tailed = judgement.records;
  verdict.tail_errors = judgement.errors;
  Append(judgement.findings, verdict);
}

void Traffic::JudgeHistories(Lab& lab, Verdict& verdict) {
  HistoryJudgement judgement = histories_->Judge(lab.options().dir);
  verdict.histories = judgement.histories;
  verdict.history_operations = judgement.operations;
  verdict.not_linearizable = judgement.not_linearizable;
  Append(judgement.findings, verdict);
}

void Traffic::JudgeHolders(Verdict& verdict) {
  OwnerJudgement judgement = holders_->Judge();
  verdict.owner_records = judgement.records;
  verdict.owner_epochs = judgement.epochs;
  verdict.wrong_owner = judgement.wrong_owner;
  Append(judgement.findings, verdict);
}

}  // namespace cairn::fault
