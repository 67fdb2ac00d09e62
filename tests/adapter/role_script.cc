#include "tests/adapter/role_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "adapter/role.h"
#include "base/check.h"

namespace cairn::adapter {
namespace {

constexpr int64_t kTtlUs = 2 * kMicrosPerSecond;

// "a<separator>b" taken apart; b is empty without a separator.
std::pair<std::string, std::string> Cut(const std::string& text, char separator) {
  const size_t at = text.find(separator);
  if (at == std::string::npos) return {text, ""};
  return {text.substr(0, at), text.substr(at + 1)};
}

uint64_t Number(const std::string& text) { return text.empty() ? 0 : std::stoull(text); }

StreamPlace Place(const std::string& text) {
  const auto [history, offset] = Cut(text, ':');
  return {history, StreamOffset(Number(offset))};
}

Meeting MeetingOf(const std::string& text) {
  const auto [place, seq] = Cut(text, '@');
  return {Place(place), Seq(Number(seq))};
}

// An event's words, and its options by name.
class Line {
 public:
  explicit Line(const std::string& text) {
    std::istringstream in(text);
    for (std::string word; in >> word;) {
      const auto [name, value] = Cut(word, '=');
      if (value.empty()) {
        words_.push_back(word);
      } else {
        options_[name] = value;
      }
    }
  }
  [[nodiscard]] std::string word(size_t i) const { return i < words_.size() ? words_[i] : ""; }
  [[nodiscard]] bool has(const std::string& word) const {
    return std::find(words_.begin(), words_.end(), word) != words_.end();
  }
  [[nodiscard]] std::string option(const std::string& name, const std::string& other = "") const {
    const auto found = options_.find(name);
    return found == options_.end() ? other : found->second;
  }
  void DropFirstWord() { words_.erase(words_.begin()); }

 private:
  std::vector<std::string> words_;
  std::map<std::string, std::string> options_;
};

Refusal RefusalOf(const std::string& word) {
  if (word == "held") return Refusal::kHeld;
  if (word == "condition") return Refusal::kConditionFailed;
  if (word == "behind") return Refusal::kNotCaughtUp;
  if (word == "lost") return Refusal::kLeaseLost;
  return Refusal::kOther;
}

PublisherTrouble TroubleOf(const std::string& word) {
  if (word == "connection") return PublisherTrouble::kConnection;
  return word == "fenced" ? PublisherTrouble::kFenced : PublisherTrouble::kUnknown;
}

class Runner {
 public:
  std::string Run(const std::string& script) {
    std::istringstream in(script);
    for (std::string text; std::getline(in, text);) {
      if (text.starts_with("  ")) continue;  // An old output.
      out_ += text + "\n";
      if (text.empty() || text.starts_with("#")) continue;
      Execute(text);
    }
    return out_;
  }

 private:
  void Execute(const std::string& text) {
    Line line(text);
    quiet_ = line.word(0) == "quietly";
    if (quiet_) line.DropFirstWord();
    if (line.word(0).starts_with("+")) {
      now_us_ += static_cast<int64_t>(Number(line.word(0).substr(1))) * kMicrosPerMilli;
      line.DropFirstWord();
    }
    const std::string name = line.word(0);
    if (name == "role") return Begin(line.has("adopt"));
    if (name == "replica") return BeReplica(Number(line.word(1)));
    if (name == "primary") return BePrimary(Number(line.word(1)));
    if (name == "show") return Show();
    if (!OfLog(name, line) && !OfEngine(name, line) && !OfLease(name, line) &&
        !OfOperator(name, line)) {
      out_ += "  unknown command\n";
    }
  }

  void Begin(bool adopt) {
    RoleOptions options;
    options.adopt = adopt;
    role_.emplace(options);
    log_ = {};
    state_ = role_->state();
  }

  void Quietly(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) Execute("quietly " + line);
  }

  void BeReplica(uint64_t seq) {
    Begin(false);
    Quietly({"log-back",
             fmt::format("log read={} lease=other:1 data=R0:{}@{} caught-up", seq, seq * 10, seq),
             "engine ready run=e1 nothing", fmt::format("resynced {}:{}", seq, seq * 10)});
  }

