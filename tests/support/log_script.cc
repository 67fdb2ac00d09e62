#include "tests/support/log_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/overloaded.h"
#include "base/strings.h"
#include "server/log_state.h"

namespace cairn::server {
namespace {

constexpr GroupId kLog{7};
const std::string kIndent = "    ";

// One command line: a verb, plain words, and name=value options.
struct Command {
  std::string verb;
  std::vector<std::string> words;
  std::map<std::string, std::string> options;

  explicit Command(const std::string& line) {
    std::istringstream in(line);
    in >> verb;
    for (std::string word; in >> word;) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos) {
        words.push_back(word);
      } else {
        options[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
  }

  [[nodiscard]] std::string Word(size_t i, const std::string& otherwise = "") const {
    return i < words.size() ? words[i] : otherwise;
  }
  [[nodiscard]] bool Has(const std::string& word) const {
    return std::find(words.begin(), words.end(), word) != words.end();
  }
  [[nodiscard]] std::string Text(const std::string& name, const std::string& otherwise) const {
    const auto it = options.find(name);
    return it == options.end() ? otherwise : it->second;
  }
  [[nodiscard]] uint64_t Number(const std::string& name, uint64_t otherwise) const {
    const auto it = options.find(name);
    return it == options.end() ? otherwise : std::stoull(it->second);
  }
  [[nodiscard]] std::optional<Seq> SeqOption(const std::string& name) const {
    const auto it = options.find(name);
    if (it == options.end()) return std::nullopt;
    return Seq(std::stoull(it->second));
  }
};

std::string Seconds(int64_t us) { return fmt::format("{:.3f}", static_cast<double>(us) / 1e6); }

std::string Range(Seq first, Seq last) {
  return first == last ? fmt::format("{}", first) : fmt::format("{}..{}", first, last);
}

std::string LeaseText(const cairn::v1::LeaseState& lease) {
  if (lease.holder().empty()) return fmt::format("lease {}: free", lease.name());
  return fmt::format("lease {}: {} epoch={} ttl={} left={}", lease.name(), lease.holder(),
                     lease.epoch(), lease.ttl_ms(), lease.remaining_ms());
}

std::string RejectionText(const Rejection& rejection) {
  const cairn::v1::ErrorInfo& info = rejection.info;
  std::string name = cairn::v1::Reason_Name(info.reason());
  std::string details;
  if (info.last_seq() != 0) details += fmt::format(" last_seq={}", info.last_seq());
  if (info.first_seq() != 0) details += fmt::format(" first_seq={}", info.first_seq());
  if (info.expected_sequence() != 0) details += fmt::format(" next={}", info.expected_sequence());
  if (info.limit() != 0) details += fmt::format(" limit={} actual={}", info.limit(), info.actual());
  return fmt::format("{}{} ({})", name.substr(std::string("REASON_").size()), details,
                     rejection.message);
}

std::string ReplyText(const Reply& reply) {
  return std::visit(
      Overloaded{
          [](const Rejection& r) { return RejectionText(r); },
          [](const AppendDone& r) {
            return fmt::format("{} {} t={}", r.duplicate ? "duplicate of" : "appended",
                               Range(r.first_seq, r.last_seq), Seconds(r.timestamp_us));
          },
          [](const RegisterProducerDone& r) { return fmt::format("producer {}", r.producer_id); },
          [](const LeaseGranted& r) {
            return fmt::format("granted epoch={} last_seq={}", r.epoch, r.last_seq);
          },
          [](const LeaseRenewed& r) { return fmt::format("renewed ttl={}", r.ttl_ms); },
          [](const LeaseReleased& r) { return fmt::format("released last_seq={}", r.last_seq); },
          [](const TrimDone& r) { return fmt::format("trimmed first_seq={}", r.first_seq); },
          [](const Done&) { return std::string("done"); },
          [](const auto&) -> std::string { CHECK_UNREACHABLE(); },
      },
      reply);
}

std::string EvaluationText(const Evaluation& evaluation) {
  if (const auto* accepted = std::get_if<Accepted>(&evaluation)) {
    return "accepted: " + ReplyText(accepted->reply);
  }
  const Decided& decided = std::get<Decided>(evaluation);
  switch (decided.rests) {
    case Decided::Rests::kNothing:
      return "now: " + ReplyText(decided.reply);
    case Decided::Rests::kEntry:
      return fmt::format("after entry {}: {}", decided.index, ReplyText(decided.reply));
    case Decided::Rests::kUpToDate:
      return "if up to date: " + ReplyText(decided.reply);
  }
  CHECK_UNREACHABLE();
}

std::string ItemText(const cairn::v1::EntryItem& item) {
  using cairn::v1::EntryItem;
  switch (item.item_case()) {
    case EntryItem::kAppend:
      return fmt::format("append +{}", item.append().count());
    case EntryItem::kRegisterProducer:
      return fmt::format("register {}", item.register_producer().producer_id());
    case EntryItem::kRenew:
      return fmt::format("renew {} epoch={}", item.renew().name(), item.renew().epoch());
    case EntryItem::kTrim:
      return fmt::format("trim {}", item.trim().first_seq());
    case EntryItem::kSnapshot:
      return fmt::format("snapshot {} seq={}", item.snapshot().name(), item.snapshot().seq());
    case EntryItem::kSettings:
      return "settings";
    case EntryItem::kLeaseRecordOffset:
      return fmt::format("lease record at {}", item.lease_record_offset());
    case EntryItem::kExpireProducers:
      return fmt::format("forget {} producers", item.expire_producers().producer_ids_size());
    case EntryItem::kImport:
      return fmt::format("import +{}", item.import().count());
    case EntryItem::kFinishImport:
      return fmt::format("import ends with {}", item.finish_import().last_seq());
    case EntryItem::ITEM_NOT_SET:
      return "nothing";
  }
  CHECK_UNREACHABLE();
}

std::string StateText(const LogFacts& facts) {
  std::string text = fmt::format("records {} t={}",
                                 facts.last_seq + 1 == facts.first_seq
                                     ? fmt::format("none, last={}", facts.last_seq)
                                     : Range(facts.first_seq, facts.last_seq),
                                 Seconds(facts.timestamp_us));
  for (const auto& [name, lease] : facts.leases.leases()) {
    text += fmt::format("\n  lease {}: {} epoch={} ttl={} at index {}", name, lease.holder,
                        lease.epoch, lease.ttl_ms, lease.last_renewal);
  }
  for (const auto& [id, producer] : facts.producers.producers()) {
    text += fmt::format("\n  producer {}: sequence {}, {} results kept", id, producer.last_sequence,
                        producer.results.size());
  }
  for (const auto& snapshot : facts.snapshots) {
    text += fmt::format("\n  snapshot {}: seq {}", snapshot.name(), snapshot.seq());
  }
  if (!facts.settings.trim_guard().empty()) text += "\n  guard " + facts.settings.trim_guard();
  return text;
}

class World {
 public:
  std::string Run(const Command& command) {
    if (command.verb == "log") return Begin(command);
    if (command.verb == "lead") return Lead(command.Word(0));
    if (command.verb == "time") return Pass(command);
    if (command.verb == "propose") return Propose();
    if (command.verb == "commit") return Commit(command);
    if (command.verb == "restart") return Restart(command.Word(0));
    if (command.verb == "housekeep") return Housekeep(command);
    if (command.verb == "state") {
      if (command.words.empty()) return "speculation: " + StateText(leader().speculative());
      return command.Word(0) + ": " + StateText(nodes_.at(command.Word(0))->applied());
    }
    if (command.verb == "lease") {
      const std::string node = command.Text("node", leader_);
      return fmt::format(
          "{}: {}", node,
          LeaseText(nodes_.at(node)->DescribeLease(command.Word(0, kDefaultLease), now_)));
    }
    return Request(command);
  }

