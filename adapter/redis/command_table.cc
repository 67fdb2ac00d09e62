#include "adapter/redis/command_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

using Argv = std::span<const std::string_view>;

constexpr CommandPolicy kUnknown = {.kind = CommandClass::kWrite, .rule = ArgumentRule::kAllKeys};
// The engine will refuse the call with its own words before anything happens.
constexpr CommandPolicy kMistaken = {.kind = CommandClass::kLocal};

// A name in lower case without an allocation. No command has a name that is longer.
class LowerName {
 public:
  explicit LowerName(std::string_view name) : size_(std::min(name.size(), bytes_.size())) {
    std::transform(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(size_), bytes_.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 64> bytes_;
  size_t size_;
};

// Its own row, else its flags, else the row of the command that it is a part of.
CommandPolicy Resolve(const CommandInfo& info, std::string_view container) {
  if (const CommandPolicy* const own = FindPolicy(info.name)) return *own;
  if (info.Has(kFlagWrite)) return {.kind = CommandClass::kWrite};
  if (info.Has(kFlagReadOnly)) return {.kind = CommandClass::kRead};
  if (info.name.ends_with("|help")) return {.kind = CommandClass::kLocal};
  if (const CommandPolicy* const whole = FindPolicy(container)) return *whole;
  return kUnknown;
}

bool IsData(CommandClass kind) {
  return kind == CommandClass::kRead || kind == CommandClass::kWrite;
}

// The row of a call by its first two arguments; null if there is none.
const CommandPolicy* PolicyOfTwo(std::string_view name, Argv argv) {
  if (argv.size() < 2) return nullptr;
  return FindPolicy(fmt::format("{}|{}", name, LowerName(argv[1]).view()));
}

bool HasOption(Argv argv, size_t from, std::string_view lower_case) {
  for (size_t i = from; i < argv.size(); ++i) {
    if (EqualsIgnoringCase(argv[i], lower_case)) return true;
  }
  return false;
}

// The keys that stand behind STORE or STOREDIST. Which of several counts is the engine's affair.
void AddDestinations(Argv argv, std::vector<KeyRef>* keys) {
  for (size_t i = 2; i + 1 < argv.size(); ++i) {
    if (EqualsIgnoringCase(argv[i], "store") || EqualsIgnoringCase(argv[i], "storedist")) {
      keys->push_back({static_cast<uint32_t>(i + 1), true});
    }
  }
}

void JudgeRead(Argv argv, ArgumentRule rule, CommandPlan* plan) {
  plan->read = ReadRule::kWholeOffset;
  plan->marks = MarkScope::kNothing;
  plan->writes = false;
  if (rule == ArgumentRule::kWholeOffset) return;
  if (rule == ArgumentRule::kSecondIsKey) {
    if (argv.size() < 3) return;
    plan->keys.assign(1, {2, false});
    plan->read = ReadRule::kKeys;
    return;
  }
  if (rule == ArgumentRule::kSort || rule == ArgumentRule::kGeoStore) {
    if (HasOption(argv, 2, "by") || HasOption(argv, 2, "get")) return;
    plan->keys.assign(1, {1, false});
    plan->read = ReadRule::kKeys;
    return;
  }
  plan->keys.clear();
  const bool complete = FindKeys(*plan->info, argv, &plan->keys);
  if (complete && !plan->keys.empty()) plan->read = ReadRule::kKeys;
}

// SORT and GEORADIUS: writes only with a destination.
void JudgeStore(Argv argv, ArgumentRule rule, CommandPlan* plan) {
  plan->keys.assign(1, {1, false});
  AddDestinations(argv, &plan->keys);
  plan->marks = MarkScope::kKeys;
  if (plan->keys.size() > 1) return;
  if (plan->kind == CommandClass::kWrite) plan->kind = CommandClass::kRead;
  JudgeRead(argv, rule, plan);
}

void JudgeWrite(Argv argv, ArgumentRule rule, CommandPlan* plan) {
  plan->writes = true;
  switch (rule) {
    case ArgumentRule::kNoKeys:
      return;
    case ArgumentRule::kAllKeys:
      plan->marks = MarkScope::kAllDatabases;
      return;
    case ArgumentRule::kDatabase:
      plan->marks = MarkScope::kDatabase;
      return;
    case ArgumentRule::kSort:
    case ArgumentRule::kGeoStore:
      return JudgeStore(argv, rule, plan);
    case ArgumentRule::kCopy:
      if (HasOption(argv, 3, "db")) {
        plan->marks = MarkScope::kAllDatabases;
        return;
      }
      break;
    default:
      break;
  }
  const bool complete = FindKeys(*plan->info, argv, &plan->keys);
  const bool some = std::any_of(plan->keys.begin(), plan->keys.end(),
                                [](const KeyRef& key) { return key.written; });
  if (complete && some) {
    plan->marks = MarkScope::kKeys;
  } else {
    // A script may SELECT another database; what speaks of no key at all may do anything. Other
    // calls whose keys are not found are wrong, or have keys that moved: in this database.
    const bool bounded =
        rule != ArgumentRule::kScript && (!complete || !plan->info->key_specs.empty());
    plan->marks = bounded ? MarkScope::kDatabase : MarkScope::kAllDatabases;
  }
}

// A name without a value is the engine's affair.
void JudgeConfigSet(Argv argv, CommandPlan* plan) {
  for (size_t i = 2; i + 1 < argv.size(); i += 2) {
    const std::optional<std::string_view> guarded = GuardedConfig(argv[i], argv[i + 1]);
    if (!guarded) continue;
    plan->kind = CommandClass::kRefused;
    plan->reason = *guarded;
    return;
  }
}

// The ids of clients are the agent's: to the engine, one may be a connection that many share.
void JudgeRedirect(Argv argv, CommandPlan* plan) {
  if (!HasOption(argv, 3, "redirect")) return;
  plan->kind = CommandClass::kRefused;
  plan->pin = PinReason::kNone;
  plan->reason = "invalidations cannot go to another client; use RESP3, which needs no other";
}

void JudgeDebug(Argv argv, CommandPlan* plan) {
  if (argv.size() < 2 || !HarmlessDebug(argv[1])) return;
  plan->kind = CommandClass::kRead;
  plan->read = ReadRule::kWholeOffset;
}

}  // namespace

absl::StatusOr<CommandTable> CommandTable::FromReply(const RespValue& reply) {
  if (!reply.list() || reply.items.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("COMMAND answers no list of commands but '{}'", reply.text.substr(0, 100)));
  }
  CommandTable table;
  for (const RespValue& element : reply.items) {
    Known known;
    ASSIGN_OR_RETURN(known.info, ReadCommandInfo(element));
    const std::string name = known.info.name;
    known.policy = Resolve(known.info, "");
    for (const CommandInfo& sub : known.info.subcommands) {
      known.subcommand_policies.push_back(Resolve(sub, name));
    }
    known.judged_by_second_name = known.info.subcommands.empty() && HasSubcommandPolicies(name);
    table.commands_[name] = std::move(known);
  }
  return table;
}