  void BePrimary(uint64_t epoch) {
    const uint64_t seq = epoch - 1;
    BeReplica(seq);
    Quietly({"+5000 tick", "+100 tick", fmt::format("granted {} safe=1800", epoch),
             fmt::format("log read={} lease=mine:{} alive", epoch, epoch),
             fmt::format("fed {}:{} acked={}:{}", epoch, seq * 10, epoch, seq * 10),
             fmt::format("promoted {} R{}:{}", seq * 10, epoch, seq * 10), "attached",
             fmt::format("log read={} data=R{}:{}@{}", epoch + 1, epoch, seq * 10, epoch + 1)});
    CHECK(role_->state() == RoleState::kPrimary);
  }

  void Show() {
    out_ += fmt::format("  {}, {}", Name(role_->state()), Describe(FrontOrder{role_->front()}));
    out_ += fmt::format(", epoch {}", role_->epoch());
    if (const auto wake = role_->wake_at_us()) {
      out_ += fmt::format(", wakes in {} ms", (*wake - now_us_) / kMicrosPerMilli);
    }
    out_ += "\n";
  }

  bool Tell(const RoleEvent& event) {
    CHECK(role_.has_value());
    for (const RoleOrder& order : role_->Handle(event, now_us_)) {
      if (!quiet_) out_ += "  " + Describe(order) + "\n";
      Note(order);
    }
    if (!quiet_ && role_->state() != state_) out_ += fmt::format("  = {}\n", Name(role_->state()));
    state_ = role_->state();
    return true;
  }

  // Answers name what was asked last.
  void Note(const RoleOrder& order) {
    if (const auto* campaign = std::get_if<CampaignOrder>(&order)) attempt_ = campaign->attempt;
    if (const auto* take = std::get_if<TakeOverOrder>(&order)) attempt_ = take->attempt;
    if (const auto* adopt = std::get_if<AdoptLeaseOrder>(&order)) attempt_ = adopt->attempt;
    if (const auto* drain = std::get_if<DrainOrder>(&order)) drain_ = drain->drain;
  }

  bool OfLog(const std::string& name, const Line& line) {
    if (name == "tick") return Tell(TickEvent{std::stod(line.option("draw", "0"))});
    if (name == "log-away") return Tell(LogReachEvent{false});
    if (name == "log-back") return Tell(LogReachEvent{true});
    if (name == "newer-records") return Tell(VersionFenceEvent{true});
    if (name == "newer-engine") return Tell(VersionFenceEvent{false});
    if (name != "log") return false;
    if (const auto read = line.option("read"); !read.empty()) log_.read_seq = Seq(Number(read));
    if (const auto lease = line.option("lease"); !lease.empty()) log_.lease = LeaseOf(lease, line);
    if (const auto data = line.option("data"); !data.empty()) {
      log_.published.reset();
      if (data != "none") log_.published = MeetingOf(data);
    }
    if (log_.lease.owner == LeaseOwner::kOther) log_.others_epoch = log_.lease.epoch;
    if (const auto others = line.option("others"); !others.empty()) {
      log_.others_epoch = Epoch(Number(others));
    }
    log_.caught_up = line.has("caught-up");
    log_.lease_alive = line.has("alive");
    return Tell(log_);
  }

  static LeaseView LeaseOf(const std::string& text, const Line& line) {
    const auto [owner, epoch] = Cut(text, ':');
    LeaseView lease{LeaseOwner::kNobody, Epoch(Number(epoch)), kTtlUs, line.has("given")};
    if (owner == "other") lease.owner = LeaseOwner::kOther;
    if (owner == "mine") lease.owner = LeaseOwner::kMine;
    if (owner == "past") lease.owner = LeaseOwner::kMyPast;
    return lease;
  }

