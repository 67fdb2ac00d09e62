// LocalChecks: what `cairn doctor --local` looks at on the machine of one node, whether the node
// runs or not: its directory, disk, port, clock, limits and certificate.
//
// Reads, but for a file without a name that is written and synced to measure the disk.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/findings.h"

namespace cairn::cli {

// What matters here of a node's configuration; empty: not given, and not looked at.
struct LocalNode {
  std::string data_dir;
  std::string listen;  // "host:port".
  std::string tls_cert_file;
  std::string tls_key_file;
};

// The options of that name in a node's configuration file. The rest of it is for
// `cairnd --check-config`. Errors: kInvalidArgument.
absl::StatusOr<LocalNode> ReadLocalNode(const std::string& config_file);

DoctorView DiagnoseLocally(const LocalNode& node);

// The parts that have a file of their own.
void CheckCertificate(const std::string& cert_file, const std::string& key_file,
                      Findings& findings);
// Who has `dir`, and who listens on `listen`: one and the same, nobody, or somebody else.
void CheckOwners(const std::string& dir, const std::string& listen, Findings& findings);

}  // namespace cairn::cli
