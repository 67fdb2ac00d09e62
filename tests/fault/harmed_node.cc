#include "tests/fault/harmed_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cli/raw_reader.h"
#include "tests/fault/fault.h"

namespace cairn::fault {

namespace fs = std::filesystem;

namespace {

constexpr int kStarts = 3;

// A damaged node is rebuilt when all others can do without it.
constexpr absl::Duration kRepairWithin = absl::Minutes(1);

}  // namespace

std::vector<fs::path> FilesOf(const std::string& dir, std::string_view begins,
                              std::string_view ends) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(begins) && name.ends_with(ends)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) {
    return fs::file_size(a) > fs::file_size(b);
  });
  return files;
}

std::string Report(const Lab& lab, size_t node, size_t since) {
  for (const char* words :
       {"was rebuilt", "is damaged", "damaged from", "begun anew", "cannot be opened",
        "were synced and are gone", "stopping", "side mark", "torn", "clean end"}) {
    const std::string line = lab.LineWith(node, since, words);
    if (!line.empty()) return line.substr(0, 160);
  }
  // Whatever it wrote last.
  const std::string output = lab.OutputSince(node, since);
  const size_t end = output.find_last_not_of('\n');
  if (end == std::string::npos) return "nothing";
  return output.substr(output.rfind('\n', end) + 1, 200);
}

absl::Status AwaitRepaired(Lab& lab, size_t node) {
  absl::Status ready;
  for (int i = 0; i < kStarts; ++i) {
    ready = lab.AwaitReady(node);
    if (ready.ok() || lab.cluster().IsRunning(node)) return ready;
    RETURN_IF_ERROR(lab.cluster().AwaitExit(node) ? absl::OkStatus() : ready);
    lab.cluster().Start(node);
  }
  return ready;
}

absl::Status ReadAt(Lab& lab, size_t node) {
  ASSIGN_OR_RETURN(Log log, lab.client().OpenLog(kLoadLog));
  ASSIGN_OR_RETURN(const LogDescription now, log.Describe({}));
  const cli::RawReadOptions read = {.endpoint = lab.cluster().Endpoint(node),
                                    .log = log.name(),
                                    .log_id = log.id(),
                                    .start_seq = now.first_seq,
                                    .end_seq = now.last_seq,
                                    .timeout = absl::Minutes(1)};
  return cli::ReadRaw(lab.client().options(), read,
                      [](const cli::RawRecordBatch&) { return absl::OkStatus(); });
}

absl::Status StartHarmed(Lab& lab, size_t node) {
  lab.cluster().Start(node);
  RETURN_IF_ERROR(AwaitRepaired(lab, node));
  RETURN_IF_ERROR(lab.AwaitWhole(kRepairWithin));
  // What is met here is the node's to repair; AwaitWhole waits for that.
  ReadAt(lab, node).IgnoreError();
  RETURN_IF_ERROR(AwaitRepaired(lab, node));
  return lab.AwaitWhole(kRepairWithin);
}

}  // namespace cairn::fault
