#include "adapter/redis/command_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

constexpr size_t kFieldsOfSix = 7;
constexpr size_t kFieldsOfSeven = 10;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The value of `key` in a list of keys and values; null if there is none.
const RespValue* Lookup(const RespValue& map, std::string_view key) {
  for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
    if (map.items[i].text == key) return &map.items[i + 1];
  }
  return nullptr;
}

int IntegerOf(const RespValue& map, std::string_view key) {
  const RespValue* const value = Lookup(map, key);
  return value == nullptr ? 0 : static_cast<int>(value->integer);
}

uint32_t FlagsOf(const RespValue& flags, const RespValue& categories) {
  constexpr std::pair<std::string_view, CommandFlag> kNames[] = {
      {"write", kFlagWrite},        {"readonly", kFlagReadOnly},       {"blocking", kFlagBlocking},
      {"@blocking", kFlagBlocking}, {"movablekeys", kFlagMovableKeys}, {"no_auth", kFlagNoAuth}};
  uint32_t bits = 0;
  for (const RespValue* names : {&flags, &categories}) {
    for (const RespValue& item : names->items) {
      for (const auto& [name, flag] : kNames) {
        if (item.text == name) bits |= flag;
      }
    }
  }
  return bits;
}

void ReadBegin(const RespValue& begin, KeySpec& spec) {
  const RespValue* const type = Lookup(begin, "type");
  const RespValue* const detail = Lookup(begin, "spec");
  if (type == nullptr || detail == nullptr) return;
  if (type->text == "index") {
    spec.begin = KeySpec::Begin::kIndex;
    spec.begin_index = IntegerOf(*detail, "index");
  } else if (type->text == "keyword") {
    const RespValue* const keyword = Lookup(*detail, "keyword");
    if (keyword == nullptr) return;
    spec.begin = KeySpec::Begin::kKeyword;
    spec.keyword = LowerCase(keyword->text);
    spec.start_from = IntegerOf(*detail, "startfrom");
  }
}

void ReadFind(const RespValue& find, KeySpec& spec) {
  const RespValue* const type = Lookup(find, "type");
  const RespValue* const detail = Lookup(find, "spec");
  if (type == nullptr || detail == nullptr) return;
  spec.key_step = std::max(IntegerOf(*detail, "keystep"), 1);
  if (type->text == "range") {
    spec.find = KeySpec::Find::kRange;
    spec.last_key = IntegerOf(*detail, "lastkey");
    spec.limit = IntegerOf(*detail, "limit");
  } else if (type->text == "keynum") {
    spec.find = KeySpec::Find::kKeyNumber;
    spec.key_number_index = IntegerOf(*detail, "keynumidx");
    spec.first_key = IntegerOf(*detail, "firstkey");
  }
}

// A field that is missing leaves the specification unknown, which is safe.
KeySpec ReadKeySpec(const RespValue& value) {
  KeySpec spec;
  if (const RespValue* const flags = Lookup(value, "flags"); flags != nullptr) {
    for (const RespValue& flag : flags->items) {
      if (flag.text == "RO") spec.written = false;
      if (flag.text == "not_key") spec.is_key = false;
      if (flag.text == "incomplete") spec.incomplete = true;
    }
  }
  if (const RespValue* const begin = Lookup(value, "begin_search")) ReadBegin(*begin, spec);
  if (const RespValue* const find = Lookup(value, "find_keys")) ReadFind(*find, spec);
  return spec;
}

// Places of keys: all arguments at first, first + step, … up to last.
struct Places {
  int64_t first;
  int64_t last;
};

enum class Found { kYes, kNone, kUnknown };

Found FindBegin(const KeySpec& spec, std::span<const std::string_view> argv, int64_t* begin) {
  const auto argc = static_cast<int64_t>(argv.size());
  if (spec.begin == KeySpec::Begin::kUnknown) return Found::kUnknown;
  if (spec.begin == KeySpec::Begin::kIndex) {
    *begin = spec.begin_index >= 0 ? spec.begin_index : argc + spec.begin_index;
    return *begin > 0 && *begin < argc ? Found::kYes : Found::kNone;
  }
  const bool forwards = spec.start_from > 0;
  const int64_t start = forwards ? spec.start_from : argc + spec.start_from;
  for (int64_t i = start; i > 0 && i < argc; i += forwards ? 1 : -1) {
    if (!EqualsIgnoringCase(argv[static_cast<size_t>(i)], spec.keyword)) continue;
    *begin = i + 1;
    return *begin < argc ? Found::kYes : Found::kNone;
  }
  return Found::kNone;
}

