// TlsLab: a throw-away authority, its certificates (scripts/certs makes them), and visitors that
// speak TLS to a node by hand.
//
// Threads: one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/socket_stream.h"
#include "base/tls_context.h"
#include "cairn/client.h"
#include "cairn/v1/peer.pb.h"
#include "tests/support/temp_dir.h"

namespace cairn::security {

// Files of one authority.
class Authority {
 public:
  Authority();

  // For nodes on the loopback; `hosts` in their place. `days` negative: it has ended.
  TlsFiles Node(const std::string& name, std::vector<std::string> hosts = {"127.0.0.1"},
                int days = 1) const;
  TlsFiles Client(const std::string& name, int days = 1) const;
  [[nodiscard]] std::string ca() const { return dir_.File("ca.crt"); }

 private:
  void Make(const std::string& words) const;
  [[nodiscard]] TlsFiles Files(const std::string& name) const;

  testing::TempDir dir_;
};

// Flags of cairnd for these.
std::vector<std::string> TlsFlags(const TlsFiles& files);
// A client's options: with a certificate if `files` has one.
ClientOptions ClientOf(const std::vector<std::string>& endpoints, const TlsFiles& files);
// Appends one record to a log that is made if there is none.
absl::Status Append(Client& client, std::string_view record);

// A connection to "host:port".
SocketStream Connect(const std::string& address);
// Speaks TLS as who shows `files`, after `first` in clear; OK once the handshake has ended at this
// end. `newest`: of the protocol's versions, 0: any.
absl::Status Shake(SocketStream& stream, const TlsFiles& files, std::string_view first = "",
                   int newest = 0);
// The serial number of the certificate that the node shows; empty: no TLS.
std::string ShownSerial(const std::string& address, const TlsFiles& files);
// Sends what it is given one byte at a time, slowly, until the other end closes; false: that took
// longer than `seconds`.
bool DribbleUntilClosed(SocketStream& stream, std::string_view bytes, int seconds);
// Says hello as a node, and returns the answer's refusal; nullopt: none came.
std::optional<std::string> SayHello(SocketStream& stream, const cairn::v1::PeerHello& hello);

}  // namespace cairn::security
