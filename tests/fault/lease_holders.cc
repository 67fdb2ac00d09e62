#include "tests/fault/lease_holders.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/lease_keeper.h"

namespace cairn::fault {
namespace {

constexpr int kHolderThreads = 2;
constexpr absl::Duration kTtl = absl::Seconds(2);
constexpr absl::Duration kCallTimeout = absl::Seconds(3);
// After that a holder lets go, so that the others have their turn.
constexpr absl::Duration kReign = absl::Seconds(5);
constexpr absl::Duration kPause = absl::Milliseconds(40);

// Wants the lease, again and again.
class Holder {
 public:
  Holder(Log log, std::string name, EntitledNote note)
      : log_(std::move(log)), name_(std::move(name)), note_(std::move(note)) {}

  void Run(const std::atomic<bool>& stop) {
    while (!stop) {
      Reign(stop);
      absl::SleepFor(kPause);
    }
  }

 private:
  void Reign(const std::atomic<bool>& stop) {
    LeaseOptions options;
    options.holder = fmt::format("{}-{}", name_, ++reigns_);
    options.ttl = kTtl;
    options.call.timeout = kCallTimeout;
    const auto keeper = LeaseKeeper::Acquire(log_, std::move(options));
    if (!keeper.ok()) return;
    const absl::Time end = absl::Now() + kReign;
    while (!stop && absl::Now() < end && Act(**keeper)) absl::SleepFor(kPause);
    // Every other time the lease has to expire by itself.
    if (reigns_ % 2 == 0 && (*keeper)->Release({kCallTimeout}).ok()) return;
  }

  // One append behind the fence; false once the lease is gone. The append is sent even when the
  // holder knows that it is not entitled any more: the fence has to hold by itself.
  bool Act(LeaseKeeper& keeper) {
    const int64_t before_us = SystemClock().Mono();
    const bool entitled = keeper.IsSafe();
    if (entitled) note_(keeper.epoch(), before_us, SystemClock().Mono());
    AppendOptions options;
    options.call.timeout = kCallTimeout;
    options.if_lease_epoch = keeper.epoch();
    const auto appended =
        log_.Append(fmt::format("{} {} {}", keeper.epoch().value(), name_, ++appended_), options);
    return entitled && (appended.ok() || GetReason(appended.status()) != Reason::kLeaseLost);
  }

