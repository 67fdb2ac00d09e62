#include "server/runtime/peer_receiver.h"

#include <google/protobuf/io/coded_stream.h>
#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "base/check.h"
#include "base/socket_stream.h"
#include "base/strings.h"
#include "cairn/v1/peer.pb.h"
#include "server/runtime/peer_frames.h"
#include "server/runtime/sockets.h"

namespace cairn::server {
namespace {

constexpr size_t kMaxConnections = 256;
constexpr uint32_t kMaxHelloBytes = 64 << 10;
constexpr int64_t kHelloTimeoutUs = 5 * kMicrosPerSecond;
// A silent connection is looked at this often: its peer may have been removed.
constexpr int kLookAgainMs = 1000;

// Blocks until there is something, or for `timeout_ms`. False at the end of the stream.
bool ReadSome(SocketStream& stream, FrameReader& reader, int timeout_ms) {
  while (true) {
    size_t got = 0;
    const Progress progress = stream.Receive({reader.space(), reader.space_bytes()}, &got);
    if (progress == Progress::kDone) {
      reader.Filled(got);
      return true;
    }
    if (progress == Progress::kBroken) return false;
    if (!AwaitSocket(stream.socket(), progress == Progress::kWritable, timeout_ms)) return true;
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
  connection.stream = SocketStream(std::move(socket));
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
    for (const auto& connection : ending) connection->stream.Shut();
  }
  for (const auto& connection : ending) connection->thread.join();
}

void PeerReceiver::Serve(Connection* connection) {
  SocketStream& stream = connection->stream;
  TunePeerSocket(stream.socket());
  cairn::v1::ExchangeRequest greeting;
  if (Greet(stream, greeting)) {
    if (greeting.has_fetch()) {
      node_->SendRun(greeting.fetch(), stream);
    } else {
      Carry(NodeId(greeting.hello().from_node_id()), stream);
    }
  }
  if (!stream.error().empty()) {
    spdlog::warn("a connection that speaks the peers' protocol is closed: TLS: {}", stream.error());
  }
  stream.Shut();  // Closed when it is reaped; the peer need not wait for that.
  absl::MutexLock lock(&mutex_);
  connection->done = true;
}

bool PeerReceiver::Greet(SocketStream& stream, cairn::v1::ExchangeRequest& greeting) {
  const MonoMicros deadline = SystemClock().Mono() + kHelloTimeoutUs;
  char magic[kPeerMagic.size()];
  if (!stream.ReceiveAll(magic, deadline)) return false;
  if (NodeTls* const tls = node_->tls()) {
    const TlsContext context = tls->Now()->accepting;
    if (context == nullptr) return false;  // A node alone has no peers.
    stream.AcceptTls(context);
    if (!stream.ShakeHands(deadline)) return false;
  }
  if (!ReceiveFrame(stream, kMaxHelloBytes, deadline, greeting)) return false;
  const cairn::v1::ExchangeResponse answer = Judge(stream, greeting.hello());
  std::string bytes;
  AppendFrame(answer, bytes);
  return stream.SendAll(bytes, deadline) && answer.refusal().empty();
}

cairn::v1::ExchangeResponse PeerReceiver::Judge(const SocketStream& stream,
                                                const cairn::v1::PeerHello& hello) const {
  std::string address = node_->AddressOf(NodeId(hello.from_node_id()));
  // A member that is not known of here yet shows the certificate of where it says it is.
  if (address.empty()) address = hello.from_address();
  // Who is no member is told nothing else; a hello that names none is refused by the node.
  if (stream.tls() != nullptr && !address.empty()) {
    const TlsCertificate shown(SSL_get1_peer_certificate(stream.tls()));
    CHECK(shown != nullptr);  // The handshake asks for one.
    const absl::Status checked = node_->tls()->CheckMember(shown.get(), address);
    if (!checked.ok()) {
      spdlog::error("a connection as node {} ({}) is refused: {}", hello.from_node_id(), address,
                    ToStd(checked.message()));
      cairn::v1::ExchangeResponse refused;
      refused.set_refusal(std::string(ToStd(checked.message())));
      return refused;
    }
  }
  return node_->CheckHello(hello);
}

void PeerReceiver::Carry(NodeId peer, SocketStream& stream) {
  FrameReader reader;
  cairn::v1::ExchangeRequest request;
  while (ReadSome(stream, reader, kLookAgainMs)) {
    // When it connects again it is told why.
    if (node_->WasRemoved(peer)) return;
    request.Clear();
    while (const std::optional<std::string_view> frame = reader.Next()) {
      // Messages of later frames are put behind those of earlier ones.
      google::protobuf::io::CodedInputStream bytes(reinterpret_cast<const uint8_t*>(frame->data()),
                                                   static_cast<int>(frame->size()));
      if (!request.MergeFromCodedStream(&bytes)) return;
    }
    if (reader.broken()) return;
    reader.Prepare();
    if (request.messages_size() > 0 || request.pulse()) node_->Receive(peer, request);
  }
}

}  // namespace cairn::server
