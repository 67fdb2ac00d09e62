#include "cli/local_checks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"

namespace cairn::cli {
namespace {

// As the cluster's doctor has it.
constexpr uint64_t kLowDiskBytes = uint64_t{2} << 30;
constexpr uint64_t kFullDiskBytes = uint64_t{256} << 20;
// A write of a batch, and how often the disk is asked; the slowest but one of fifty counts.
constexpr size_t kProbeBytes = 4096;
constexpr size_t kProbes = 50;
constexpr double kSlowSyncMs = 20;
constexpr double kFailingSyncMs = 200;
// Connections, files of the store, and room for more.
constexpr uint64_t kFewFiles = 4096;

void CheckSpace(const std::string& dir, Findings& findings) {
  struct statvfs stat = {};
  if (statvfs(dir.c_str(), &stat) != 0) {
    return findings.Fail("directory", dir, std::strerror(errno),
                         "create it for the user that cairnd runs as, or correct --data-dir");
  }
  const uint64_t free_bytes = uint64_t{stat.f_bavail} * stat.f_frsize;
  const std::string detail = FormatByteCount(free_bytes) + " free";
  const std::string mend = "trim logs, set --retention-bytes, or grow the disk";
  if (free_bytes < kFullDiskBytes) {
    findings.Fail("disk", dir, detail, mend + "; appends resume by themselves");
  } else if (free_bytes < kLowDiskBytes) {
    findings.Warn("disk", dir, detail, mend + " before it fills up");
  } else {
    findings.Ok("disk", dir, detail);
  }
}

// A file that nobody sees, and that is gone when it is closed.
int OpenProbe(const std::string& dir) {
  const int unnamed = open(dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (unnamed >= 0) return unnamed;
  std::string path = dir + "/doctor-XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd >= 0) unlink(path.c_str());
  return fd;
}

// Milliseconds of each write and sync; short when the disk refused.
std::vector<double> ProbeSyncs(int fd) {
  const std::array<char, kProbeBytes> block = {};
  std::vector<double> took_ms;
  while (took_ms.size() < kProbes) {
    const MonoMicros begun_us = SystemClock().Mono();
    if (pwrite(fd, block.data(), block.size(), static_cast<off_t>(took_ms.size() * kProbeBytes)) !=
            static_cast<ssize_t>(block.size()) ||
        fdatasync(fd) != 0) {
      break;
    }
    took_ms.push_back(static_cast<double>(SystemClock().Mono() - begun_us) / kMicrosPerMilli);
  }
  std::sort(took_ms.begin(), took_ms.end());
  return took_ms;
}

void CheckSyncs(const std::string& dir, Findings& findings) {
  const int fd = OpenProbe(dir);
  const std::vector<double> took_ms = fd < 0 ? std::vector<double>() : ProbeSyncs(fd);
  const std::string refusal = std::strerror(errno);
  if (fd >= 0) close(fd);
  if (took_ms.size() < kProbes) {
    return findings.Fail("sync", dir, "cannot write there: " + refusal,
                         "run this as the user that cairnd runs as, and look at the disk");
  }
  const double slow_ms = took_ms[kProbes - 2];
  const std::string detail = fmt::format("{:.1f} ms mostly, {:.1f} ms at worst but one of {}",
                                         took_ms[kProbes / 2], slow_ms, kProbes);
  const std::string mend =
      "every append waits for it: use a local SSD, and leave it to the node alone";
  if (slow_ms > kFailingSyncMs) {
    findings.Fail("sync", dir, detail, mend);
  } else if (slow_ms > kSlowSyncMs) {
    findings.Warn("sync", dir, detail, mend);
  } else {
    findings.Ok("sync", dir, detail);
  }
}

void CheckClockSync(Findings& findings) {
  timex state = {};
  const int verdict = adjtimex(&state);
  if (verdict < 0 || verdict == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    findings.Warn("clock", "this machine", "the kernel says that nobody keeps it right",
                  "run chrony or another NTP client on the machine (in a container: on its host)");
  } else {
    findings.Ok("clock", "this machine",
                fmt::format("kept to within {} ms", state.maxerror / kMicrosPerMilli));
  }
}

void CheckLimits(Findings& findings) {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  // cairnd raises its own to the hard limit.
  const std::string detail = fmt::format("{} open files", files.rlim_max);
  if (files.rlim_max < kFewFiles) {
    findings.Warn("limits", "this shell", detail,
                  "give cairnd more: LimitNOFILE= in its unit, or ulimit -Hn");
  } else {
    findings.Ok("limits", "this shell", detail);
  }
}

}  // namespace

absl::StatusOr<LocalNode> ReadLocalNode(const std::string& config_file) {
  toml::table table;
  try {
    table = toml::parse_file(config_file);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}; `cairnd --check-config --config {}` says more", config_file,
                    error.description(), config_file));
  }
  const auto text = [&table](const char* name) { return table[name].value_or(std::string()); };
  return LocalNode{.data_dir = text("data-dir"),
                   .listen = text("listen"),
                   .tls_cert_file = text("tls-cert-file"),
                   .tls_key_file = text("tls-key-file")};
}

DoctorView DiagnoseLocally(const LocalNode& node) {
  Findings findings;
  if (!node.data_dir.empty()) {
    CheckSpace(node.data_dir, findings);
    CheckSyncs(node.data_dir, findings);
  }
  CheckOwners(node.data_dir, node.listen, findings);
  if (!node.tls_cert_file.empty()) {
    CheckCertificate(node.tls_cert_file, node.tls_key_file, findings);
  }
  CheckClockSync(findings);
  CheckLimits(findings);
  return findings.Take();
}

}  // namespace cairn::cli
