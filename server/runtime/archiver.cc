#include "server/runtime/archiver.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "base/check.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/log_facts.h"

namespace cairn::server {
namespace {

// Between looks, of which many logs make long ones: a twentieth of a core at most.
constexpr MonoMicros kShortestPauseUs = 250 * kMicrosPerMilli;
constexpr MonoMicros kLongestLookPauseUs = 5 * kMicrosPerSecond;
constexpr MonoMicros kDayUs = 24 * 3600 * kMicrosPerSecond;
constexpr MonoMicros kFirstPauseUs = kMicrosPerSecond;
constexpr MonoMicros kLongestPauseUs = 60 * kMicrosPerSecond;

MonoMicros PauseAfter(int failures) {
  return std::min(kFirstPauseUs << std::min(failures - 1, 10), kLongestPauseUs);
}

}  // namespace

Archiver::Archiver(const NodeConfig* config, ArchiverPorts* ports, ArchiveAccess* access,
                   const Clock* clock, Metrics* metrics, Threads* threads)
    : config_(config),
      ports_(ports),
      access_(access),
      clock_(clock),
      metrics_(metrics),
      threads_(threads) {
  allowance_.SetRate(config_->archive_bytes_per_second);
  for (uint32_t i = 0; i < config_->archive_uploads; ++i) {
    calls_.push_back(std::make_unique<GroupCalls>(ports_, clock_, threads_));
  }
}

Archiver::~Archiver() {
  Stop();
  Join();
}

void Archiver::Start() {
  threads_->Start([this] { Watch(); });
  for (const auto& calls : calls_) {
    threads_->Start([this, own = calls.get()] { Work(own); });
  }
}

void Archiver::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

void Archiver::Join() {
  for (const auto& calls : calls_) calls->Abandon();
  threads_->Join();
}

std::string Archiver::TroubleOf(GroupId group) const {
  absl::MutexLock lock(&mutex_);
  const auto row = rows_.find(group);
  return row == rows_.end() ? "" : row->second.trouble;
}

int64_t Archiver::LagUs() const {
  const MonoMicros now = clock_->Mono();
  absl::MutexLock lock(&mutex_);
  int64_t lag_us = 0;
  for (const auto& [group, row] : rows_) {
    if (row.waiting_since != 0) lag_us = std::max(lag_us, now - row.waiting_since);
  }
  return lag_us;
}

// ---- Looking -----------------------------------------------------------------------------------

void Archiver::Watch() {
  // So that it is known where the archive is; what is wrong with it shows when it is needed.
  access_->Store().status().IgnoreError();
  while (true) {
    const MonoMicros began = clock_->Mono();
    Look();
    const MonoMicros pause_us =
        std::clamp(20 * (clock_->Mono() - began), kShortestPauseUs, kLongestLookPauseUs);
    absl::MutexLock lock(&mutex_);
    const absl::Duration pause = absl::Microseconds(pause_us);
    if (threads_->Await(&mutex_, absl::Condition(&stopping_), pause)) return;
  }
}

void Archiver::Look() {
  const std::vector<GroupView> views = ports_->Views();
  const MonoMicros now = clock_->Mono();
  absl::MutexLock lock(&mutex_);
  ++looks_;
  for (const GroupView& view : views) {
    const bool leads = view.role == consensus::Role::kLeader && view.confirmed && !view.halted;
    if (view.archived && leads) Note(view, now);
  }
  for (auto row = rows_.begin(); row != rows_.end();) {
    const bool gone = row->second.look != looks_ && !row->second.under_way;
    row = gone ? rows_.erase(row) : std::next(row);
  }
}

void Archiver::Note(const GroupView& view, MonoMicros now) {
  Row& row = rows_[view.group];
  row.look = looks_;
  if (view.last_seq <= view.archived_seq) {
    row.waiting_since = 0;
    row.bytes_then = view.applied_bytes;
    return;
  }
  if (row.waiting_since == 0) row.waiting_since = now;
  if (!IsDue(view, row, now)) return;
  row.under_way = true;
  jobs_.push_back({view.group, view.name, view.applied_bytes});
}

bool Archiver::IsDue(const GroupView& view, const Row& row, MonoMicros now) const {
  if (row.under_way || now < row.not_before) return false;
  if (view.applied_bytes - row.bytes_then >= config_->archive_object_bytes) return true;
  return now - row.waiting_since >=
         static_cast<MonoMicros>(config_->archive_age_ms) * kMicrosPerMilli;
}

// ---- Working -----------------------------------------------------------------------------------

void Archiver::Work(GroupCalls* calls) {
  while (true) {
    Job job;
    {
      absl::MutexLock lock(&mutex_);
      threads_->Await(&mutex_, absl::Condition(this, &Archiver::HasWork), absl::InfiniteDuration());
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    Settle(job, ArchiveRun(*calls, job));
  }
}

absl::StatusOr<Archiver::Outcome> Archiver::ArchiveRun(GroupCalls& calls, const Job& job) {
  ASSIGN_OR_RETURN(const archive::ArchiveStore* store, access_->Store());
  ASSIGN_OR_RETURN(const Described described, calls.AskFor<Described>(job.group, DescribeOp{}));
  const cairn::v1::DescribeLogResponse& log = described.response;
  // Where it was begun, also if the cluster has another id by now (`cairn recover`).
  const archive::LogPlace place = archive::LogPlace::FromLocation(log.archive().location())
                                      .value_or(archive::LogPlace{ports_->ClusterId(), job.group});
  const Seq before(std::max(log.archive().archived_seq(), log.first_seq() - 1));
  if (before.value() >= log.last_seq()) return Outcome::kNothing;
  ASSIGN_OR_RETURN(const ChainView point, calls.AskFor<ChainView>(job.group, GetChainOp{before}));
  if (point.importing) return Outcome::kNothing;
  RETURN_IF_ERROR(WriteLog(*store, place, log, job));

  archive::RunBuilder run(before + 1, point.chain);
  RETURN_IF_ERROR(calls.Collect(job.group, config_->archive_object_bytes, run));
  if (run.empty()) return Outcome::kNothing;
  RETURN_IF_ERROR(Throttle(run.bytes().size()));
  const bool late = PLANTED(kRegisteredBeforeStored);
  if (!late) RETURN_IF_ERROR(store->WriteRun(place, run.name(), run.bytes()));
  const archive::RunPath::End end{run.name().last_seq, run.chain()};
  RETURN_IF_ERROR(calls
                      .Ask(job.group, RegisterSnapshotOp{.name = kArchiveSnapshot,
                                                         .seq = end.seq,
                                                         .chain = end.chain,
                                                         .location = place.Location(store->url())})
                      .status());
  if (late) RETURN_IF_ERROR(store->WriteRun(place, run.name(), run.bytes()));
  metrics_->archive_objects_total.Increment();
  metrics_->archive_bytes_total.Increment(static_cast<double>(run.bytes().size()));
  LookAtObjects(place, end, job);
  CleanUp();
  return end.seq.value() < log.last_seq() ? Outcome::kMore : Outcome::kDone;
}

absl::Status Archiver::WriteLog(const archive::ArchiveStore& store, const archive::LogPlace& place,
                                const cairn::v1::DescribeLogResponse& log, const Job& job) {
  const archive::ArchivedLog file{place, job.name, log.settings()};
  std::string text = file.ToText();
  {
    absl::MutexLock lock(&mutex_);
    if (rows_[job.group].log_file == text) return absl::OkStatus();
  }
  RETURN_IF_ERROR(store.WriteLog(file));
  absl::MutexLock lock(&mutex_);
  rows_[job.group].log_file = std::move(text);
  return absl::OkStatus();
}

void Archiver::LookAtObjects(const archive::LogPlace& place, const archive::RunPath::End& end,
                             const Job& job) {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(rows_[job.group].looked_at, true)) return;
  }
  const absl::StatusOr<ArchiveAccess::Path> path = access_->PathOf(place, end, end.seq);
  if (!path.ok() || (*path)->gaps().empty()) return;
  const archive::Gap& gap = (*path)->gaps().back();
  metrics_->alarms_total.Increment();
  spdlog::error("log {}: the archive lacks records {} … {}: their object is not there any more",
                job.name, gap.first_seq, gap.last_seq);
}