CommandTable::Call CommandTable::Find(Argv argv) const {
  const LowerName name(argv[0]);
  const auto found = commands_.find(ToAbsl(name.view()));
  if (found == commands_.end()) {
    const CommandPolicy* policy = PolicyOfTwo(name.view(), argv);
    if (policy == nullptr) policy = FindPolicy(name.view());
    // Rows of data commands rest on what the engine says of them.
    if (policy == nullptr || IsData(policy->kind)) policy = &kUnknown;
    return {nullptr, *policy};
  }
  const Known& known = found->second;
  if (known.info.subcommands.empty() || argv.size() < 2) {
    if (!known.info.TakesArguments(argv.size())) return {&known.info, kMistaken};
    if (known.judged_by_second_name) {
      const CommandPolicy* const policy = PolicyOfTwo(name.view(), argv);
      if (policy != nullptr) return {&known.info, *policy};
    }
    return {&known.info, known.policy};
  }
  const CommandInfo* const sub = known.info.Subcommand(LowerName(argv[1]).view());
  if (sub == nullptr) return {nullptr, kMistaken};
  if (!sub->TakesArguments(argv.size())) return {sub, kMistaken};
  const auto place = static_cast<size_t>(sub - known.info.subcommands.data());
  return {sub, known.subcommand_policies[place]};
}

void CommandTable::Judge(Argv argv, CommandPlan* plan) const {
  CHECK(!argv.empty());
  std::vector<KeyRef> keys = std::move(plan->keys);
  keys.clear();
  *plan = CommandPlan();
  plan->keys = std::move(keys);

  const auto [info, policy] = Find(argv);
  plan->kind = policy.kind;
  plan->agent = policy.agent;
  plan->pin = policy.pin;
  plan->reason = policy.reason;
  plan->hang_up = policy.hang_up;
  plan->info = info;
  plan->before_auth = info != nullptr && info->Has(kFlagNoAuth);
  if (policy.kind == CommandClass::kRead) JudgeRead(argv, policy.rule, plan);
  if (policy.kind == CommandClass::kWrite) JudgeWrite(argv, policy.rule, plan);
  if (policy.rule == ArgumentRule::kConfigSet) JudgeConfigSet(argv, plan);
  if (policy.rule == ArgumentRule::kDebug) JudgeDebug(argv, plan);
  if (policy.rule == ArgumentRule::kRedirect) JudgeRedirect(argv, plan);
  plan->changes_users = policy.rule == ArgumentRule::kUsers;
  if (info == nullptr || !info->Has(kFlagBlocking)) return;
  if (!IsData(plan->kind) ||
      (policy.rule == ArgumentRule::kBlockOption && !HasOption(argv, 1, "block")))
    return;
  plan->kind = CommandClass::kPinned;
  plan->pin = PinReason::kBlocking;
}

std::string CommandTable::RefusalText(Argv argv, const CommandPlan& plan) {
  CHECK(plan.kind == CommandClass::kRefused);
  std::string what = LowerCase(argv[0]);
  // Only words of our own go into the reply, never a client's bytes.
  if (const CommandPolicy* const policy = PolicyOfTwo(what, argv)) what = policy->name;
  if (what == "config|set") {
    return fmt::format("ERR CONFIG SET of that name is refused: {}", plan.reason);
  }
  std::transform(what.begin(), what.end(), what.begin(), [](char c) {
    if (c == '|') return ' ';
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return fmt::format("ERR {} is refused: {}", what, plan.reason);
}

std::vector<const CommandInfo*> CommandTable::All() const {
  std::vector<const CommandInfo*> all;
  for (const auto& [name, known] : commands_) {
    all.push_back(&known.info);
    for (const CommandInfo& sub : known.info.subcommands) all.push_back(&sub);
  }
  std::sort(all.begin(), all.end(),
            [](const CommandInfo* a, const CommandInfo* b) { return a->name < b->name; });
  return all;
}

}  // namespace cairn::adapter::redis