  Log log_;
  const std::string name_;
  const EntitledNote note_;
  uint64_t reigns_ = 0;
  uint64_t appended_ = 0;
};

absl::StatusOr<Log> OpenOwned(Client& client) {
  OpenLogOptions open;
  open.create_if_missing = true;
  open.settings.fenced = true;
  open.call.timeout = absl::Minutes(1);
  return client.OpenLog(kOwnedLog, open);
}

absl::StatusOr<std::unique_ptr<Client>> Connect(const std::vector<std::string>& endpoints) {
  ClientOptions options;
  options.endpoints = endpoints;
  return Client::Connect(std::move(options));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LeaseHolders>> LeaseHolders::Start(
    std::vector<std::string> endpoints, const std::string& program, const std::string& notes_path) {
  std::unique_ptr<LeaseHolders> holders(new LeaseHolders(std::move(endpoints), notes_path));
  RETURN_IF_ERROR(holders->Open(program));
  return holders;
}

absl::Status LeaseHolders::Open(const std::string& program) {
  ASSIGN_OR_RETURN(client_, Connect(endpoints_));
  ASSIGN_OR_RETURN(const Log log, OpenOwned(*client_));
  std::string joined;
  for (const std::string& endpoint : endpoints_) joined += (joined.empty() ? "" : ",") + endpoint;
  std::string words[] = {program, "--hold", joined, "--notes", notes_path_};
  char* const argv[] = {words[0].data(), words[1].data(), words[2].data(),
                        words[3].data(), words[4].data(), nullptr};
  pid_ = fork();
  CHECK_GE(pid_, 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(argv[0], argv);
    _exit(127);
  }
  for (int i = 0; i < kHolderThreads; ++i) {
    threads_.emplace_back([this, log, i] {
      Holder(log, fmt::format("thread{}", i), [this](Epoch epoch, int64_t before, int64_t after) {
        Note(epoch, before, after);
      }).Run(stop_);
    });
  }
  return absl::OkStatus();
}

LeaseHolders::~LeaseHolders() { Stop(); }

void LeaseHolders::Stop() {
  stop_ = true;
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void LeaseHolders::Note(Epoch epoch, int64_t before_us, int64_t after_us) {
  absl::MutexLock lock(&mutex_);
  const auto [entry, is_new] = entitled_.try_emplace(epoch, Entitlement{after_us, before_us});
  if (is_new) return;
  entry->second.surely_from_us = std::min(entry->second.surely_from_us, after_us);
  entry->second.surely_until_us = std::max(entry->second.surely_until_us, before_us);
}

void LeaseHolders::ReadNotesOfProcess() {
  std::ifstream notes(notes_path_);
  for (std::string line; std::getline(notes, line);) {
    unsigned long long epoch = 0;
    long long before_us = 0;
    long long after_us = 0;
    char end = 0;
    // The last line may have been cut by the end of the process: it ends with a point.
    const int read =
        std::sscanf(line.c_str(), "%llu %lld %lld%c", &epoch, &before_us, &after_us, &end);
    if (read == 4 && end == '.') Note(Epoch(epoch), before_us, after_us);
  }
}

OwnerJudgement LeaseHolders::Judge() {
  OwnerJudgement judgement;
  ReadNotesOfProcess();
  JudgeTimes(judgement);
  auto log = OpenOwned(*client_);
  ReadOptions read;
  read.linearizable = true;
  read.call.timeout = absl::Minutes(1);
  const auto batches = log.ok() ? log->ReadAll(read) : log.status();
  if (!batches.ok()) {
    judgement.findings.push_back("the owned log cannot be read: " +
                                 std::string(batches.status().message()));
    return judgement;
  }
  uint64_t epoch = 0;
  for (const RecordBatch& batch : *batches) {
    for (const Record& record : batch.records) {
      const bool grants =
          record.kind == RecordKind::kLeaseAcquired || record.kind == RecordKind::kLeaseTransferred;
      if (record.kind != RecordKind::kData) {
        epoch = grants ? record.seq.value() : 0;
        continue;
      }
      ++judgement.records;
      uint64_t claimed = 0;
      std::from_chars(record.payload.data(), record.payload.data() + record.payload.size(),
                      claimed);
      if (claimed == epoch && epoch != 0) continue;
      ++judgement.wrong_owner;
      judgement.findings.push_back(fmt::format("seq {} of the owned log: \"{}\" stands in epoch {}",
                                               record.seq, record.payload, epoch));
    }
  }
  return judgement;
}

void LeaseHolders::JudgeTimes(OwnerJudgement& judgement) {
  absl::MutexLock lock(&mutex_);
  judgement.epochs = entitled_.size();
  // From the newest epoch to the oldest: when somebody later was entitled first.
  int64_t later_from_us = std::numeric_limits<int64_t>::max();
  for (auto entry = entitled_.rbegin(); entry != entitled_.rend(); ++entry) {
    const auto& [epoch, time] = *entry;
    if (time.surely_until_us > later_from_us) {
      ++judgement.wrong_owner;
      judgement.findings.push_back(
          fmt::format("a holder of epoch {} felt entitled {} us after one of a later epoch", epoch,
                      time.surely_until_us - later_from_us));
    }
    later_from_us = std::min(later_from_us, time.surely_from_us);
  }
}

int HoldLeases(const std::vector<std::string>& endpoints, const std::string& notes_path) {
  auto client = Connect(endpoints);
  if (!client.ok()) return 1;
  const auto log = OpenOwned(**client);
  if (!log.ok()) return 1;
  const int notes = open(notes_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (notes < 0) return 1;
  const std::atomic<bool> never{false};
  Holder(*log, "process", [notes](Epoch epoch, int64_t before_us, int64_t after_us) {
    const std::string line = fmt::format("{} {} {}.\n", epoch.value(), before_us, after_us);
    CHECK_EQ(write(notes, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }).Run(never);
  return 0;
}

}  // namespace cairn::fault