void Archiver::CleanUp() {
  {
    absl::MutexLock lock(&mutex_);
    if (clock_->Mono() < clean_until_) return;
    clean_until_ = clock_->Mono() + kDayUs;
  }
  const absl::Status cleaned = access_->RemoveUnfinished(clock_->Wall() - kDayUs);
  if (!cleaned.ok()) {
    spdlog::debug("what unfinished uploads left in the archive was not removed: {}",
                  ToStd(cleaned.message()));
  }
}

absl::Status Archiver::Throttle(uint64_t bytes) {
  const MonoMicros now = clock_->Mono();
  const MonoMicros opening = allowance_.Claim(bytes, now);
  absl::MutexLock lock(&mutex_);
  threads_->Await(&mutex_, absl::Condition(&stopping_), absl::Microseconds(opening - now));
  return stopping_ ? absl::CancelledError("the node is stopping") : absl::OkStatus();
}

void Archiver::Settle(const Job& job, const absl::StatusOr<Outcome>& outcome) {
  const MonoMicros now = clock_->Mono();
  absl::MutexLock lock(&mutex_);
  Row& row = rows_[job.group];
  row.under_way = false;
  if (!outcome.ok()) return Fail(row, job, outcome.status(), now);
  if (!row.trouble.empty()) spdlog::info("log {}: is archived again", job.name);
  row.trouble.clear();
  row.failures = 0;
  if (*outcome == Outcome::kNothing) {
    row.not_before = now + kFirstPauseUs;
    return;
  }
  row.waiting_since = now;
  if (*outcome == Outcome::kDone) {
    row.bytes_then = job.applied_bytes;
  } else {
    row.under_way = true;
    jobs_.push_back(job);  // Behind the others that wait.
  }
}

void Archiver::Fail(Row& row, const Job& job, const absl::Status& status, MonoMicros now) {
  row.not_before = now + PauseAfter(++row.failures);
  if (absl::IsCancelled(status)) return;
  // The leadership has moved, mostly: whoever has it goes on.
  if (row.failures == 1 && absl::IsUnavailable(status) && row.trouble.empty()) {
    spdlog::debug("log {}: not archived: {}", job.name, ToStd(status.message()));
    return;
  }
  metrics_->archive_errors_total.Increment();
  std::string trouble(status.message());
  if (trouble == row.trouble) return;
  row.trouble = std::move(trouble);
  spdlog::warn("log {}: is not archived, and not trimmed before it is: {}", job.name, row.trouble);
}

}  // namespace cairn::server
