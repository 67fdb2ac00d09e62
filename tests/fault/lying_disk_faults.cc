// Disks that lie: a write that was acknowledged and is not there (an old copy of a file, or of
// some of its pages, is back), and writes that went elsewhere (pages that changed places, a page
// of another file). Everything reads well at the level of the disk.
//
// Always one node, mostly the leader. It may notice at its start, or refuse to start, or end when
// it comes across the lie; what it must not do is to vote, lead or acknowledge from it as if
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

bool Matches(const std::string& name, std::string_view begins, std::string_view ends) {
  return name.starts_with(begins) && name.ends_with(ends);
}

// Files of `dir` whose names begin and end so, in the order of their names.
std::vector<fs::path> FilesOf(const fs::path& dir, std::string_view begins, std::string_view ends) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    if (Matches(entry.path().filename(), begins, ends)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// What a node wrote down last of its directory, or its last words.
std::string Report(const Lab& lab, size_t node, size_t since) {
  for (const char* words : {"cannot be opened", "stopping", "data directory"}) {
    const std::string line = lab.LineWith(node, since, words);
    if (!line.empty()) return line.substr(0, 160);
  }
  const std::string output = lab.OutputSince(node, since);
  const size_t end = output.find_last_not_of('\n');
  if (end == std::string::npos) return "nothing";
  return output.substr(output.rfind('\n', end) + 1, 160);
}

// A lie about one file of a node that does not run, and the truth.
struct Lie {
  fs::path file;
  std::string told;
  std::string truth;
  std::string what;  // For the evidence.
};

// Starts a node whose directory lies. One that refuses to start gets the true directory back, as
// the manual says; nothing was acknowledged from the other one. A lie about a table may stay
// unseen until a compaction reads it, so it ends with the fault.
absl::StatusOr<std::string> StartOn(Lab& lab, size_t node, const Lie& lie) {
  const size_t since = lab.OutputBytes(node);
  Overwrite(lie.file, lie.told);
  lab.cluster().Start(node);
  const absl::Status ready = lab.AwaitReady(node);
  const auto repaired = [&](std::string_view how) {
    lab.repairs.push_back(fmt::format("{} {}, the true {} was brought back: {}", Lab::Name(node),
                                      how, lie.file.filename().string(), Report(lab, node, since)));
  };
  if (!ready.ok()) {
    if (lab.cluster().IsRunning(node) || !lab.cluster().AwaitExit(node)) return ready;
    repaired("did not start");
    Overwrite(lie.file, lie.truth);
    lab.cluster().Start(node);
    RETURN_IF_ERROR(lab.AwaitReady(node));
  } else if (lie.file.extension() == ".sst") {
    lab.Hold();
    if (lab.cluster().IsRunning(node)) {
      lab.Kill(node);
    } else if (lab.cluster().AwaitExit(node)) {
      repaired("ended");
    }
    // The name may be another table's by now.
    if (BytesOf(lie.file) == lie.told) Overwrite(lie.file, lie.truth);
    lab.cluster().Start(node);
    RETURN_IF_ERROR(lab.AwaitReady(node));
  }
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
    lie.truth = BytesOf(lie.file);
    lie.told = target.only_pages ? WithOldPages(changed->second, lie.truth, lab.random())
                                 : changed->second;
    lie.what = fmt::format("{}{} of {:.1f} s ago is back", target.only_pages ? "pages of " : "",
                           lie.file.filename().string(), absl::ToDoubleSeconds(age));
  }
  if (!differs || lie.truth.empty()) {
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
    lie.truth = BytesOf(lie.file);
    const std::string from = elsewhere ? BytesOf(source) : "";
    const auto told = Misdirect(elsewhere ? &from : nullptr, lie.truth, lab.random());
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
