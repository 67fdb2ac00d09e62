#include "tests/fault/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <utility>

#include "base/status_macros.h"

namespace cairn::fault {
namespace {

constexpr int kProducers = 3;
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

}  // namespace

bool Traffic::Owns(const std::string& log) const {
  return log == options_.log || log == kOwnedLog || log.starts_with(kHistoryLogs);
}

// With nobody writing any more, all replicas come to the same last seq, and so to the same chain.
void Traffic::JudgeReplicas(Lab& lab, Verdict& verdict) const {
  std::string differs = "nobody answers";
  const auto all_agree = [&] {
    const auto ends = EndsOf(lab);
    if (!ends.ok()) return false;
    differs.clear();
    for (const auto& [log, replicas] : *ends) {
      if (options_.others_write && !Owns(log)) continue;
      for (const auto& [node, end] : replicas) {
        if (end == replicas.begin()->second && replicas.size() >= lab.replicas()) continue;
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

absl::StatusOr<std::unique_ptr<Traffic>> Traffic::Start(Lab& lab, TrafficOptions options) {
  std::unique_ptr<Traffic> traffic(new Traffic(std::move(options)));
  const TrafficOptions& o = traffic->options_;
  ASSIGN_OR_RETURN(traffic->load_,
                   integration::ExactlyOnceLoad::Start({.endpoints = lab.cluster().Endpoints(),
                                                        .log = o.log,
                                                        .producers = kProducers,
                                                        .records_per_s = o.records_per_s,
                                                        .record_bytes = kRecordBytes,
                                                        .delivery_timeout = kDeliveryTimeout}));
  const std::vector<std::string> endpoints = lab.cluster().Endpoints();
  ASSIGN_OR_RETURN(traffic->tails_, TailWatch::Start(endpoints, o.log));
  ASSIGN_OR_RETURN(traffic->histories_,
                   HistoryClients::Start({.endpoints = endpoints, .seed = o.seed}));
  const std::string notes = lab.options().dir + "/holder.notes";
  std::filesystem::remove(notes);  // Of an earlier traffic, whose log is gone.
  ASSIGN_OR_RETURN(traffic->holders_,
                   LeaseHolders::Start(endpoints, lab.options().bin_dir + "/cairn-drill", notes));
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
  verdict.acknowledged += load_->acknowledged();
  if (!finished.ok()) {
    verdict.findings.push_back("the load: " + std::string(finished.message()));
    return;
  }
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  const std::vector<size_t> holders = lab.HoldersOf(options_.log);
  if (holders.size() < lab.replicas()) {
    verdict.findings.push_back(
        fmt::format("log {} has {} replicas of {}", options_.log, holders.size(), lab.replicas()));
  }
  for (const size_t node : holders) {
    const auto found = load_->Compare(lab.cluster().Endpoint(node));
    if (!found.ok()) {
      verdict.findings.push_back(
          fmt::format("{}: {}", Lab::Name(node), std::string(found.status().message())));
      ++verdict.diverged;
      continue;
    }
    load_end_ = std::max(load_end_, Seq(found->records));
    // Of all replicas the one that lacks most: a record has to be on each.
    lost = std::max(lost, found->missing);
    duplicated = std::max(duplicated, found->repeated);
    if (found->chain_differs || found->changed > 0) ++verdict.diverged;
    if (!found->first.empty()) {
      verdict.findings.push_back(fmt::format("{}: {}", Lab::Name(node), found->first));
    }
  }
  verdict.lost += lost;
  verdict.duplicated += duplicated;
}

void Traffic::JudgeTails(Verdict& verdict) {
  TailJudgement judgement = tails_->Judge(load_end_);
  verdict.tailed += judgement.records;
  verdict.tail_errors += judgement.errors;
  Append(judgement.findings, verdict);
}

void Traffic::JudgeHistories(Lab& lab, Verdict& verdict) {
  HistoryJudgement judgement = histories_->Judge(lab.options().dir);
  verdict.histories += judgement.histories;
  verdict.history_operations += judgement.operations;
  verdict.not_linearizable += judgement.not_linearizable;
  Append(judgement.findings, verdict);
}

void Traffic::JudgeHolders(Verdict& verdict) {
  OwnerJudgement judgement = holders_->Judge();
  verdict.owner_records += judgement.records;
  verdict.owner_epochs += judgement.epochs;
  verdict.wrong_owner += judgement.wrong_owner;
  Append(judgement.findings, verdict);
}

}  // namespace cairn::fault
