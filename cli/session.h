// Session: what a command runs with: the connection, the output, the interrupt.
//
// The client connects on first use, so that commands which need no server (completion,
// --help, bad arguments) never touch the network.
// Threads: belongs to the main thread; the Client it hands out may be used by any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/output.h"

namespace cairn::cli {

// Options that every command takes. Empty: what the environment says.
struct GlobalOptions {
  std::string endpoints;
  std::optional<uint64_t> timeout_ms;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string server_name;
  std::string token_file;
};

class Session {
 public:
  Session(GlobalOptions global, Output& out, const Interrupt& interrupt, const Clock& clock)
      : global_(std::move(global)), out_(out), interrupt_(interrupt), clock_(clock) {}

  [[nodiscard]] Output& out() { return out_; }
  [[nodiscard]] const Interrupt& interrupt() const { return interrupt_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  // The cluster's client, made on first use. Errors: kInvalidArgument for bad options.
  absl::StatusOr<Client*> client();
  absl::StatusOr<Admin> admin();
  // Resolves `name`, by which everything later is about that very log.
  absl::StatusOr<Log> OpenLog(std::string_view name);

  // Time for moving much data (a whole log): --timeout if given, else an hour. A dead cluster is
  // noticed before, when the log is opened.
  [[nodiscard]] absl::Duration BulkTimeout() const;

  // The client options of this run: environment, overridden by flags.
  // Errors: kInvalidArgument, for a token file that cannot be read.
  absl::StatusOr<ClientOptions> MakeClientOptions() const;
  // A client that knows one node only, to ask just that one.
  absl::StatusOr<std::unique_ptr<Client>> ConnectTo(const std::string& endpoint) const;

 private:
  const GlobalOptions global_;
  Output& out_;
  const Interrupt& interrupt_;
  const Clock& clock_;
  std::unique_ptr<Client> client_;
};

// What a parsed command line does.
using Runner = std::function<absl::StatusOr<ExitCode>(Session&)>;

}  // namespace cairn::cli
