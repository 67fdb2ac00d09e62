// PageSocket: one visitor's connection as httplib reads and writes it, in clear or with TLS.
//
// All of it has to be over by one deadline, the handshake, the request and the answer: who dribbles
// keeps a thread for that long, and no longer.
//
// Threads: one. Lifetime: owns the connection.
#pragma once

#include <httplib.h>

#include <array>
#include <string>

#include "base/clock.h"
#include "base/socket_stream.h"

namespace cairn {

class PageSocket final : public httplib::Stream {
 public:
  PageSocket(Fd socket, MonoMicros deadline) : stream_(std::move(socket)), deadline_(deadline) {}
  // Says goodbye.
  ~PageSocket() override;

  // False: the visitor does not speak TLS, or not in time.
  bool ShakeHands(const TlsContext& context);
  // Null in clear.
  [[nodiscard]] SSL* tls() const { return stream_.tls(); }

  // httplib::Stream. A read or write that is late is an error (-1); a write is whole.
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* bytes, size_t size) override;
  ssize_t write(const char* bytes, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return stream_.socket(); }

 private:
  SocketStream stream_;
  const MonoMicros deadline_;
  // What was received and not read yet: httplib asks for single bytes.
  std::array<char, 4096> ahead_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace cairn
