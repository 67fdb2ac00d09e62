#include "tests/failover/failover_drill.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "tests/fault/small_disk.h"

namespace cairn::failover {
namespace {

constexpr absl::Duration kCalm = absl::Milliseconds(500);
constexpr absl::Duration kRecovery = absl::Seconds(120);
// So many writes after a fault show that they go on.
constexpr uint64_t kRecoveredWrites = 100;

using Object = nlohmann::ordered_json;

}  // namespace

// ---- The verdict -----------------------------------------------------------------------

bool FailoverVerdict::Passed() const {
  return cache.not_linearizable == 0 && cache.replica_errors == 0 && cache.findings.empty() &&
         findings.empty() && cache.acknowledged > 0 &&
         std::all_of(faults.begin(), faults.end(),
                     [](const fault::FaultRow& row) { return row.errors.empty(); });
}

std::string FailoverVerdict::Text() const {
  std::string text = fmt::format(
      "three agents of {} on {}, {:.0f} s, seed {}\n\n{:22} {:>5} {:>12} {:>10}  {}\n", engine,
      network, seconds, seed, "fault", "times", "acknowledged", "gap (ms)", "evidence");
  for (const fault::FaultRow& row : faults) text += fault::RowText(row);
  text += fmt::format(
      "\n{} failovers; {} writes acknowledged, {} unanswered, {} reads\n"
      "{} keys, not linearizable: {}\n"
      "{} pairs read on agents, no prefix: {}\n",
      failovers, cache.acknowledged, cache.unanswered, cache.reads, cache.keys,
      cache.not_linearizable, cache.replica_reads, cache.replica_errors);
  for (const std::string& finding : findings) text += fmt::format("FOUND: {}\n", finding);
  for (const std::string& finding : cache.findings) text += fmt::format("FOUND: {}\n", finding);
  return text + (Passed() ? "passed\n" : "FAILED\n");
}

std::string FailoverVerdict::Json() const {
  Object json = {{"passed", Passed()},
                 {"engine", engine},
                 {"seed", seed},
                 {"network", network},
                 {"seconds", seconds},
                 {"failovers", failovers},
                 {"acknowledged", cache.acknowledged},
                 {"unanswered", cache.unanswered},
                 {"reads", cache.reads},
                 {"keys", cache.keys},
                 {"not_linearizable", cache.not_linearizable},
                 {"replica_reads", cache.replica_reads},
                 {"replica_errors", cache.replica_errors}};
  json["findings"] = findings;
  for (const std::string& finding : cache.findings) json["findings"].push_back(finding);
  json["faults"] = Object::array();
  for (const fault::FaultRow& row : faults) json["faults"].push_back(fault::RowJson(row));
  return json.dump(-1, ' ', false, Object::error_handler_t::replace) + "\n";
}

// ---- The drill -------------------------------------------------------------------------

FailoverDrill::FailoverDrill(FailoverOptions options, const cli::Interrupt* interrupt)
    : options_(std::move(options)), interrupt_(interrupt) {}

absl::StatusOr<FailoverVerdict> FailoverDrill::Run() {
  const absl::Time begin = absl::Now();
  RETURN_IF_ERROR(Start());
  absl::Status status = Rounds(begin + options_.time);
  if (absl::IsCancelled(status)) return status;
  if (!status.ok()) verdict_.findings.emplace_back(status.message());
  Say("verifying");
  verdict_.cache = clients_->Judge();
  verdict_.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  return verdict_;
}

absl::Status FailoverDrill::Start() {
  std::unique_ptr<fault::VirtualNet> net;
  const absl::Status mounts = fault::EnterMountNamespace();
  if (!mounts.ok()) no_small_disk_ = std::string(mounts.message());
  if (options_.namespaces) {
    auto made = fault::VirtualNet::Make(options_.lab.nodes.nodes + options_.lab.agents,
                                        options_.lab.nodes.seed);
    if (made.ok()) {
      net = *std::move(made);
    } else {
      Say("no namespaces: " + std::string(made.status().message()));
    }
  }
  verdict_.engine = options_.lab.kind->name();
  verdict_.seed = options_.lab.nodes.seed;
  verdict_.network = net != nullptr ? "namespaces" : "loopback";
  lab_ = std::make_unique<CacheLab>(options_.lab, std::move(net), interrupt_);
  ChooseFaults();
  RETURN_IF_ERROR(lab_->Start());
  ASSIGN_OR_RETURN(epoch_, Epoch());
  clients_ = std::make_unique<CacheClients>(*lab_, options_.lab.nodes.seed);
  return absl::OkStatus();
}

void FailoverDrill::ChooseFaults() {
  for (const CacheFault& fault : AllCacheFaults()) {
    const auto& wanted = options_.faults;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), fault.name) == wanted.end()) {
      continue;
    }
    chosen_.push_back(fault);
    fault::FaultRow row;
    row.name = fault.name;
    if (fault.network && lab_->net() == nullptr) row.impossible = "it needs network namespaces";
    if (fault.small_disk) row.impossible = no_small_disk_;
    if (fault.by_command && !lab_->kind().hands_over()) {
      row.impossible = "its agents have no command for it";
    }
    verdict_.faults.push_back(std::move(row));
  }
}

