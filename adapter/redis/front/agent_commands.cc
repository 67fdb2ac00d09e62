// What the agent answers by itself (CommandClass::kAgent): who a client is and how it is served,
// and the questions about replication that only the agent can answer.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "adapter/redis/discovery/cluster_answers.h"
#include "adapter/redis/discovery/sentinel_answers.h"
#include "adapter/redis/front/client_commands.h"
#include "adapter/redis/front/front_thread.h"
#include "adapter/redis/front/info_view.h"
#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

using Argv = std::span<const std::string_view>;

constexpr std::string_view kSyntax = "ERR syntax error";
constexpr std::string_view kNoVersion = "NOPROTO unsupported protocol version";
constexpr std::string_view kNotInteger = "ERR value is not an integer or out of range";
constexpr int64_t kLongestWaitMs = int64_t{1} << 40;
constexpr int64_t kMostDatabases = 1 << 20;

std::optional<int64_t> ReadInteger(std::string_view text) {
  int64_t value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || at != text.data() + text.size()) return std::nullopt;
  return value;
}

// One command's worth of replies to a session.
class Answering {
 public:
  Answering(FrontThread& thread, Session& session, Argv argv)
      : thread_(thread), session_(session), argv_(argv) {}

  void Do(AgentCommand command) {
    if (argv_.size() < LeastArguments(command)) return WrongNumber();
    switch (command) {
      case AgentCommand::kAuth:
        return Auth();
      case AgentCommand::kHello:
        return Hello();
      case AgentCommand::kSelect:
        return Select();
      case AgentCommand::kReset:
        session_.ResetState();
        return Simple("RESET");
      case AgentCommand::kQuit:
        Simple("OK");
        return session_.CloseAfterReplies();
      // Without a cluster, a replica shows its data to everybody.
      case AgentCommand::kReadOnly:
      case AgentCommand::kReadWrite:
        session_.set_read_only(command == AgentCommand::kReadOnly);
        return Simple("OK");
      case AgentCommand::kAsking:
        return Simple("OK");
      case AgentCommand::kWait:
        return Wait();
      case AgentCommand::kRole:
        return Role();
      case AgentCommand::kInfo:
        return Info();
      case AgentCommand::kClient:
        return Client();
      case AgentCommand::kCairn:
        return Cairn();
      case AgentCommand::kCluster:
        return Cluster();
      case AgentCommand::kSentinel:
        return Sentinel();
      case AgentCommand::kNone:
        break;
    }
    CHECK_UNREACHABLE();
  }

 private:
  // The engine's table has seen to that, but of commands that the engine does not know.
  static size_t LeastArguments(AgentCommand command) {
    switch (command) {
      case AgentCommand::kAuth:
      case AgentCommand::kClient:
      case AgentCommand::kCluster:
      case AgentCommand::kSelect:
        return 2;
      case AgentCommand::kWait:
        return 3;
      default:
        return 1;
    }
  }
  void WrongNumber() {
    Error(fmt::format("ERR wrong number of arguments for '{}' command", LowerCase(argv_[0])));
  }

  [[nodiscard]] bool Is(size_t i, std::string_view lower_case) const {
    return i < argv_.size() && EqualsIgnoringCase(argv_[i], lower_case);
  }
  ReplyWriter Writer() { return {session_.identity().version, &reply_}; }
  void Send() { session_.Answer(std::move(reply_)); }
  void Simple(std::string_view text) {
    Writer().Simple(text);
    Send();
  }
  void Error(std::string_view text) { session_.AnswerError(text); }
  void Integer(int64_t value) {
    Writer().Integer(value);
    Send();
  }

  void Auth() {
    if (argv_.size() > 3) return Error(kSyntax);
    Identity next = session_.identity();
    next.user = argv_.size() == 3 ? std::string(argv_[1]) : "default";
    next.password = std::string(argv_.back());
    std::string login;
    AppendCommand(argv_, &login);
    session_.BecomeAnd(std::move(next), "+OK\r\n", login);
  }

