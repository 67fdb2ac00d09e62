#include "adapter/redis/front/client_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/command_info.h"

namespace cairn::adapter::redis {
namespace {

using Argv = std::span<const std::string_view>;
using CrewAnswer = FrontThread::CrewAnswer;

constexpr std::string_view kSyntax = "ERR syntax error";
constexpr std::string_view kNobody = "9223372036854775807";  // An id that no client gets.

// An id: a whole number from 1 on.
std::optional<uint64_t> ReadId(std::string_view text) {
  uint64_t id = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || at != text.data() + text.size() || id == 0) return std::nullopt;
  return id;
}

std::string UserOf(const Session& session) {
  return session.identity().user.empty() ? "default" : session.identity().user;
}

// Which clients are meant. What is not set holds for all.
struct ClientFilter {
  std::vector<uint64_t> ids;
  std::string address;
  std::string local_address;
  std::string user;
  std::string type;  // "normal" or "pubsub"; any other has no clients here.
  uint64_t except = 0;

  [[nodiscard]] bool Matches(Session& session) const {
    const std::string own_type =
        session.flags().find('P') == std::string::npos ? "normal" : "pubsub";
    return session.id() != except &&
           (ids.empty() || std::find(ids.begin(), ids.end(), session.id()) != ids.end()) &&
           (address.empty() || session.about().address == address) &&
           (local_address.empty() || session.about().local_address == local_address) &&
           (user.empty() || UserOf(session) == user) && (type.empty() || type == own_type);
  }
};

// As a line of CLIENT LIST, without its end.
std::string DescribeClient(Session& session, MonoMicros now_us) {
  const Session::About& about = session.about();
  const std::string flags = session.flags();
  return fmt::format(
      "id={} addr={} laddr={} name={} age={} idle={} flags={} db={} multi={} cmd={} user={} "
      "resp={} lib-name={} lib-ver={}",
      session.id(), about.address, about.local_address, about.name,
      (now_us - about.since_us) / kMicrosPerSecond, (now_us - about.last_us) / kMicrosPerSecond,
      flags, session.identity().database, flags.find('x') == std::string::npos ? -1 : 0,
      about.last_command, UserOf(session), session.identity().version == RespVersion::k3 ? 3 : 2,
      about.library, about.library_version);
}

std::string Encode(RespVersion version, const std::function<void(ReplyWriter&)>& write) {
  std::string reply;
  ReplyWriter writer(version, &reply);
  write(writer);
  return reply;
}

// One command's worth of replies to a session.
class ClientAnswering {
 public:
  ClientAnswering(FrontThread& thread, Session& session, Argv argv)
      : thread_(thread), session_(session), argv_(argv) {}

  void Do() {
    if (Is(1, "id")) return Integer(static_cast<int64_t>(session_.id()));
    if (Is(1, "getname")) return GetName();
    if (Is(1, "setname") && argv_.size() == 3) return SetName();
    if (Is(1, "setinfo") && argv_.size() == 4) return SetInfo();
    if (Is(1, "info")) return Info();
    if (Is(1, "reply")) return Reply();
    if (Is(1, "list")) return List();
    if (Is(1, "kill")) return argv_.size() == 3 ? KillByAddress() : Kill();
    if (Is(1, "unblock")) return Unblock();
    session_.AnswerError("ERR the agent does not serve this subcommand of CLIENT");
  }

 private:
  [[nodiscard]] bool Is(size_t i, std::string_view lower_case) const {
    return i < argv_.size() && EqualsIgnoringCase(argv_[i], lower_case);
  }
  [[nodiscard]] RespVersion version() const { return session_.identity().version; }
  void Error(std::string_view text) { session_.AnswerError(text); }
  void Simple(std::string_view text) {
    session_.Answer(Encode(version(), [&](ReplyWriter& writer) { writer.Simple(text); }));
  }
  void Integer(int64_t value) {
    session_.Answer(Encode(version(), [&](ReplyWriter& writer) { writer.Integer(value); }));
  }

