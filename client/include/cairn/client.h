// Client: the connections of one process to one Cairn cluster.
//
// A Client finds the leader of a log by itself: it asks for redirects ("cairn-leader: redirect")
// and follows them, goes round its endpoints when a node does not answer, and remembers what it
// learned. Open one per process and share it; everything else (Log, Admin, Producer, Tailer,
// LeaseKeeper, Election) is opened from it.
//
//   ASSIGN_OR_RETURN(auto client, Client::Connect(Client::OptionsFromEnvironment()));
//   ASSIGN_OR_RETURN(Log log, client->OpenLog("orders"));
//   ASSIGN_OR_RETURN(AppendResult done, log.Append("hello"));
//
// Threads: all methods are safe from any thread. The library owns one thread of its own, the
//   *client thread*, which runs timers and most callbacks; callbacks of Log::AppendAsync run on
//   a transport thread. No callback may block, call a blocking method of this
//   library, or destroy one of its objects.
// Lifetime: the Client must outlive all that was opened from it.
// Deadlines: each call takes CallOptions; retries, redirects and pauses happen within its
//   timeout and never after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "cairn/error.h"
#include "cairn/types.h"

namespace cairn {

class Admin;
class Log;
namespace client {
class Core;
}  // namespace client

// Transport security. All paths name PEM files; connections that are made after a file has changed
// use what it holds then, without a restart.
struct TlsOptions {
  // Off: plain text, and the other fields must be empty.
  bool enabled = false;
  // Authorities that servers are checked against; empty: those of the system.
  std::string ca_file;
  // The client's own certificate and key; both or neither.
  std::string certificate_file;
  std::string key_file;
  // Name to expect in the servers' certificates instead of the endpoint's host; empty: the host.
  std::string server_name;
};

struct ClientOptions {
  // "host:port" of some members. One that answers is enough: leaders that are not listed are
  // reached by their redirects.
  std::vector<std::string> endpoints;
  TlsOptions tls;
  // Sent as "authorization: Bearer …" when not empty. Only with TLS, or to loopback addresses.
  std::string bearer_token;
  // File that holds the token, in place of bearer_token; read again when it changes.
  std::string bearer_token_file;
  // TCP connections per endpoint, used in turn by unary calls: 1 … 64.
  int connections_per_endpoint = 1;
  // Used where a call gives none.
  absl::Duration default_timeout = absl::Seconds(10);
  // Null: the system's clock. Must outlive the Client.
  const Clock* clock = nullptr;
};

struct CallOptions {
  // Zero: the Client's default. Includes all retries.
  absl::Duration timeout = absl::ZeroDuration();
};

struct OpenLogOptions {
  CallOptions call;
  // Create the log with `settings` if there is none of that name. One that exists is opened,
  // whatever its settings are.
  bool create_if_missing = false;
  LogSettings settings;
};

// The parts of "host:port,host:port", without blanks around them; empty parts count for nothing.
std::vector<std::string> SplitEndpoints(std::string_view text);

class Client {
 public:
  using OpenLogCallback = std::function<void(absl::StatusOr<Log>)>;

  // Reads CAIRN_ENDPOINTS (comma-separated "host:port"; default "127.0.0.1:7400"), CAIRN_CA_FILE,
  // CAIRN_CERTIFICATE_FILE, CAIRN_KEY_FILE, CAIRN_SERVER_NAME (any of the four turns TLS on) and
  // CAIRN_TOKEN_FILE (bearer_token_file). Reads no file.
  static ClientOptions OptionsFromEnvironment();

  // Checks the options and starts the client thread. Does not wait for a connection, so it
  // succeeds while the cluster is down.
  // Errors: kInvalidArgument for bad options or unreadable files.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(ClientOptions options);

  // As above over a given transport; for the simulator and for tests.
  explicit Client(std::unique_ptr<client::Core> core);

  // Closes all connections. Requires: all that was opened from this Client is gone.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Resolves `name` to the log's id, which all later calls of the handle carry: a log that was
  // deleted and created anew is never mistaken for this one.
  // Errors: LOG_NOT_FOUND (unless create_if_missing); INVALID for a bad name; kUnavailable or
  //   kDeadlineExceeded when no node answers in time.
  absl::StatusOr<Log> OpenLog(std::string_view name, const OpenLogOptions& options = {});
  // The same without blocking. `done` runs exactly once, on a transport thread or on the client
  // thread, possibly before OpenLogAsync returns.
  void OpenLogAsync(std::string_view name, const OpenLogOptions& options, OpenLogCallback done);

  // A handle whose id the caller already knows, from an earlier run. Sends nothing: a wrong id
  // shows as LOG_RECREATED or LOG_NOT_FOUND at the first call.
  Log LogWithId(std::string_view name, LogId log_id);

  // Administration of logs and of the cluster.
  Admin admin();

  [[nodiscard]] const ClientOptions& options() const;
  [[nodiscard]] client::Core& core() const { return *core_; }

 private:
  std::unique_ptr<client::Core> core_;
};

}  // namespace cairn
