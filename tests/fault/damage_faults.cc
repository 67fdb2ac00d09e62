// Damage to files: bits that flip, files that end too early. Always on one node, in most cases the
// leader. Nobody brings anything back: the nodes repair themselves.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/status_macros.h"
#include "base/strings.h"
#include "tests/fault/fault.h"
#include "tests/fault/harmed_node.h"

namespace cairn::fault {
namespace {

namespace fs = std::filesystem;

// The last byte of a file that is not zero; 0 for none. Logs end in zeros, which hold nothing.
uint64_t UsedBytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const size_t last = bytes.find_last_not_of('\0');
  return last == std::string::npos ? 0 : last + 1;
}

std::string Flip(const fs::path& path, Random& random) {
  const uint64_t used = UsedBytes(path);
  const uint64_t bit = random.Below(std::max<uint64_t>(used, 1) * 8);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const auto byte = static_cast<char>(file.get() ^ (1 << (bit % 8)));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
  return fmt::format("{} bit {} of byte {}", path.filename().string(), bit % 8, bit / 8);
}

std::string Truncate(const fs::path& path, Random& random) {
  const uint64_t used = UsedBytes(path);
  const uint64_t keep = random.Below(std::max<uint64_t>(used, 1));
  fs::resize_file(path, keep);
  return fmt::format("{} cut from {} to {} bytes", path.filename().string(), used, keep);
}

struct Target {
  const char* folder;  // Below the data directory.
  const char* begins;
  const char* ends;
  bool truncate = false;
};

absl::StatusOr<std::string> DamageNode(Lab& lab, size_t node, const Target& target) {
  lab.Kill(node);
  const std::string dir = lab.cluster().DataDir(node);
  const std::vector<fs::path> files = FilesOf(dir + target.folder, target.begins, target.ends);
  if (files.empty()) {
    lab.cluster().Start(node);
    return NoEffect(
        fmt::format("{} has no file {}*{}", Lab::Name(node), target.begins, target.ends));
  }
  const fs::path& victim = files[lab.random().Below(files.size())];
  const std::string done =
      target.truncate ? Truncate(victim, lab.random()) : Flip(victim, lab.random());
  const size_t since = lab.OutputBytes(node);
  RETURN_IF_ERROR(StartHarmed(lab, node));
  return fmt::format("{}: {}; it says: {}", Lab::Name(node), done, Report(lab, node, since));
}

absl::StatusOr<std::string> Damage(Lab& lab, const Target& target) {
  // One: a log has three replicas, however many nodes there are.
  return DamageNode(lab, lab.Draw(1, lab.random().Chance(0.7)).front(), target);
}

absl::StatusOr<std::string> FlipTable(Lab& lab) { return Damage(lab, {"/db", "", ".sst"}); }
absl::StatusOr<std::string> FlipLog(Lab& lab) { return Damage(lab, {"/db", "", ".log"}); }
absl::StatusOr<std::string> FlipManifest(Lab& lab) { return Damage(lab, {"/db", "MANIFEST-", ""}); }
absl::StatusOr<std::string> FlipCurrent(Lab& lab) { return Damage(lab, {"/db", "CURRENT", ""}); }
absl::StatusOr<std::string> FlipOptions(Lab& lab) { return Damage(lab, {"/db", "OPTIONS-", ""}); }
absl::StatusOr<std::string> FlipMark(Lab& lab) { return Damage(lab, {"", "MARK", ""}); }
absl::StatusOr<std::string> CutTable(Lab& lab) { return Damage(lab, {"/db", "", ".sst", true}); }
absl::StatusOr<std::string> CutLog(Lab& lab) { return Damage(lab, {"/db", "", ".log", true}); }
absl::StatusOr<std::string> CutManifest(Lab& lab) {
  return Damage(lab, {"/db", "MANIFEST-", "", true});
}

// A bit in every block of the middle of a file.
std::string FlipMany(const fs::path& path, Random& random) {
  constexpr uint64_t kStride = 16 << 10;
  const uint64_t bytes = fs::file_size(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  int flipped = 0;
  for (uint64_t at = bytes / 4; at < bytes - bytes / 4; at += kStride, ++flipped) {
    file.seekg(static_cast<std::streamoff>(at));
    const auto byte = static_cast<char>(file.get() ^ (1 << random.Below(8)));
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  return fmt::format("{}: {} bits flipped", path.filename().string(), flipped);
}

// Cold data: nobody notices before it is read, and the node runs then, perhaps as the leader. It
// has to start itself again when the others can do without it, and to be filled by them.
absl::StatusOr<std::string> FlipCold(Lab& lab) {
  constexpr absl::Duration kRepairWithin = absl::Minutes(1);
  const size_t node = lab.Draw(1, lab.random().Chance(0.5)).front();
  lab.Kill(node);
  const std::vector<fs::path> tables = FilesOf(lab.cluster().DataDir(node) + "/db", "", ".sst");
  const size_t since = lab.OutputBytes(node);
  if (tables.empty()) {
    lab.cluster().Start(node);
    return NoEffect(fmt::format("{} has no table", Lab::Name(node)));
  }
  const std::string done = FlipMany(tables.front(), lab.random());
  lab.cluster().Start(node);
  RETURN_IF_ERROR(AwaitRepaired(lab, node));
  RETURN_IF_ERROR(lab.AwaitWhole(kRepairWithin));
  const absl::Status read = ReadAt(lab, node);
  const absl::Time give_up = absl::Now() + kRepairWithin;
  while (lab.LineWith(node, since, "was rebuilt").empty()) {
    if (absl::Now() > give_up) {
      return absl::DeadlineExceededError(ToAbsl(
          fmt::format("{}: {}; reading it: {}; it was not rebuilt in time; it says: {}",
                      Lab::Name(node), done, ToStd(read.message()), Report(lab, node, since))));
    }
    if (!lab.Wait(absl::Milliseconds(50))) return absl::CancelledError("interrupted");
  }
  RETURN_IF_ERROR(AwaitRepaired(lab, node));
  return fmt::format("{}: {}; it says: {}", Lab::Name(node), done, Report(lab, node, since));
}

constexpr Fault kFaults[] = {
    {"flip-table", kNothing, FlipTable},       {"flip-log", kNothing, FlipLog},
    {"flip-manifest", kNothing, FlipManifest}, {"flip-current", kNothing, FlipCurrent},
    {"flip-options", kNothing, FlipOptions},   {"flip-mark", kNothing, FlipMark},
    {"cut-table", kNothing, CutTable},         {"cut-log", kNothing, CutLog},
    {"cut-manifest", kNothing, CutManifest},   {"flip-cold", kNothing, FlipCold},
};

}  // namespace

std::span<const Fault> DamageFaults() { return kFaults; }

}  // namespace cairn::fault
