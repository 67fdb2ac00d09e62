// Disks that lie: a write that was acknowledged and is not there (an old copy of a file, or of
// some of its pages, is back), and writes that went elsewhere (pages that changed places, a page
// of another file). Everything reads well at the level of the disk.
//
// Always one node, mostly the leader. It may notice at its start, or when it comes across the lie,
// and repairs itself then; what it must not do is to vote, lead or acknowledge from it as if
// nothing had happened, and that shows in the comparison of the replicas.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tests/fault/fault.h"
#include "tests/fault/harmed_node.h"

namespace cairn::fault {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPageBytes = 4096;
constexpr int kSecondsToDiffer = 30;

std::string BytesOf(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void Overwrite(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// A lie about one file of a node that does not run.
struct Lie {
  fs::path file;
  std::string told;
  std::string what;  // For the evidence.
};

absl::StatusOr<std::string> StartOn(Lab& lab, size_t node, const Lie& lie) {
  const size_t since = lab.OutputBytes(node);
  Overwrite(lie.file, lie.told);
  RETURN_IF_ERROR(StartHarmed(lab, node));
  return fmt::format("{}: {}; it says: {}", Lab::Name(node), lie.what, Report(lab, node, since));
}

// ---- Writes that were lost -------------------------------------------------------------

struct Target {
  const char* folder;  // Below the data directory.
  const char* begins;
  const char* ends;
  bool only_pages = false;  // Some pages are old, the others as they should be.
};

// Every other page that differs is that of `old`.
std::string WithOldPages(const std::string& old, std::string now, Random& random) {
  bool any = false;
  const size_t both = std::min(old.size(), now.size());
  size_t last_differing = std::string::npos;
  for (size_t at = 0; at < both; at += kPageBytes) {
    if (old.compare(at, kPageBytes, now, at, kPageBytes) == 0) continue;
    last_differing = at;
    if (!random.Chance(0.5)) continue;
    now.replace(at, kPageBytes, old, at, kPageBytes);
    any = true;
  }
  if (!any && last_differing != std::string::npos) {
    now.replace(last_differing, kPageBytes, old, last_differing, kPageBytes);
  }
  return now;
}

// As the files are now, without stopping the node for longer than it takes to read them.
std::vector<std::pair<fs::path, std::string>> CopyOf(Lab& lab, size_t node, const Target& target) {
  std::vector<std::pair<fs::path, std::string>> copy;
  lab.cluster().Signal(node, SIGSTOP);
  const fs::path dir = lab.cluster().DataDir(node) + target.folder;
  for (const fs::path& file : FilesOf(dir, target.begins, target.ends)) {
    copy.emplace_back(file, BytesOf(file));
  }
  lab.cluster().Signal(node, SIGCONT);
  return copy;
}

absl::StatusOr<std::string> Stale(Lab& lab, const Target& target) {
  const size_t node = lab.DrawHolder(0.7);
  const auto old = CopyOf(lab, node, target);
  const absl::Time copied = absl::Now();
  lab.Wait(absl::Milliseconds(lab.random().Between(300, 2000)));
  const std::pair<fs::path, std::string>* changed = nullptr;
  const bool differs = integration::Eventually(
      [&] {
        for (const auto& file : old) {
          const std::string now = BytesOf(file.first);
          if (!now.empty() && now != file.second) changed = &file;
        }
        return changed != nullptr;
      },
      kSecondsToDiffer);
  const absl::Duration age = absl::Now() - copied;
  lab.Kill(node);
  Lie lie;
  if (differs) {
    lie.file = changed->first;
    const std::string truth = BytesOf(lie.file);
    if (!truth.empty()) {
      lie.told =
          target.only_pages ? WithOldPages(changed->second, truth, lab.random()) : changed->second;
    }
    lie.what = fmt::format("{}{} of {:.1f} s ago is back", target.only_pages ? "pages of " : "",
                           lie.file.filename().string(), absl::ToDoubleSeconds(age));
  }
  if (lie.told.empty()) {
    lab.cluster().Start(node);
    return NoEffect(fmt::format("no file {}*{} of {} was both kept and changed", target.begins,
                                target.ends, Lab::Name(node)));
  }
  return StartOn(lab, node, lie);
}

absl::StatusOr<std::string> StaleLog(Lab& lab) { return Stale(lab, {"/db", "", ".log"}); }
absl::StatusOr<std::string> StaleLogPages(Lab& lab) {
  return Stale(lab, {"/db", "", ".log", true});
}
absl::StatusOr<std::string> StaleManifest(Lab& lab) { return Stale(lab, {"/db", "MANIFEST-", ""}); }
absl::StatusOr<std::string> StaleMark(Lab& lab) { return Stale(lab, {"", "MARK", ""}); }

// ---- Writes that went elsewhere --------------------------------------------------------

// A page of `bytes` that holds something.
std::optional<size_t> UsedPage(const std::string& bytes, Random& random) {
  const size_t last = bytes.find_last_not_of('\0');
  if (last == std::string::npos) return std::nullopt;
  return random.Below(last / kPageBytes + 1) * kPageBytes;
}

// Two pages of `to` change places, or one of `from` stands where one of `to` should.
std::optional<std::string> Misdirect(const std::string* from, const std::string& to,
                                     Random& random) {
  const std::optional<size_t> a = UsedPage(to, random);
  const std::optional<size_t> b = UsedPage(from == nullptr ? to : *from, random);
  if (!a || !b) return std::nullopt;
  std::string told = to;
  const size_t size = std::min({kPageBytes, to.size() - *a, (from ? *from : to).size() - *b});
  told.replace(*a, size, from == nullptr ? to : *from, *b, size);
  if (from == nullptr) told.replace(*b, size, to, *a, size);
  if (told == to) return std::nullopt;
  return told;
}

// `elsewhere`: the page comes from another file of the same kind.
absl::StatusOr<std::string> MisdirectedIn(Lab& lab, const char* ends, bool elsewhere) {
  const size_t node = lab.DrawHolder(0.7);
  lab.Kill(node);
  const std::vector<fs::path> files = FilesOf(lab.cluster().DataDir(node) + "/db", "", ends);
  constexpr int kTries = 100;  // Pages may be equal, files too short.
  for (int i = 0; i < kTries && !files.empty(); ++i) {
    Lie lie;
    lie.file = files[lab.random().Below(files.size())];
    const fs::path& source = files[lab.random().Below(files.size())];
    if (elsewhere && source == lie.file) continue;
    const std::string from = elsewhere ? BytesOf(source) : "";
    const auto told = Misdirect(elsewhere ? &from : nullptr, BytesOf(lie.file), lab.random());
    if (!told) continue;
    lie.told = *told;
    lie.what = elsewhere
                   ? fmt::format("a page of {} stands in {}", source.filename().string(),
                                 lie.file.filename().string())
                   : fmt::format("two pages of {} changed places", lie.file.filename().string());
    return StartOn(lab, node, lie);
  }
  lab.cluster().Start(node);
  return NoEffect(fmt::format("{} has no two pages to take for each other", Lab::Name(node)));
}

absl::StatusOr<std::string> SwappedTable(Lab& lab) { return MisdirectedIn(lab, ".sst", false); }
absl::StatusOr<std::string> SwappedLog(Lab& lab) { return MisdirectedIn(lab, ".log", false); }
absl::StatusOr<std::string> MisdirectedTable(Lab& lab) { return MisdirectedIn(lab, ".sst", true); }

constexpr Fault kFaults[] = {
    {"stale-log", kNothing, StaleLog},
    {"stale-log-pages", kNothing, StaleLogPages},
    {"stale-manifest", kNothing, StaleManifest},
    {"stale-mark", kNothing, StaleMark},
    {"swapped-table", kNothing, SwappedTable},
    {"swapped-log", kNothing, SwappedLog},
    {"misdirected-table", kNothing, MisdirectedTable},
};

}  // namespace

std::span<const Fault> LyingDiskFaults() { return kFaults; }

}  // namespace cairn::fault
