#include "server/runtime/recover_data.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/v1/peer.pb.h"
#include "consensus/membership.h"
#include "server/recovered_catalog.h"
#include "server/recovered_log.h"
#include "server/runtime/data_lines.h"
#include "server/runtime/formation.h"
#include "storage/draft_dir.h"
#include "storage/rocks_log_store.h"
#include "storage/stopped_store.h"

namespace cairn::server {
namespace {

using storage::StoppedStore;
using storage::StoredGroup;

struct Wish {
  std::string from;
  std::string to;
  // Empty: as it was.
  std::string name;
  std::string advertise;
  std::string zone;
  bool dry_run = false;
};

absl::StatusOr<Wish> ParseWish(const std::vector<std::string>& words) {
  Wish wish;
  const std::map<std::string, std::string*, std::less<>> values = {{"--from", &wish.from},
                                                                   {"--to", &wish.to},
                                                                   {"--name", &wish.name},
                                                                   {"--advertise", &wish.advertise},
                                                                   {"--zone", &wish.zone}};
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--dry-run") {
      wish.dry_run = true;
      continue;
    }
    const auto value = values.find(words[i]);
    if (value == values.end() || i + 1 == words.size()) {
      return absl::InvalidArgumentError(ToAbsl(fmt::format(
          "--recover-data: \"{}\" is no option, or lacks its value: expected --from DIR --to DIR "
          "[--name N] [--advertise HOST:PORT] [--zone Z] [--dry-run]",
          words[i])));
    }
    *value->second = words[++i];
  }
  if (wish.from.empty() || (wish.to.empty() && !wish.dry_run)) {
    return absl::InvalidArgumentError("--recover-data: expected --from DIR and --to DIR");
  }
  return wish;
}

uint64_t DrawSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

void Append(std::string& text, const std::string& part) {
  if (!text.empty()) text += "; ";
  text += part;
}

// What a log lacks, or may lack, in words.
struct Missing {
  std::string text;
  bool known = false;  // It lacks something for certain.

  void Add(const std::string& why) {
    Append(text, why);
    known = true;
  }
};

Missing WhatIsMissing(const RecoveredLogReport& log, const std::string& damage) {
  Missing missing;
  if (!damage.empty()) missing.Add(fmt::format("damaged behind {}: {}", log.last_seq, damage));
  if (log.doubtful) missing.Add("this node had lost a part of it, and was being filled again");
  if (!log.voted) missing.Add("this node had no vote in it yet: it was being filled");
  if (log.importing) missing.Add("its restore had not ended: run that again, or delete it");
  if (log.term > log.last_term) {
    Append(missing.text,
           fmt::format("term {} had begun, and the newest entry here is of term {}: a leader may "
                       "have written more elsewhere",
                       log.term, log.last_term));
  }
  return missing;
}

// A replica that was made for a log that was on its way here, and that got nothing of it.
bool HoldsNothing(const StoredGroup& group) {
  if (group.segments.empty()) return true;
  cairn::v1::GroupSnapshot snapshot;
  if (!group.terms.empty() || !snapshot.ParseFromString(group.segments.back().state)) return false;
  const auto membership = consensus::DecodeMembership(snapshot.membership());
  return membership.ok() && membership->voters.empty();
}

cairn::v1::LogSettings SettingsIn(const StoredGroup& group) {
  cairn::v1::GroupSnapshot snapshot;
  snapshot.ParseFromString(group.segments.back().state);
  return snapshot.state().settings();
}

// Whether what is in the database of `from` fits beside `to`.
absl::Status CheckRoom(const std::string& from, const std::string& to) {
  uint64_t needed = 0;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(from + "/db", error)) {
    needed += file.is_regular_file(error) ? file.file_size(error) : 0;
  }
  const std::string parent = std::filesystem::path(to).parent_path().string();
  struct statvfs info;
  if (statvfs(parent.empty() ? "." : parent.c_str(), &info) != 0) return absl::OkStatus();
  const uint64_t free_bytes = uint64_t{info.f_bavail} * info.f_frsize;
  if (free_bytes >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      ToAbsl(fmt::format("{}: what is recovered takes up to {} bytes, and {} are free: name a "
                         "directory on a larger disk with --to",
                         to, needed, free_bytes)));
}

// One run. Members in the order in which they are set.
class Recovery {
 public:
  explicit Recovery(Wish wish) : wish_(std::move(wish)) {}
  absl::Status Run();

 private:
  // What becomes of one log of the old cluster.
  struct Plan {
    GroupId old_id;
    std::string name;
    cairn::v1::LogSettings settings;
    const StoredGroup* stored = nullptr;  // Null: it is not here.
  };