  void GetName() {
    const std::string& name = session_.about().name;
    session_.Answer(Encode(version(), [&](ReplyWriter& writer) {
      if (name.empty()) {
        writer.Null();
      } else {
        writer.Bulk(name);
      }
    }));
  }

  static bool IsPlain(std::string_view word) {
    return std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c < 127; });
  }

  void SetName() {
    if (!IsPlain(argv_[2])) {
      return Error("ERR Client names cannot contain spaces, newlines or special characters.");
    }
    session_.about().name = std::string(argv_[2]);
    Simple("OK");
  }

  void SetInfo() {
    if (!IsPlain(argv_[3])) {
      return Error(
          "ERR lib-name and lib-ver cannot contain spaces, newlines or special "
          "characters.");
    }
    if (Is(2, "lib-name")) session_.about().library = std::string(argv_[3]);
    if (Is(2, "lib-ver")) session_.about().library_version = std::string(argv_[3]);
    Simple("OK");
  }

  void Info() {
    const std::string line = DescribeClient(session_, thread_.now_us()) + "\n";
    session_.Answer(Encode(version(), [&](ReplyWriter& writer) { writer.Verbatim("txt", line); }));
  }

  // Silence is the session's: the engine has to answer, or nobody knew whose reply is whose.
  void Reply() {
    using Mode = Session::ReplyMode;
    if (Is(2, "on")) {
      session_.set_reply_mode(Mode::kOn);
      return Simple("OK");
    }
    if (Is(2, "off")) return session_.set_reply_mode(Mode::kOff);
    if (!Is(2, "skip")) return Error(kSyntax);
    if (session_.reply_mode() != Mode::kOff) session_.set_reply_mode(Mode::kSkipNext);
  }

  // ---- Of all io threads --------------------------------------------------------------------

  // False: the type is none, which is answered.
  bool ReadType(std::string_view word, ClientFilter* filter) {
    filter->type = LowerCase(word);
    for (const char* known : {"normal", "master", "primary", "replica", "slave", "pubsub"}) {
      if (filter->type == known) return true;
    }
    Error("ERR Unknown client type");
    return false;
  }

  void List() {
    ClientFilter filter;
    if (argv_.size() > 3 && Is(2, "id")) {
      for (size_t i = 3; i < argv_.size(); ++i) {
        const auto id = ReadId(argv_[i]);
        if (!id) return Error("ERR Invalid client ID");
        filter.ids.push_back(*id);
      }
    } else if (argv_.size() == 4 && Is(2, "type")) {
      if (!ReadType(argv_[3], &filter)) return;
    } else if (argv_.size() != 2) {
      return Error(kSyntax);
    }
    auto ask = [filter](FrontThread& thread) {
      CrewAnswer answer;
      thread.ForEachClient([&](Session& one) {
        if (!filter.Matches(one)) return;
        answer.lines.emplace_back(one.id(), DescribeClient(one, thread.now_us()));
      });
      return answer;
    };
    auto tell = [version = version()](CrewAnswer answer) {
      std::sort(answer.lines.begin(), answer.lines.end());
      std::string text;
      for (const auto& [id, line] : answer.lines) text += line + "\n";
      return Encode(version, [&](ReplyWriter& writer) { writer.Verbatim("txt", text); });
    };
    AskPermitted(EncodeCommand({"CLIENT", "LIST", "ID", kNobody}), std::move(ask), std::move(tell));
  }

  // CLIENT KILL ip:port, which answers OK, and may mean the client itself.
  void KillByAddress() {
    ClientFilter filter;
    filter.address = std::string(argv_[2]);
    KillMatching(filter, [version = version()](CrewAnswer answer) {
      return Encode(version, [&](ReplyWriter& writer) {
        if (answer.count > 0) {
          writer.Simple("OK");
        } else {
          writer.Error("ERR No such client");
        }
      });
    });
  }

  void Kill() {
    ClientFilter filter;
    filter.except = session_.id();
    if (argv_.size() % 2 != 0 || argv_.size() < 4) return Error(kSyntax);
    for (size_t i = 2; i + 1 < argv_.size(); i += 2) {
      const std::string_view value = argv_[i + 1];
      if (Is(i, "id")) {
        const auto id = ReadId(value);
        if (!id) return Error("ERR client-id should be greater than 0");
        filter.ids.assign(1, *id);
      } else if (Is(i, "type")) {
        if (!ReadType(value, &filter)) return;
      } else if (Is(i, "addr")) {
        filter.address = std::string(value);
      } else if (Is(i, "laddr")) {
        filter.local_address = std::string(value);
      } else if (Is(i, "user")) {
        filter.user = std::string(value);
      } else if (Is(i, "skipme") && (Is(i + 1, "yes") || Is(i + 1, "no"))) {
        filter.except = Is(i + 1, "yes") ? session_.id() : 0;
      } else {
        return Error(kSyntax);
      }
    }
    KillMatching(filter, [version = version()](CrewAnswer answer) {
      return Encode(version, [&](ReplyWriter& writer) { writer.Integer(answer.count); });
    });
  }

  // The client itself, if it is among them, is told before it is cut.
  void KillMatching(const ClientFilter& filter, std::function<std::string(CrewAnswer)> tell) {
    auto ask = [filter, asker = session_.id()](FrontThread& thread) {
      CrewAnswer answer;
      thread.ForEachClient([&](Session& one) {
        if (!filter.Matches(one)) return;
        ++answer.count;
        if (one.id() == asker) {
          one.CloseAfterReplies();
        } else {
          one.Cut();
        }
      });
      return answer;
    };
    AskPermitted(EncodeCommand({"CLIENT", "KILL", "ID", kNobody}), std::move(ask), std::move(tell));
  }

  // Its reply is the engine's, on its own connection; here 1 says that it was blocked.
  void Unblock() {
    const auto id = argv_.size() >= 3 ? ReadId(argv_[2]) : std::nullopt;
    if (!id) return Error("ERR value is not an integer or out of range");
    const bool error = argv_.size() == 4 && Is(3, "error");
    if (argv_.size() > 4 || (argv_.size() == 4 && !error && !Is(3, "timeout"))) {
      return Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
    auto ask = [id, error](FrontThread& thread) {
      CrewAnswer answer;
      thread.ForEachClient([&](Session& one) {
        if (one.id() != *id || one.blocking() == nullptr) return;
        const int64_t engine_id = one.blocking()->engine_id();
        if (engine_id == 0) return;  // Its user may not ask for it: nobody can.
        answer.count = 1;
        thread.TellEngine(EncodeCommand(
            {"CLIENT", "UNBLOCK", std::to_string(engine_id), error ? "ERROR" : "TIMEOUT"}));
      });
      return answer;
    };
    auto tell = [version = version()](CrewAnswer answer) {
      return Encode(version, [&](ReplyWriter& writer) { writer.Integer(answer.count); });
    };
    AskPermitted(EncodeCommand({"CLIENT", "UNBLOCK", kNobody}), std::move(ask), std::move(tell));
  }

  void AskPermitted(const std::string& probe, std::function<CrewAnswer(FrontThread&)> ask,
                    std::function<std::string(CrewAnswer)> tell) {
    session_.AskPermission(probe, [&thread = thread_, &session = session_, ask = std::move(ask),
                                   tell = std::move(tell)] { thread.AskCrew(session, ask, tell); });
  }

  FrontThread& thread_;
  Session& session_;
  const Argv argv_;
};

}  // namespace

void AnswerClientCommand(FrontThread& thread, Session& session,
                         std::span<const std::string_view> argv) {
  ClientAnswering(thread, session, argv).Do();
}

}  // namespace cairn::adapter::redis