absl::Status FailoverDrill::Rounds(absl::Time end) {
  std::vector<size_t> order;
  for (size_t fault = 0; fault < chosen_.size(); ++fault) {
    if (verdict_.faults[fault].impossible.empty()) order.push_back(fault);
  }
  const auto over = [&] {
    return order.empty() || (absl::Now() >= end && verdict_.failovers >= options_.failovers);
  };
  while (!over()) {
    for (size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[lab_->random().Below(i)]);
    }
    for (const size_t fault : order) {
      if (over()) return absl::OkStatus();
      RETURN_IF_ERROR(Inject(fault));
    }
  }
  return absl::OkStatus();
}

absl::Status FailoverDrill::Inject(size_t fault) {
  if (!lab_->Wait(kCalm)) return absl::CancelledError("interrupted");
  fault::FaultRow& row = verdict_.faults[fault];
  const uint64_t before = clients_->acknowledged();
  clients_->TakeLongestGap();
  const absl::StatusOr<std::string> evidence = chosen_[fault].Run(*lab_);
  if (interrupt_->Requested()) return absl::CancelledError("interrupted");
  const absl::Status recovered = Recover();
  if (absl::IsCancelled(recovered)) return recovered;
  const int64_t gap_ms = absl::ToInt64Milliseconds(clients_->TakeLongestGap());
  ++row.times;
  row.acknowledged += clients_->acknowledged() - before;
  row.longest_gap_ms = std::max(row.longest_gap_ms, gap_ms);
  if (evidence.ok()) {
    row.evidence = *evidence;
  } else {
    row.errors.emplace_back(evidence.status().message());
  }
  if (!recovered.ok()) row.errors.push_back("no recovery: " + std::string(recovered.message()));
  Say(fmt::format("{:22} gap {:6} ms, {} failovers, {} acknowledged; {}", row.name, gap_ms,
                  verdict_.failovers, clients_->acknowledged(),
                  evidence.ok() ? row.evidence : std::string(evidence.status().message())));
  // A cache that does not come back is the finding; more faults would only blur it.
  return recovered;
}

absl::Status FailoverDrill::Recover() {
  RETURN_IF_ERROR(lab_->AwaitWhole(kRecovery));
  ASSIGN_OR_RETURN(const uint64_t epoch, Epoch());
  if (epoch < epoch_) return absl::InternalError(fmt::format("epoch {} follows {}", epoch, epoch_));
  if (std::exchange(epoch_, epoch) != epoch) ++verdict_.failovers;
  const uint64_t enough = clients_->acknowledged() + kRecoveredWrites;
  const absl::Time give_up = absl::Now() + kRecovery;
  while (clients_->acknowledged() < enough) {
    if (absl::Now() > give_up) return absl::UnavailableError("no write succeeds any more");
    if (!lab_->Wait(absl::Milliseconds(10))) return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> FailoverDrill::Epoch() {
  ASSIGN_OR_RETURN(const size_t primary, lab_->Primary());
  const std::optional<AgentView> view = lab_->View(primary);
  if (!view) return absl::UnavailableError("the primary does not answer");
  return view->epoch;
}

void FailoverDrill::Say(const std::string& line) const {
  if (!options_.quiet) fmt::print(stderr, "{}\n", line);
}

}  // namespace cairn::failover