 private:
  LogState& leader() { return *nodes_.at(leader_); }

  std::string Begin(const Command& command) {
    cairn::v1::LogSettings settings;
    if (command.Has("fenced")) settings.set_fenced(true);
    if (command.options.count("guard") != 0) settings.set_trim_guard(command.Text("guard", ""));
    limits_.max_leases = static_cast<uint32_t>(command.Number("max_leases", limits_.max_leases));
    limits_.max_producers =
        static_cast<uint32_t>(command.Number("max_producers", limits_.max_producers));
    limits_.max_snapshots =
        static_cast<uint32_t>(command.Number("max_snapshots", limits_.max_snapshots));
    limits_.producer_expiry_ms = command.Number("expiry", limits_.producer_expiry_ms);
    limits_.entry_bytes = command.Number("entry_bytes", limits_.entry_bytes);
    for (const char* name : {"n1", "n2"}) {
      nodes_[name] = std::make_unique<LogState>(LogFacts::Empty(kLog, settings), Index(), limits_);
    }
    return "";
  }

  std::string Lead(const std::string& name) {
    if (!leader_.empty()) leader().EndTerm();
    begun_ = false;
    const size_t lost = log_.size() - committed_;
    log_.resize(committed_);
    leader_ = name;
    log_.emplace_back();  // Its no-op, committed at once.
    committed_ = log_.size();
    ApplyTo(name);
    leader().BeginTerm(now_);
    return fmt::format("{} leads from index {}, {} entries lost", name, log_.size(), lost);
  }

