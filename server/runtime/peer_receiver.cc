#include "server/runtime/peer_receiver.h"

#include <google/protobuf/io/coded_stream.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "cairn/v1/peer.pb.h"
#include "server/runtime/peer_frames.h"

namespace cairn::server {
namespace {

constexpr size_t kMaxConnections = 256;
constexpr uint32_t kMaxHelloBytes = 64 << 10;
constexpr int kHelloTimeoutMs = 5000;

bool ReadHello(int socket, cairn::v1::ExchangeRequest& request) {
  char magic[kPeerMagic.size()];
  char header[kFrameHeaderBytes];
  if (!ReceiveAll(socket, magic, sizeof magic, kHelloTimeoutMs)) return false;
  if (!ReceiveAll(socket, header, sizeof header, kHelloTimeoutMs)) return false;
  const uint32_t length = FrameLength(header);
  if (length > kMaxHelloBytes) return false;
  std::string bytes(length, '\0');
  return ReceiveAll(socket, bytes.data(), length, kHelloTimeoutMs) &&
         request.ParseFromString(bytes);
}

// Blocks until there is something. False at the end of the stream.
bool ReadSome(int socket, FrameReader& reader) {
  while (true) {
    const ssize_t got = recv(socket, reader.space(), reader.space_bytes(), 0);
    if (got > 0) {
      reader.Filled(static_cast<size_t>(got));
      return true;
    }
    if (got == 0 || (errno != EINTR && errno != EAGAIN)) return false;
    pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
    (void)poll(&waiting, 1, -1);  // Whatever it says, recv knows better.
  }
}

}  // namespace

PeerReceiver::~PeerReceiver() { Stop(); }

void PeerReceiver::Take(Fd socket) {
  absl::MutexLock lock(&mutex_);
  Reap();
  if (stopped_) return;
  if (connections_.size() >= kMaxConnections) {
    spdlog::warn("{} connections of peers are open: one more is closed", connections_.size());
    return;
  }
  auto& connection = *connections_.emplace_back(std::make_unique<Connection>());
  connection.socket = std::move(socket);
  connection.thread = std::thread([this, &connection] { Serve(&connection); });
}

void PeerReceiver::Reap() {
  std::erase_if(connections_, [](const std::unique_ptr<Connection>& connection) {
    if (connection->done) connection->thread.join();
    return connection->done;
  });
}

void PeerReceiver::Stop() {
  std::list<std::unique_ptr<Connection>> ending;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    ending.swap(connections_);
    for (const auto& connection : ending) shutdown(connection->socket.get(), SHUT_RDWR);
  }
  for (const auto& connection : ending) connection->thread.join();
}

void PeerReceiver::Serve(Connection* connection) {
  const int socket = connection->socket.get();
  TunePeerSocket(socket);
  if (Greet(socket)) Carry(socket);
  shutdown(socket, SHUT_RDWR);  // Closed when it is reaped; the peer need not wait for that.
  absl::MutexLock lock(&mutex_);
  connection->done = true;
}

bool PeerReceiver::Greet(int socket) {
  cairn::v1::ExchangeRequest request;
  if (!ReadHello(socket, request)) return false;
  cairn::v1::ExchangeResponse answer;
  answer.set_refusal(node_->CheckHello(request.hello()));
  std::string bytes;
  AppendFrame(answer, bytes);
  return SendAll(socket, bytes, kHelloTimeoutMs) && answer.refusal().empty();
}

void PeerReceiver::Carry(int socket) {
  FrameReader reader;
  cairn::v1::ExchangeRequest request;
  while (ReadSome(socket, reader)) {
    request.Clear();
    while (const std::optional<std::string_view> frame = reader.Next()) {
      // Messages of later frames are put behind those of earlier ones.
      google::protobuf::io::CodedInputStream bytes(reinterpret_cast<const uint8_t*>(frame->data()),
                                                   static_cast<int>(frame->size()));
      if (!request.MergeFromCodedStream(&bytes)) return;
    }
    if (reader.broken()) return;
    reader.Prepare();
    if (request.messages_size() > 0) node_->Receive(request);
  }
}

}  // namespace cairn::server