  void Hello() {
    Identity next = session_.identity();
    std::string login;
    size_t at = 1;
    if (at < argv_.size()) {
      const auto version = ReadInteger(argv_[at++]);
      if (!version) return Error("ERR Protocol version is not an integer or out of range");
      if (*version != 2 && *version != 3) return Error(kNoVersion);
      next.version = *version == 3 ? RespVersion::k3 : RespVersion::k2;
    }
    std::optional<std::string> name;
    while (at < argv_.size()) {
      if (Is(at, "auth") && at + 2 < argv_.size()) {
        next.user = std::string(argv_[at + 1]);
        next.password = std::string(argv_[at + 2]);
        login = EncodeCommand({"AUTH", argv_[at + 1], argv_[at + 2]});
        at += 3;
      } else if (Is(at, "setname") && at + 1 < argv_.size()) {
        name = std::string(argv_[at + 1]);
        at += 2;
      } else {
        return Error(fmt::format("ERR Syntax error in HELLO option '{}'", argv_[at]));
      }
    }
    if (name) session_.about().name = *name;
    ReplyWriter writer(next.version, &reply_);
    writer.Map(7);
    writer.Bulk("server");
    writer.Bulk("redis");
    writer.Bulk("version");
    writer.Bulk(thread_.engine_version());
    writer.Bulk("proto");
    writer.Integer(next.version == RespVersion::k3 ? 3 : 2);
    writer.Bulk("id");
    writer.Integer(static_cast<int64_t>(session_.id()));
    writer.Bulk("mode");
    writer.Bulk(thread_.facts().cluster ? "cluster" : "standalone");
    writer.Bulk("role");
    writer.Bulk(IsReplica() ? "replica" : "master");
    writer.Bulk("modules");
    writer.Array(0);
    if (login.empty() && next == session_.identity()) return Send();
    session_.BecomeAnd(std::move(next), std::move(reply_), login);
  }

  void Select() {
    const auto database = ReadInteger(argv_[1]);
    if (!database) return Error(kNotInteger);
    if (*database < 0 || *database >= kMostDatabases) return Error("ERR DB index is out of range");
    if (*database != 0 && thread_.facts().cluster) {
      return Error("ERR SELECT is not allowed in cluster mode");
    }
    Identity next = session_.identity();
    next.database = static_cast<uint32_t>(*database);
    if (next == session_.identity()) return Simple("OK");
    session_.BecomeAnd(std::move(next), "+OK\r\n");
  }

  // Behind the replies before it; where those do not wait for commits, this one does.
  void Wait() {
    const auto replicas = ReadInteger(argv_[1]);
    if (!replicas) return Error(kNotInteger);
    const auto timeout = ReadInteger(argv_[2]);
    if (!timeout) return Error("ERR timeout is not an integer or out of range");
    if (*timeout < 0) return Error("ERR timeout is negative");
    if (IsReplica())
      return Error(
          "ERR WAIT cannot be used with replica instances. Please also note "
          "that writes to replicas are just local and are not propagated.");
    if (!session_.AwaitEarlier()) return;
    const MonoMicros timeout_us = std::min(*timeout, kLongestWaitMs) * kMicrosPerMilli;
    if (!session_.IsLastWriteCommitted()) {
      if (*replicas > 0 && session_.AwaitCommit(timeout_us)) return;
      return Integer(0);
    }
    // A majority holds what is committed.
    Integer(thread_.facts().view.log_replicas / 2);
  }

  [[nodiscard]] bool IsReplica() const { return thread_.mode() == FrontMode::kReplica; }

  void Role() {
    ReplyWriter writer = Writer();
    if (!IsReplica()) {
      writer.Array(3);
      writer.Bulk("master");
      writer.Integer(static_cast<int64_t>(thread_.committed().value()));
      const std::vector<std::string> others = thread_.OtherAddresses();
      writer.Array(others.size());
      for (const std::string& address : others) {
        const auto [host, port] = SplitAddress(address);
        writer.Array(3);
        writer.Bulk(host);
        writer.Bulk(port);
        writer.Bulk(std::to_string(thread_.committed().value()));
      }
      return Send();
    }
    const auto [host, port] = SplitAddress(thread_.facts().view.primary_address);
    writer.Array(5);
    writer.Bulk("slave");
    writer.Bulk(host);
    writer.Integer(ReadInteger(port).value_or(0));
    writer.Bulk(host.empty() ? "connect" : "connected");
    writer.Integer(static_cast<int64_t>(thread_.committed().value()));
    Send();
  }

  void Info() { session_.AskInfo(); }

  void Client() { AnswerClientCommand(thread_, session_, argv_); }

  void Cairn() {
    if (Is(1, "durability")) return SetDurability();
    if (Is(1, "seq")) {
      if (!session_.AwaitEarlier()) return;
      const auto seq = thread_.reign().SeqOf(session_.last_write());
      ReplyWriter writer = Writer();
      if (seq && session_.last_write()) {
        writer.Integer(static_cast<int64_t>(seq->value()));
      } else {
        writer.Null();
      }
      return Send();
    }
    if (Is(1, "info")) return CairnInfo();
    if (Is(1, "handover")) {
      if (thread_.facts().host == nullptr) return Error("ERR nobody can hand over here");
      return HandOver(argv_.size() > 2 ? std::string(argv_[2]) : "");
    }
    Error(
        "ERR unknown CAIRN subcommand: expected DURABILITY [sync|async], SEQ, INFO or HANDOVER "
        "[agent]");
  }