  std::string Pass(const Command& command) {
    const auto ms = static_cast<int64_t>(std::stoull(command.Word(0)));
    now_.mono += ms * kMicrosPerMilli;
    now_.wall += std::stoll(command.Text("wall", std::to_string(ms))) * kMicrosPerMilli;
    return "";
  }

  void NeedEntry() {
    if (!begun_) leader().BeginEntry(Index(log_.size() + 1), now_);
    begun_ = true;
  }

  std::string Propose() {
    if (!begun_) return "nothing begun";
    begun_ = false;
    std::optional<Bytes> payload = leader().FinishEntry();
    if (!payload.has_value()) return "no entry";
    log_.push_back(*payload);
    const auto view = storage::EntryView::Parse(log_.back()->view());
    CHECK(view.ok());
    const storage::EntryHeader& header = view->header();
    std::string text = fmt::format(
        "entry {}: {} t={}", log_.size(),
        header.record_count == 0 ? "no record" : Range(header.first_seq, header.last_seq()),
        Seconds(header.timestamp_us));
    const auto items = view->Items();
    CHECK(items.ok());
    for (const auto& item : items->items()) text += ", " + ItemText(item);
    return text;
  }

  std::string Commit(const Command& command) {
    committed_ = command.words.empty() ? log_.size() : std::stoull(command.Word(0));
    CHECK_LE(committed_, log_.size());
    const std::string except = command.Text("except", "");
    for (const auto& [name, node] : nodes_) {
      if (name == except) continue;
      if (const std::string error = ApplyTo(name); !error.empty()) return error;
    }
    return fmt::format("committed through {}", committed_);
  }

  std::string ApplyTo(const std::string& name) {
    LogState& node = *nodes_.at(name);
    while (node.applied_index().value() < committed_) {
      const Index index = node.applied_index() + 1;
      const std::optional<Bytes>& entry = log_[index.value() - 1];
      if (!entry.has_value()) {
        node.ApplyEmpty(index);
      } else if (const absl::Status status = node.Apply(index, entry->view(), now_); !status.ok()) {
        return fmt::format("{}: {}", name, ToStd(status.message()));
      }
    }
    return "";
  }

  std::string Restart(const std::string& name) {
    std::unique_ptr<LogState>& node = nodes_.at(name);
    const Index applied = node->applied_index();
    auto facts = LogFacts::FromSnapshot(node->applied().ToSnapshot());
    CHECK(facts.ok());
    if (name == leader_) leader_.clear();
    node = std::make_unique<LogState>(*facts, applied, limits_);
    return fmt::format("{} is back at index {}", name, applied);
  }

  std::string Housekeep(const Command& command) {
    NeedEntry();
    const bool due = leader().HousekeepingDue(now_);
    leader().EvaluateHousekeeping(now_, command.SeqOption("retention"));
    return due ? "due" : "not due";
  }