  absl::Status LookAtSource();
  absl::Status ReadIdentity();
  absl::Status ReadCatalog();
  absl::Status OpenTarget();
  [[nodiscard]] std::vector<Plan> MakePlans() const;
  absl::Status CopyLog(const Plan& plan);
  void TellKept(const Plan& plan, GroupId id, const RecoveredLogReport& log,
                const Missing& missing);
  static void TellLost(const Plan& plan);
  absl::Status Complete();
  [[nodiscard]] TurnTime Now() const { return {clock_.Mono(), clock_.Wall()}; }

  const Wish wish_;
  const Clock& clock_ = SystemClock();
  const storage::CheckProgress progress_ = ProgressTeller(clock_);
  Random random_{DrawSeed()};

  std::unique_ptr<StoppedStore> source_;
  cairn::v1::FormMember old_self_;
  CatalogReader old_;
  std::unique_ptr<storage::DraftDir> draft_;       // Not in a dry run; goes after `store_`.
  std::unique_ptr<storage::RocksLogStore> store_;  // Likewise.
  Survivor survivor_;
  std::optional<RecoveredCatalog> catalog_;
};

absl::Status Recovery::Run() {
  RETURN_IF_ERROR(LookAtSource());
  RETURN_IF_ERROR(OpenTarget());
  for (const Plan& plan : MakePlans()) {
    if (plan.stored == nullptr) {
      TellLost(plan);
    } else {
      RETURN_IF_ERROR(CopyLog(plan));
    }
  }
  for (const storage::Finding& finding : source_->report().findings) TellFinding(finding);
  RETURN_IF_ERROR(Complete());
  TellLine("result", {{"directory", wish_.dry_run ? "" : wish_.to},
                      {"cluster_id", survivor_.cluster_id},
                      {"old_cluster_id", old_.catalog().cluster_id()},
                      {"node_id", survivor_.member.id.value()},
                      {"name", survivor_.member.name},
                      {"address", survivor_.member.address}});
  return absl::OkStatus();
}

absl::Status Recovery::LookAtSource() {
  ASSIGN_OR_RETURN(source_, StoppedStore::Open(wish_.from, progress_));
  if (!source_->readable()) {
    std::string why;
    for (const storage::Finding& finding : source_->report().findings) Append(why, finding.what);
    return absl::DataLossError(ToAbsl(
        fmt::format("{}: nothing can be recovered from it: {}. Take another node's directory, or "
                    "restore a backup",
                    wish_.from, why)));
  }
  RETURN_IF_ERROR(ReadIdentity());
  return ReadCatalog();
}

absl::Status Recovery::ReadIdentity() {
  ASSIGN_OR_RETURN(const storage::NodeIdentity identity, source_->Identity());
  cairn::v1::FormRequest formed;
  if (identity.formed.empty() || !formed.ParseFromString(identity.formed)) {
    return absl::FailedPreconditionError(ToAbsl(fmt::format(
        "{}: its node has never been in a cluster: there is nothing to recover", wish_.from)));
  }
  const auto self = std::find_if(
      formed.members().begin(), formed.members().end(),
      [&](const auto& member) { return member.incarnation() == identity.incarnation; });
  if (self == formed.members().end()) {
    return absl::DataLossError(
        ToAbsl(fmt::format("{}: none of the members that it knows is this node", wish_.from)));
  }
  old_self_ = *self;
  return absl::OkStatus();
}

absl::Status Recovery::ReadCatalog() {
  const std::vector<StoredGroup>& groups = source_->groups();
  if (!groups.empty() && groups.front().group == kCatalogGroup) {
    ASSIGN_OR_RETURN(const storage::CheckedLog read,
                     source_->Read(kCatalogGroup, progress_, &old_));
    if (!old_.catalog().cluster_id().empty()) return absl::OkStatus();
    return absl::DataLossError(ToAbsl(
        fmt::format("{}: its catalog cannot be read: {}. Take another node's directory, or restore "
                    "a backup",
                    wish_.from, read.damage.empty() ? "it is empty" : read.damage)));
  }
  return absl::DataLossError(ToAbsl(fmt::format(
      "{}: it holds no catalog. Take another node's directory, or restore a backup", wish_.from)));
}