  // For those who may also end others' connections.
  void HandOver(std::string heir) {
    session_.AskPermission(
        EncodeCommand({"CLIENT", "KILL", "ID", "9223372036854775807"}),
        [&session = session_, host = thread_.facts().host, heir = std::move(heir)] {
          host->RequestHandOver(heir);
          session.AnswerNow("+OK\r\n");
        });
  }

  void SetDurability() {
    if (argv_.size() == 2) {
      Writer().Bulk(session_.durability() == Durability::kSync ? "sync" : "async");
      return Send();
    }
    if (!Is(2, "sync") && !Is(2, "async")) {
      return Error("ERR unknown durability: expected sync or async");
    }
    session_.set_durability(Is(2, "sync") ? Durability::kSync : Durability::kAsync);
    Simple("OK");
  }

  void CairnInfo() {
    const CacheView& view = thread_.facts().view;
    std::string text = fmt::format(
        "role:{}\r\nepoch:{}\r\nprimary:{}\r\ndurability:{}\r\ncommitted_offset:{}\r\n"
        "lag_bytes:{}\r\nlag_ms:{}\r\n",
        IsReplica() ? "replica" : "primary", view.primary_epoch, view.primary_address,
        session_.durability() == Durability::kSync ? "sync" : "async", thread_.committed(),
        thread_.lag().lag_bytes(), thread_.lag().lag_us(thread_.now_us()) / kMicrosPerMilli);
    if (thread_.facts().host != nullptr) {
      const RedisStatus status = thread_.facts().host->Status();
      const std::string why = status.NotReady();
      text += fmt::format(
          "state:{}\r\nready:{}\r\nlog:{}\r\nengine:{}\r\nrecords_behind:{}\r\n"
          "engine_memory_bytes:{}\r\n",
          Name(status.role), why.empty() ? "yes" : why, status.log_reachable ? "up" : "down",
          status.engine_ready ? "up" : "down", status.records_behind, status.engine.memory_bytes);
    }
    for (const CacheView::Agent& agent : view.agents) {
      text += fmt::format("agent:{} {}\r\n", agent.address, agent.name);
    }
    Writer().Verbatim("txt", text);
    Send();
  }

  void Cluster() {
    const auto& cluster = thread_.facts().cluster;
    if (!cluster) return Error("ERR This instance has cluster support disabled");
    ReplyWriter writer = Writer();
    AnswerCluster(*cluster, {.argv = argv_, .replication_offset = thread_.committed().value()},
                  &writer);
    SendIfPermitted();
  }

  // To an engine that is no cluster and no Sentinel, the command is an error that changes nothing,
  // unless this user may not ask it, or has not logged in.
  void SendIfPermitted() {
    std::string probe;
    AppendCommand(argv_, &probe);
    session_.AskPermission(
        probe, [&session = session_, reply = std::move(reply_)] { session.AnswerNow(reply); });
  }

  void Sentinel() {
    if (thread_.options().discovery != Discovery::kSentinel || argv_.size() < 2) {
      return Error("ERR unknown command 'sentinel', or this agent was told to play none");
    }
    ReplyWriter writer = Writer();
    AnswerSentinel(thread_.facts().view, {.address = thread_.facts().own_address}, argv_, &writer);
    SendIfPermitted();
  }

  FrontThread& thread_;
  Session& session_;
  const Argv argv_;
  std::string reply_;
};

}  // namespace

void FrontThread::AnswerAgentCommand(Session& session, AgentCommand command,
                                     std::span<const std::string_view> argv) {
  Answering(*this, session, argv).Do(command);
}

std::vector<std::string> FrontThread::OtherAddresses() const {
  std::vector<std::string> others;
  for (const CacheView::Agent& agent : facts_->view.agents) {
    if (agent.address != facts_->own_address) others.push_back(agent.address);
  }
  return others;
}

std::string FrontThread::WordInfo(std::string reply, RespVersion version) {
  const InfoView view{.replica = mode_ == FrontMode::kReplica,
                      .primary = facts_->view.primary_address,
                      .others = OtherAddresses(),
                      .committed = committed_,
                      .clients = clients_->load(),
                      .max_clients = options_.max_clients,
                      .own_address = facts_->own_address,
                      .cluster = facts_->cluster.has_value()};
  return RewriteInfoReply(std::move(reply), version, view);
}

const std::string& FrontThread::engine_version() const { return engine_.version; }

}  // namespace cairn::adapter::redis