  std::string Request(const Command& command) {
    const RequestBody body = Body(command);
    NeedEntry();
    const Evaluation evaluation = leader().Evaluate(body, now_);
    if (command.verb == "register") {
      const auto* accepted = std::get_if<Accepted>(&evaluation);
      if (accepted != nullptr) {
        producers_[command.Word(0)] = std::get<RegisterProducerDone>(accepted->reply).producer_id;
      }
    }
    return EvaluationText(evaluation);
  }

  RequestBody Body(const Command& command) {
    const std::string lease = command.Text("name", kDefaultLease);
    const auto epoch = [&] { return Epoch(std::stoull(command.Word(0))); };
    if (command.verb == "append") return Append(command);
    if (command.verb == "register") return RegisterProducerOp{};
    if (command.verb == "acquire") {
      return AcquireOp{lease, command.Word(0), command.Number("ttl", 1000),
                       command.SeqOption("if_last_seq")};
    }
    if (command.verb == "renew") return RenewOp{lease, epoch()};
    if (command.verb == "release") return ReleaseOp{lease, epoch()};
    if (command.verb == "transfer") {
      return TransferLeaseOp{lease, epoch(), command.Text("to", ""), command.Number("ttl", 0),
                             command.SeqOption("if_last_seq")};
    }
    if (command.verb == "trim") {
      return TrimOp{Seq(std::stoull(command.Word(0))), command.Has("force")};
    }
    if (command.verb == "snapshot") {
      return RegisterSnapshotOp{command.Word(0), Seq(command.Number("seq", 0)), 0, "here"};
    }
    if (command.verb == "settings") return Settings(command);
    fmt::print(stderr, "unknown command '{}'\n", command.verb);
    CHECK_UNREACHABLE();
  }

  AppendOp Append(const Command& command) {
    AppendOp op;
    op.count = static_cast<uint32_t>(std::stoul(command.Word(0)));
    for (uint32_t i = 0; i < op.count; ++i) {
      cairn::v1::Record record;
      record.set_payload(fmt::format("record {} of request {}", i, requests_++));
      storage::AppendRecordTo(op.records, record.SerializeAsString());
    }
    op.if_last_seq = command.SeqOption("if_last_seq");
    op.lease_name = command.Text("lease", kDefaultLease);
    if (command.options.count("epoch") != 0) op.if_lease_epoch = Epoch(command.Number("epoch", 0));
    const std::string producer = command.Text("producer", "");
    if (!producer.empty()) {
      const auto it = producers_.find(producer);
      op.producer_id = it == producers_.end() ? std::stoull(producer) : it->second;
      op.producer_sequence = command.Number("sequence", 0);
    }
    return op;
  }

  static SettingsOp Settings(const Command& command) {
    SettingsOp op;
    if (command.options.count("guard") != 0) op.settings.set_trim_guard(command.Text("guard", ""));
    if (command.options.count("fenced") != 0) {
      op.settings.set_fenced(command.Number("fenced", 0) != 0);
    }
    if (command.options.count("retention_ms") != 0) {
      op.settings.set_retention_ms(command.Number("retention_ms", 0));
    }
    return op;
  }

  LogLimits limits_;
  std::map<std::string, std::unique_ptr<LogState>> nodes_;
  std::string leader_;
  TurnTime now_{.mono = 5 * kMicrosPerSecond, .wall = 1000 * kMicrosPerSecond};
  std::vector<std::optional<Bytes>> log_;  // Entry i + 1; nullopt: a no-op.
  size_t committed_ = 0;
  bool begun_ = false;
  uint64_t requests_ = 0;
  std::map<std::string, uint64_t> producers_;
};

}  // namespace

std::string RunLogScript(const std::string& script) {
  World world;
  std::istringstream in(script);
  std::string result;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(kIndent, 0) == 0) continue;  // Former output.
    result += line + "\n";
    if (line.empty() || line.front() == '#') continue;
    std::istringstream output(world.Run(Command(line)));
    for (std::string text; std::getline(output, text);) result += kIndent + text + "\n";
  }
  return result;
}

}  // namespace cairn::server