absl::Status Recovery::OpenTarget() {
  const auto& members = old_.catalog().members();
  const auto known = members.find(NodeId(old_self_.node_id()));
  CatalogMember& self = survivor_.member;
  self.id = NodeIdAfter(old_.catalog());
  self.name = wish_.name.empty() ? old_self_.name() : wish_.name;
  self.address = !wish_.advertise.empty() ? wish_.advertise
                 : known != members.end() ? known->second.address
                                          : old_self_.address();
  self.zone = wish_.zone.empty() ? old_self_.zone() : wish_.zone;
  self.incarnation = 1;  // In a dry run.
  survivor_.cluster_id = DrawClusterId();
  if (!wish_.dry_run) {
    ASSIGN_OR_RETURN(draft_, storage::DraftDir::Begin(wish_.to));
    RETURN_IF_ERROR(CheckRoom(wish_.from, wish_.to));
    storage::RocksOptions options;
    options.dir = draft_->path();
    // The node that will run on it makes its own.
    options.wal_pool_files = 0;
    options.ballast_bytes = 0;
    ASSIGN_OR_RETURN(store_, storage::RocksLogStore::Open(std::move(options)));
    self.incarnation = store_->Identity().incarnation;
  }
  const std::vector<StoredGroup>& groups = source_->groups();
  const uint64_t base = LogIdBaseAfter(old_.catalog(), groups.back().group, random_);
  ASSIGN_OR_RETURN(catalog_, RecoveredCatalog::Begin(survivor_, base, old_.catalog()));
  return absl::OkStatus();
}

std::vector<Recovery::Plan> Recovery::MakePlans() const {
  const Catalog& catalog = old_.catalog();
  std::map<GroupId, Plan> plans;
  for (const auto& [id, log] : catalog.logs()) plans[id] = {id, log.name, log.settings, nullptr};
  for (const StoredGroup& group : source_->groups()) {
    const GroupId id = group.group;
    if (id == kCatalogGroup || catalog.WasDeleted(id) || HoldsNothing(group)) continue;
    // Of a catalog that is damaged: its name is behind the damage.
    const auto [plan, unnamed] = plans.try_emplace(id);
    if (unnamed) plan->second = {id, fmt::format("recovered/{}", id), SettingsIn(group), nullptr};
    plan->second.stored = &group;
  }
  std::vector<Plan> sorted;
  for (auto& [id, plan] : plans) sorted.push_back(std::move(plan));
  return sorted;
}

absl::Status Recovery::CopyLog(const Plan& plan) {
  ASSIGN_OR_RETURN(const GroupId id, catalog_->AddLog(plan.name, plan.settings));
  RecoveredLog log({.id = id,
                    .old_node = NodeId(old_self_.node_id()),
                    .node = survivor_.member.id,
                    .hard_state = plan.stored->hard_state,
                    .store = store_.get()});
  ASSIGN_OR_RETURN(const storage::CheckedLog read, source_->Read(plan.old_id, progress_, &log));
  ASSIGN_OR_RETURN(const RecoveredLogReport report, log.Finish(Now()));
  TellKept(plan, id, report, WhatIsMissing(report, read.damage));
  return absl::OkStatus();
}

void Recovery::TellKept(const Plan& plan, GroupId id, const RecoveredLogReport& log,
                        const Missing& missing) {
  const int64_t age_us =
      log.newest_us == 0 ? 0 : std::max<int64_t>(0, clock_.Wall() - log.newest_us);
  TellLine("log", {{"id", id.value()},
                   {"old_id", plan.old_id.value()},
                   {"name", plan.name},
                   {"kept", true},
                   {"first_seq", log.first_seq.value()},
                   {"last_seq", log.last_seq.value()},
                   {"committed_seq", log.committed_seq.value()},
                   {"chain", fmt::format("{:016x}", log.chain)},
                   {"newest_us", log.newest_us},
                   {"age_ms", age_us / kMicrosPerMilli},
                   {"leases_ended", log.leases},
                   {"producers_dropped", log.producers},
                   {"missing", missing.text},
                   {"known", missing.known}});
}

void Recovery::TellLost(const Plan& plan) {
  TellLine("log", {{"id", 0},
                   {"old_id", plan.old_id.value()},
                   {"name", plan.name},
                   {"kept", false},
                   {"missing",
                    "no replica of it is here: it is lost, unless another node's "
                    "directory or a backup has it"},
                   {"known", true}});
}

absl::Status Recovery::Complete() {
  if (wish_.dry_run) return absl::OkStatus();
  RETURN_IF_ERROR(catalog_->WriteTo(*store_, Now()));
  cairn::v1::FormRequest formed;
  formed.set_cluster_id(survivor_.cluster_id);
  cairn::v1::FormMember& self = *formed.add_members();
  self.set_node_id(survivor_.member.id.value());
  self.set_name(survivor_.member.name);
  self.set_address(survivor_.member.address);
  self.set_zone(survivor_.member.zone);
  self.set_incarnation(survivor_.member.incarnation);
  RETURN_IF_ERROR(store_->SetFormed(formed.SerializeAsString()));
  store_.reset();
  return draft_->Publish();
}

absl::Status Recover(const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(Wish wish, ParseWish(words));
  return Recovery(std::move(wish)).Run();
}

}  // namespace

bool RecoverData(const std::vector<std::string>& words) {
  const absl::Status done = Recover(words);
  if (!done.ok()) TellError(done);
  return std::fflush(stdout) == 0 && done.ok();
}

}  // namespace cairn::server