Found FindPlaces(const KeySpec& spec, std::span<const std::string_view> argv, int64_t begin,
                 Places* places) {
  const auto argc = static_cast<int64_t>(argv.size());
  if (spec.find == KeySpec::Find::kUnknown) return Found::kUnknown;
  if (spec.find == KeySpec::Find::kRange) {
    places->first = begin;
    if (spec.last_key >= 0) {
      places->last = begin + spec.last_key;
    } else if (spec.limit <= 1) {
      places->last = argc + spec.last_key;
    } else {
      places->last = begin + (argc - begin) / spec.limit + spec.last_key;
    }
    return places->last >= places->first ? Found::kYes : Found::kNone;
  }
  const int64_t at = begin + spec.key_number_index;
  if (at <= 0 || at >= argc) return Found::kUnknown;
  const std::string_view text = argv[static_cast<size_t>(at)];
  int64_t count = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || stop != text.data() + text.size()) return Found::kUnknown;
  if (count < 0 || count > argc) return Found::kUnknown;
  places->first = begin + spec.first_key;
  places->last = places->first + (count - 1) * spec.key_step;
  return count > 0 ? Found::kYes : Found::kNone;
}

// False: not all of these are arguments.
bool AddKeys(Places places, int step, bool written, size_t argc, std::vector<KeyRef>* keys) {
  if (places.first <= 0 || places.last >= static_cast<int64_t>(argc)) return false;
  for (int64_t i = places.first; i <= places.last; i += step) {
    keys->push_back({static_cast<uint32_t>(i), written});
  }
  return true;
}

bool FindKeysOfSix(const CommandInfo& info, std::span<const std::string_view> argv,
                   std::vector<KeyRef>* keys) {
  if (info.Has(kFlagMovableKeys)) return false;
  if (info.first_key == 0) return true;
  const auto argc = static_cast<int64_t>(argv.size());
  const int64_t last = info.last_key >= 0 ? info.last_key : argc + info.last_key;
  return AddKeys({info.first_key, last}, std::max(info.key_step, 1), info.Has(kFlagWrite),
                 argv.size(), keys);
}

}  // namespace

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return Lower(a) == b; });
}

bool CommandInfo::TakesArguments(size_t argc) const {
  const auto count = static_cast<int64_t>(argc);
  return arity >= 0 ? count == arity : count >= -arity;
}

const CommandInfo* CommandInfo::Subcommand(std::string_view bare_name) const {
  const auto bare = [this](const CommandInfo& sub) {
    return std::string_view(sub.name).substr(name.size() + 1);
  };
  const auto found = std::lower_bound(
      subcommands.begin(), subcommands.end(), bare_name,
      [&](const CommandInfo& sub, std::string_view wanted) { return bare(sub) < wanted; });
  return found != subcommands.end() && bare(*found) == bare_name ? &*found : nullptr;
}

absl::StatusOr<CommandInfo> ReadCommandInfo(const RespValue& element) {
  const std::vector<RespValue>& fields = element.items;
  if (fields.size() < kFieldsOfSix || !fields[0].string() || fields[0].text.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("COMMAND names '{}' with {} fields; expected a name and at least 6 more",
                    fields.empty() ? "" : fields[0].text, fields.size()));
  }
  CommandInfo info;
  info.name = LowerCase(fields[0].text);
  info.arity = static_cast<int>(fields[1].integer);
  info.flags = FlagsOf(fields[2], fields[6]);
  info.first_key = static_cast<int>(fields[3].integer);
  info.last_key = static_cast<int>(fields[4].integer);
  info.key_step = static_cast<int>(fields[5].integer);
  if (fields[1].type != ReplyType::kInteger || info.arity == 0) {
    return absl::InvalidArgumentError(fmt::format("COMMAND gives no arity for '{}'", info.name));
  }
  if (fields.size() < kFieldsOfSeven) return info;
  info.has_key_specs = true;
  for (const RespValue& spec : fields[8].items) info.key_specs.push_back(ReadKeySpec(spec));
  for (const RespValue& field : fields[9].items) {
    ASSIGN_OR_RETURN(CommandInfo sub, ReadCommandInfo(field));
    if (!sub.name.starts_with(info.name + "|")) {
      return absl::InvalidArgumentError(
          fmt::format("COMMAND names '{}' as a part of '{}'", sub.name, info.name));
    }
    info.subcommands.push_back(std::move(sub));
  }
  std::sort(info.subcommands.begin(), info.subcommands.end(),
            [](const CommandInfo& a, const CommandInfo& b) { return a.name < b.name; });
  return info;
}

bool FindKeys(const CommandInfo& info, std::span<const std::string_view> argv,
              std::vector<KeyRef>* keys) {
  if (!info.has_key_specs) return FindKeysOfSix(info, argv, keys);
  // XREADGROUP is a write whose key is "only read": by its specification, which speaks of the
  // stream's entries, not of its groups.
  const bool writes = info.Has(kFlagWrite);
  const bool unsaid = writes && std::none_of(info.key_specs.begin(), info.key_specs.end(),
                                             [](const KeySpec& spec) { return spec.written; });
  bool complete = true;
  for (const KeySpec& spec : info.key_specs) {
    if (!spec.is_key) continue;
    complete &= !spec.incomplete;
    int64_t begin = 0;
    Places places{};
    Found found = FindBegin(spec, argv, &begin);
    if (found == Found::kYes) found = FindPlaces(spec, argv, begin, &places);
    if (found == Found::kUnknown) complete = false;
    if (found != Found::kYes) continue;
    complete &= AddKeys(places, spec.key_step, spec.written || unsaid, argv.size(), keys);
  }
  return complete;
}

}  // namespace cairn::adapter::redis