  bool OfEngine(const std::string& name, const Line& line) {
    const auto [seq, offset] = Cut(line.word(1), ':');
    if (name == "engine" && line.word(1) == "down") return Tell(EngineDownEvent{});
    if (name == "engine") return Tell(EngineReadyEvent{line.option("run"), ClaimOf(line)});
    if (name == "fed") {
      const auto [acked, acked_offset] = Cut(line.option("acked"), ':');
      return Tell(EngineFedEvent{Seq(Number(seq)), Seq(Number(acked)), StreamOffset(Number(offset)),
                                 StreamOffset(Number(acked_offset))});
    }
    if (name == "resynced") {
      return Tell(ResyncedEvent{Seq(Number(seq)), StreamOffset(Number(offset))});
    }
    if (name == "resync-failed") return Tell(ResyncFailedEvent{});
    if (name == "promoted") {
      return Tell(PromotedEvent{StreamOffset(Number(line.word(1))), Place(line.word(2))});
    }
    if (name == "promotion-failed") return Tell(PromotionFailedEvent{});
    return false;
  }

  static EngineClaim ClaimOf(const Line& line) {
    if (const auto follows = line.option("follows"); !follows.empty()) {
      const auto [seq, offset] = Cut(follows, ':');
      return FollowsLog{Seq(Number(seq)), StreamOffset(Number(offset))};
    }
    if (const auto leads = line.option("leads"); !leads.empty()) return LeadsItself{Place(leads)};
    return KnowsNothing{};
  }

  bool OfLease(const std::string& name, const Line& line) {
    const uint64_t attempt = Number(line.option("attempt", std::to_string(attempt_)));
    const auto epoch = [&line] { return Epoch(Number(line.word(1))); };
    const auto ms = [](const std::string& text) {
      return static_cast<int64_t>(Number(text)) * kMicrosPerMilli;
    };
    if (name == "granted") {
      return Tell(GrantedEvent{attempt, epoch(), now_us_ + ms(line.option("safe", "1800"))});
    }
    if (name == "refused") {
      return Tell(RefusedEvent{attempt, RefusalOf(line.word(1)), ms(line.option("after"))});
    }
    if (name == "unknown") return Tell(AttemptUnknownEvent{attempt});
    if (name == "safe") return Tell(LeaseSafeEvent{role_->epoch(), now_us_ + ms(line.word(1))});
    if (name == "lost") {
      return Tell(LeaseLostEvent{
          Epoch(Number(line.option("epoch", std::to_string(role_->epoch().value()))))});
    }
    if (name == "transferred") return Tell(TransferredEvent{epoch()});
    if (name == "not-transferred") return Tell(NotTransferredEvent{RefusalOf(line.word(1))});
    if (name == "transfer-unknown") return Tell(TransferUnknownEvent{});
    return false;
  }

  bool OfOperator(const std::string& name, const Line& line) {
    if (name == "attached") return Tell(AttachedEvent{Attachment::kContinued});
    if (name == "attached-gap") return Tell(AttachedEvent{Attachment::kGap});
    if (name == "attach-failed") return Tell(AttachedEvent{Attachment::kFailed});
    if (name == "publisher-failed") return Tell(PublisherFailedEvent{TroubleOf(line.word(1))});
    if (name == "publisher-stopped") {
      const StreamPlace place = Place(line.word(1));
      return Tell(PublisherStoppedEvent{place.history, place.offset,
                                        StreamOffset(Number(line.option("read")))});
    }
    if (name == "drained") {
      return Tell(DrainedEvent{Number(line.option("drain", std::to_string(drain_))),
                               Seq(Number(line.word(1)))});
    }
    if (name == "hand-over") return Tell(HandOverEvent{line.word(1)});
    if (name == "step-down") return Tell(StepDownEvent{});
    if (name == "stop") return Tell(StopEvent{line.word(1)});
    return false;
  }

  std::optional<Role> role_;
  LogSeenEvent log_;
  RoleState state_ = RoleState::kFollower;
  MonoMicros now_us_ = 0;
  uint64_t attempt_ = 0;
  uint64_t drain_ = 0;
  bool quiet_ = false;
  std::string out_;
};

}  // namespace

std::string RunRoleScript(const std::string& script) { return Runner().Run(script); }

}  // namespace cairn::adapter
